// CIFAR-10's binary version: records of a label byte and 3x32x32 bytes.
// https://www.cs.toronto.edu/~kriz/cifar.html
#include <fmt/format.h>

#include <algorithm>

#include "ir/file.h"
#include "train/data_files.h"
#include "train/dataset.h"

namespace ag {
namespace {

constexpr int64_t kClasses = 10;
constexpr size_t kPixels = 3 * 32 * 32, kRecord = 1 + kPixels;

const std::vector<std::string> kFiles[] = {
    {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
     "data_batch_5.bin"},
    {"test_batch.bin"},
};

std::vector<std::byte> read_batch(const std::string& folder, const std::string& name) {
  const std::string subfolders[] = {"", "cifar-10-batches-bin"};
  const std::string path = find_data_file(
      folder, subfolders, {&name, 1},
      "fetch CIFAR-10's binary version (cifar-10-binary.tar.gz) and unpack it in that folder");
  std::vector<std::byte> bytes = read_file(path);
  if (bytes.empty() || bytes.size() % kRecord != 0) {
    throw CompileError(
        fmt::format("{} is damaged: {} bytes are no multiple of {}", path, bytes.size(), kRecord));
  }
  for (size_t at = 0; at < bytes.size(); at += kRecord) {
    if (static_cast<int64_t>(bytes[at]) < kClasses) continue;
    throw CompileError(fmt::format("{} is damaged: image {} has label {}", path, at / kRecord,
                                   static_cast<int>(bytes[at])));
  }
  return bytes;
}

}  // namespace

Dataset cifar10(const std::string& folder, Split split) {
  std::vector<std::byte> records;
  for (const std::string& name : kFiles[split == Split::test]) {
    const std::vector<std::byte> batch = read_batch(folder, name);
    records.insert(records.end(), batch.begin(), batch.end());
  }
  Dataset dataset;
  dataset.name = split == Split::train ? "cifar10 train" : "cifar10 test";
  dataset.images = Array(DType::u8, {static_cast<int64_t>(records.size() / kRecord), 3, 32, 32});
  dataset.classes = kClasses;
  dataset.normalisation = {{0.4914f, 0.4822f, 0.4465f}, {0.2470f, 0.2435f, 0.2616f}};
  std::byte* target = dataset.images.data();
  for (auto record = records.begin(); record != records.end(); record += kRecord) {
    dataset.labels.push_back(static_cast<int32_t>(*record));
    target = std::copy_n(record + 1, kPixels, target);
  }
  return dataset;
}

Datasets cifar10(const std::string& folder) {
  return {cifar10(folder, Split::train), cifar10(folder, Split::test)};
}

}  // namespace ag
