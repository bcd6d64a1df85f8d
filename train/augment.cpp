#include "train/augment.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/philox.h"

namespace ag {

Placement draw_placement(const Augmentation& augmentation, uint64_t seed, int64_t epoch,
                         int64_t index) {
  constexpr uint32_t kStream = 0x617567;  // "aug"
  const auto i = static_cast<uint64_t>(index);
  const PhiloxBlock block =
      philox4x32(philox_key(seed), {static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32),
                                    static_cast<uint32_t>(epoch), kStream});
  const auto shift = [&](uint32_t word) {
    const auto positions = static_cast<uint64_t>(2 * augmentation.crop_padding + 1);
    return static_cast<int64_t>(word * positions >> 32) - augmentation.crop_padding;
  };
  return {augmentation.flip && block[0] >> 31 != 0, shift(block[1]), shift(block[2])};
}

ImageWriter::ImageWriter(const Dataset& dataset, const Normalisation& normalisation)
    : dataset_(dataset),
      channels_(dataset.images.shape()[1]),
      height_(dataset.images.shape()[2]),
      width_(dataset.images.shape()[3]),
      values_(static_cast<size_t>(channels_)) {
  if (normalisation.mean.size() != values_.size() ||
      normalisation.deviation.size() != values_.size()) {
    throw CompileError(fmt::format(
        "the normalisation has {} means and {} deviations, but the images "
        "of {} have {} channels",
        normalisation.mean.size(), normalisation.deviation.size(), dataset.name, channels_));
  }
  for (size_t c = 0; c < values_.size(); ++c) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const float value = static_cast<float>(byte) / 255.0f;
      values_[c][byte] = (value - normalisation.mean[c]) / normalisation.deviation[c];
    }
  }
}

void ImageWriter::write_row(const uint8_t* source, const float* values, const Placement& placement,
                            float* target) const {
  const int64_t first = std::clamp<int64_t>(placement.right, 0, width_);
  const int64_t last = std::clamp<int64_t>(width_ + placement.right, 0, width_);
  std::fill_n(target, first, values[0]);
  for (int64_t x = first; x < last; ++x) target[x] = values[source[x - placement.right]];
  std::fill_n(target + last, width_ - last, values[0]);
  if (placement.mirrored) std::reverse(target, target + width_);
}

void ImageWriter::write(int64_t index, const Placement& placement, float* target) const {
  const uint8_t* image =
      dataset_.images.as<uint8_t>().data() + index * channels_ * height_ * width_;
  for (int64_t c = 0; c < channels_; ++c) {
    const float* values = values_[static_cast<size_t>(c)].data();
    for (int64_t y = 0; y < height_; ++y, target += width_) {
      const int64_t row = y - placement.down;
      if (row < 0 || row >= height_) {
        std::fill_n(target, width_, values[0]);
      } else {
        write_row(image + (c * height_ + row) * width_, values, placement, target);
      }
    }
  }
}

Array network_input(const Dataset& dataset, const Normalisation& normalisation) {
  const ImageWriter writer(dataset, normalisation);
  Array images(DType::f32, dataset.images.shape());
  const int64_t size = element_count(dataset.image_shape());
  for (int64_t i = 0; i < dataset.count(); ++i)
    writer.write(i, {}, images.as<float>().data() + i * size);
  return images;
}

}  // namespace ag
