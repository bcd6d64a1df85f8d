// MNIST and whatever else comes in IDX files: a big-endian magic (0, 0, 8 for u8, rank), the
// extents, the bytes. http://yann.lecun.com/exdb/mnist/
#include <fmt/format.h>

#include <algorithm>

#include "train/data_files.h"
#include "train/dataset.h"

namespace ag {
namespace {

constexpr size_t kLargestFile = size_t{1} << 31;
constexpr int64_t kClasses = 10;

struct Files {
  const char *images, *labels;
};
constexpr Files kFiles[] = {
    {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
    {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
};

uint32_t big_endian(std::span<const std::byte> bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint32_t>(bytes[at + i]);
  return value;
}

// The tensor u8[…] of an IDX file.
Array read_idx(const std::string& folder, const std::string& name, size_t rank) {
  const std::string subfolders[] = {"", "mnist", "MNIST/raw"};
  const std::string names[] = {name, name + ".gz"};
  const std::string path =
      find_data_file(folder, subfolders, names,
                     "fetch the four files of MNIST, plain or gzipped, into that folder");
  const std::vector<std::byte> bytes = read_maybe_gzipped(path, kLargestFile);
  const size_t header = 4 + 4 * rank;
  if (bytes.size() < header || big_endian(bytes, 0) != 0x800 + rank) {
    throw CompileError(fmt::format("{} is not an IDX file of {} axes of bytes", path, rank));
  }
  Shape shape;
  uint64_t count = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    shape.push_back(big_endian(bytes, 4 + 4 * axis));
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(shape.back()), &count)) count = 0;
  }
  if (count == 0 || count != bytes.size() - header) {
    throw CompileError(fmt::format("{} is damaged: its header says {}, but {} bytes follow", path,
                                   to_string(shape), bytes.size() - header));
  }
  Array array(DType::u8, shape);
  std::copy(bytes.begin() + static_cast<ptrdiff_t>(header), bytes.end(), array.data());
  return array;
}

}  // namespace

Dataset mnist(const std::string& folder, Split split) {
  const Files& files = kFiles[split == Split::test];
  const Array images = read_idx(folder, files.images, 3);
  const Array labels = read_idx(folder, files.labels, 1);
  const Shape& shape = images.shape();
  if (shape[0] != labels.shape()[0]) {
    throw CompileError(fmt::format("{}: {} holds {} images, but {} holds {} labels", folder,
                                   files.images, shape[0], files.labels, labels.shape()[0]));
  }
  Dataset dataset;
  dataset.name = split == Split::train ? "mnist train" : "mnist test";
  dataset.images = Array::of<uint8_t>({shape[0], 1, shape[1], shape[2]}, images.as<uint8_t>());
  dataset.classes = kClasses;
  dataset.normalisation = {{0.1307f}, {0.3081f}};
  for (const uint8_t label : labels.as<uint8_t>()) {
    if (label >= kClasses) {
      throw CompileError(fmt::format("{}: label {} is not 0 to 9", files.labels, label));
    }
    dataset.labels.push_back(label);
  }
  return dataset;
}

Datasets mnist(const std::string& folder) {
  return {mnist(folder, Split::train), mnist(folder, Split::test)};
}

}  // namespace ag
