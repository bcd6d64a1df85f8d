#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <set>
#include <thread>

#include "ir/file.h"
#include "tests/test_data.h"
#include "train/augment.h"
#include "train/batches.h"
#include "train/dataset.h"

using namespace ag;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("argent_data_test_{}", getpid());
  Folder() { fs::create_directories(path / "mnist"); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  std::string text() const { return path.string(); }
};

std::string idx(const Shape& shape, const std::string& data) {
  std::string text{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const int64_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(extent >> shift & 255);
  }
  return text + data;
}

void write_gzip(const std::string& path, const std::string& text) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
}

// 1x2x3 images whose first pixel is 10 times the index.
Dataset counting_dataset(int64_t count, int64_t channels = 1) {
  Dataset dataset;
  dataset.name = "counting";
  dataset.images = Array(DType::u8, {count, channels, 2, 3});
  dataset.classes = 10;
  for (int64_t i = 0; i < dataset.images.count(); ++i) dataset.images.set_int(i, i % 251);
  for (int64_t i = 0; i < count; ++i) dataset.labels.push_back(static_cast<int32_t>(i % 10));
  dataset.normalisation.mean.assign(static_cast<size_t>(channels), 0.0f);
  dataset.normalisation.deviation.assign(static_cast<size_t>(channels), 1.0f);
  return dataset;
}

BatchOptions options_for(const Dataset& dataset, int64_t batch) {
  BatchOptions options;
  options.batch = batch;
  options.normalisation = dataset.normalisation;
  options.seed = 5;
  return options;
}

template <class Action>
void refuses(Action action, const std::string& reason) {
  CHECK_THROWS_WITH_AS(action(), doctest::Contains(reason.c_str()), CompileError);
}

}  // namespace

TEST_CASE("MNIST's files are read plain and gzipped, in the folder or below it") {
  const Folder folder;
  write_file(folder / "mnist/train-images-idx3-ubyte", idx({2, 2, 2}, "abcdefgh"));
  write_gzip(folder / "mnist/train-labels-idx1-ubyte.gz", idx({2}, std::string("\3\7", 2)));
  const Dataset dataset = load_dataset("mnist:" + folder.text(), Split::train);
  CHECK(dataset.images.shape() == Shape{2, 1, 2, 2});
  CHECK(dataset.images.get_int(5) == 'f');
  CHECK(dataset.labels == std::vector<int32_t>{3, 7});
  CHECK(mnist(folder / "mnist", Split::train).count() == 2);
}

TEST_CASE("missing, damaged and unknown data say what to do") {
  const Folder folder;
  const auto read = [&] { load_dataset("mnist:" + folder.text(), Split::train); };
  refuses(read, folder.text() + " lacks train-images-idx3-ubyte or train-images-idx3-ubyte.gz");
  write_file(folder / "train-images-idx3-ubyte", idx({2, 2, 2}, "abcdefg"));
  refuses(read, "its header says [2,2,2], but 7 bytes follow");
  write_file(folder / "train-images-idx3-ubyte", idx({4294967295, 4294967295, 4294967295}, "abc"));
  refuses(read, "damaged");
  write_file(folder / "train-images-idx3-ubyte", std::string("abc"));
  refuses(read, "is not an IDX file of 3 axes");
  write_file(folder / "train-images-idx3-ubyte", idx({2, 2, 2}, "abcdefgh"));
  write_file(folder / "train-labels-idx1-ubyte", idx({3}, "\1\2\3"));
  refuses(read, "holds 2 images, but train-labels-idx1-ubyte holds 3 labels");
  write_file(folder / "train-labels-idx1-ubyte", idx({2}, "\1\x0a"));
  refuses(read, "label 10 is not 0 to 9");
  write_gzip(folder / "train-labels-idx1-ubyte", idx({2}, std::string(5000, 'x')));
  auto gzipped = read_file(folder / "train-labels-idx1-ubyte");
  gzipped.resize(gzipped.size() - 9);
  write_file(folder / "train-labels-idx1-ubyte", gzipped);
  refuses(read, "damaged");

  const auto cifar = [&] { load_dataset("cifar10:" + folder.text(), Split::test); };
  refuses(cifar, "cifar-10-binary.tar.gz");
  write_file(folder / "test_batch.bin", std::string(3072, 'x'));
  refuses(cifar, "3072 bytes are no multiple of 3073");
  write_file(folder / "test_batch.bin", std::string(3073, 'x'));
  refuses(cifar, "image 0 has label 120");
  refuses([] { load_dataset("cifar10:no/such/folder", Split::test); }, "is no folder");
  refuses([] { load_dataset("imagenet:x", Split::test); }, "write cifar10:FOLDER or mnist:FOLDER");
  refuses([] { load_dataset("mnist", Split::test); }, "data set 'mnist' is not known");
}

TEST_CASE("the published sets have their sizes and averages") {
  if (const auto data = test_data("cifar-10-batches-bin")) {
    const Datasets sets = cifar10(data->string());
    CHECK(sets.train.count() == 50000);
    CHECK(sets.test.count() == 10000);
    CHECK(sets.test.labels[0] == 3);  // a cat
    double sum = 0;
    const auto pixels = sets.train.images.as<uint8_t>();
    for (size_t i = 0; i < pixels.size(); i += 3072) {
      for (size_t k = 0; k < 1024; ++k) sum += pixels[i + k];
    }
    CHECK(sum / 50000 / 1024 / 255 == doctest::Approx(0.4914).epsilon(0.0002));
    std::vector<int> per_class(10);
    for (const int32_t label : sets.train.labels) ++per_class[static_cast<size_t>(label)];
    CHECK(per_class == std::vector<int>(10, 5000));
  }
  if (const auto data = test_data("mnist")) {
    const Datasets sets = mnist(data->string());
    CHECK(sets.train.count() == 60000);
    CHECK(sets.test.count() == 10000);
    CHECK(sets.test.labels[0] == 7);
    CHECK(sets.train.image_shape() == Shape{1, 28, 28});
  }
}

TEST_CASE("an image is normalised, shifted over black, and mirrored after the shift") {
  const Dataset dataset = counting_dataset(1);  // 0 1 2 / 3 4 5
  const ImageWriter writer(dataset, {{0.5f}, {0.25f}});
  const auto written = [&](const Placement& placement) {
    std::vector<float> out(6);
    writer.write(0, placement, out.data());
    for (float& value : out) value = std::round((value * 0.25f + 0.5f) * 255.0f);
    return out;
  };
  using Row = std::vector<float>;
  CHECK(written({}) == Row{0, 1, 2, 3, 4, 5});
  CHECK(written({.mirrored = true}) == Row{2, 1, 0, 5, 4, 3});
  CHECK(written({.down = 1}) == Row{0, 0, 0, 0, 1, 2});
  CHECK(written({.down = -1}) == Row{3, 4, 5, 0, 0, 0});
  CHECK(written({.right = 2}) == Row{0, 0, 0, 0, 0, 3});
  CHECK(written({.right = -1}) == Row{1, 2, 0, 4, 5, 0});
  CHECK(written({.mirrored = true, .right = -1}) == Row{0, 2, 1, 0, 5, 4});
  CHECK(written({.down = 9, .right = -9}) == Row(6, 0.0f));
  refuses([&] { ImageWriter(dataset, {{0, 0, 0}, {1, 1, 1}}); }, "have 1 channels");
}

TEST_CASE("placements are functions of seed, epoch and image, and spread evenly") {
  const Augmentation augmentation{.flip = true, .crop_padding = 4};
  int mirrored = 0;
  std::vector<int> down(9), right(9);
  for (int64_t i = 0; i < 9000; ++i) {
    const Placement p = draw_placement(augmentation, 7, 3, i);
    const Placement again = draw_placement(augmentation, 7, 3, i);
    REQUIRE((p.mirrored == again.mirrored && p.down == again.down && p.right == again.right));
    mirrored += p.mirrored;
    ++down.at(static_cast<size_t>(p.down + 4));
    ++right.at(static_cast<size_t>(p.right + 4));
  }
  CHECK(std::abs(mirrored - 4500) < 250);
  for (const int n : down) CHECK(std::abs(n - 1000) < 150);
  for (const int n : right) CHECK(std::abs(n - 1000) < 150);
  const Placement plain = draw_placement({}, 7, 3, 1);
  CHECK((!plain.mirrored && plain.down == 0 && plain.right == 0));
}

TEST_CASE("an epoch's order is a permutation of its own") {
  const auto first = epoch_order(1000, true, 1, 0);
  CHECK(std::set<int64_t>(first.begin(), first.end()).size() == 1000);
  CHECK(first == epoch_order(1000, true, 1, 0));
  CHECK(first != epoch_order(1000, true, 1, 1));
  CHECK(first != epoch_order(1000, true, 2, 0));
  CHECK(epoch_order(3, false, 1, 0) == std::vector<int64_t>{0, 1, 2});
}

TEST_CASE("a stream covers each epoch once and resumes anywhere with the same batches") {
  const Dataset dataset = counting_dataset(23);
  BatchOptions options = options_for(dataset, 4);
  options.augmentation = {.flip = true, .crop_padding = 1};
  BatchStream whole(dataset, options);
  CHECK(whole.batches_per_epoch() == 5);
  std::vector<Batch> batches(12);
  for (Batch& batch : batches) whole.next(batch);
  CHECK(batches[4].position == BatchPosition{0, 4});
  CHECK(batches[5].position == BatchPosition{1, 0});
  for (size_t start = 0; start < batches.size(); ++start) {
    BatchStream resumed(dataset, options, {0, static_cast<int64_t>(start)});
    Batch batch;
    for (size_t i = start; i < batches.size(); ++i) {
      resumed.next(batch);
      REQUIRE(batch.position == batches[i].position);
      REQUIRE(batch.images == batches[i].images);
      REQUIRE(batch.labels == batches[i].labels);
    }
  }
}

TEST_CASE("evaluation keeps the last batch, its free places zero and not counted") {
  const Dataset dataset = counting_dataset(10);
  BatchOptions options = options_for(dataset, 4);
  options.shuffle = false;
  options.keep_last = true;
  BatchStream stream(dataset, options);
  CHECK(stream.batches_per_epoch() == 3);
  Batch batch;
  std::vector<int32_t> labels;
  for (int i = 0; i < 3; ++i) {
    stream.next(batch);
    const auto values = batch.labels.as<int32_t>();
    labels.insert(labels.end(), values.begin(), values.begin() + batch.count);
  }
  CHECK(labels == dataset.labels);
  CHECK(batch.count == 2);
  for (int64_t i = 12; i < 24; ++i) CHECK(batch.images.get_double(i) == 0.0);
  stream.next(batch);  // the buffers come round clean
  CHECK(batch.count == 4);
  CHECK(batch.images.get_double(23) == doctest::Approx(23.0 / 255));
}

TEST_CASE("a stream may be left at any time, and bad sizes say so") {
  const Dataset dataset = counting_dataset(50);
  for (int i = 0; i < 50; ++i) {
    BatchStream stream(dataset, options_for(dataset, 5));
    Batch batch;
    for (int k = 0; k < i % 5; ++k) stream.next(batch);
  }
  refuses([&] { BatchStream(dataset, options_for(dataset, 51)); },
          "counting has 50 images, fewer than one batch of 51");
  refuses([&] { BatchStream(dataset, options_for(dataset, 0)); }, "batches of 0 images");
}

TEST_CASE("the first images of a set") {
  const Dataset part = first_images(counting_dataset(10), 3);
  CHECK(part.count() == 3);
  CHECK(part.images.shape() == Shape{3, 1, 2, 3});
  CHECK(first_images(part, 100).count() == 3);
}
