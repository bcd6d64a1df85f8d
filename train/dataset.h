// Labelled images in memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/array.h"

namespace ag {

// Per channel: (value / 255 - mean) / deviation.
struct Normalisation {
  std::vector<float> mean, deviation;
  bool operator==(const Normalisation&) const = default;
};

// Images as they are stored, 0 … 255, and what they show.
struct Dataset {
  std::string name;             // "cifar10 test"
  Array images;                 // u8[count, channels, height, width]
  std::vector<int32_t> labels;  // 0 … classes - 1
  int64_t classes = 0;
  Normalisation normalisation;  // usual for the set

  int64_t count() const { return static_cast<int64_t>(labels.size()); }
  // [channels, height, width]
  Shape image_shape() const { return {images.shape().begin() + 1, images.shape().end()}; }
};

struct Datasets {
  Dataset train, test;
};

enum class Split { train, test };

// MNIST from its IDX files, plain or gzipped (train-images-idx3-ubyte[.gz] …), in `folder` or
// folder/mnist. Throws CompileError naming the file that is missing or damaged.
Dataset mnist(const std::string& folder, Split split);
Datasets mnist(const std::string& folder);

// CIFAR-10 from its binary files (data_batch_1.bin … test_batch.bin), in `folder` or
// folder/cifar-10-batches-bin.
Dataset cifar10(const std::string& folder, Split split);
Datasets cifar10(const std::string& folder);

// "mnist:FOLDER" or "cifar10:FOLDER".
Dataset load_dataset(const std::string& specification, Split split);
Datasets load_datasets(const std::string& specification);

// What is usual for networks trained on ImageNet and those derived from them.
Normalisation imagenet_normalisation();

// The first `count` images of the set (all when it has fewer).
Dataset first_images(const Dataset& dataset, int64_t count);

}  // namespace ag
