// From a stored image to a network's input: crop, flip, normalise.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "train/dataset.h"

namespace ag {

struct Augmentation {
  bool flip = false;         // mirror left and right with probability 1/2
  int64_t crop_padding = 0;  // shift by up to this many pixels each way; black comes in
  bool operator==(const Augmentation&) const = default;
};

// What is done to one image.
struct Placement {
  bool mirrored = false;
  int64_t down = 0, right = 0;  // the image's shift in pixels
};

// The placement of image `index` in `epoch`: a function of these and the seed alone, whatever the
// thread or the batch. Words 0, 1, 2 of the Philox block (index low, index high, epoch, 'aug')
// under the seed decide: mirrored when bit 31 is set, then down and right as word * (2 p + 1) >>
// 32, - p.
Placement draw_placement(const Augmentation& augmentation, uint64_t seed, int64_t epoch,
                         int64_t index);

// Writes images of a data set as f32[channels, height, width], normalised.
class ImageWriter {
 public:
  // Throws CompileError when the normalisation has another number of channels than the images.
  ImageWriter(const Dataset& dataset, const Normalisation& normalisation);

  void write(int64_t index, const Placement& placement, float* target) const;

 private:
  void write_row(const uint8_t* source, const float* values, const Placement& placement,
                 float* target) const;

  const Dataset& dataset_;
  int64_t channels_, height_, width_;
  std::vector<std::array<float, 256>> values_;  // per channel, of each byte
};

// All images as they are, normalised: f32[count, channels, height, width].
Array network_input(const Dataset& dataset, const Normalisation& normalisation);

}  // namespace ag
