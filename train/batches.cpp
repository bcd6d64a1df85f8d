#include "train/batches.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ir/philox.h"

namespace ag {
namespace {

int64_t count_batches(const Dataset& dataset, const BatchOptions& options) {
  if (options.batch <= 0 || options.ahead <= 0) {
    throw CompileError(fmt::format("batches of {} images, {} ahead, cannot be made", options.batch,
                                   options.ahead));
  }
  const int64_t left_over = options.keep_last ? options.batch - 1 : 0;
  const int64_t batches = (dataset.count() + left_over) / options.batch;
  if (batches == 0) {
    throw CompileError(fmt::format("{} has {} images, fewer than one batch of {}", dataset.name,
                                   dataset.count(), options.batch))
        .help("use a smaller batch");
  }
  return batches;
}

}  // namespace

// Fisher and Yates' shuffle; the numbers are word 0 of the blocks (i low, i high, epoch, 'ord').
std::vector<int64_t> epoch_order(int64_t count, bool shuffle, uint64_t seed, int64_t epoch) {
  constexpr uint32_t kStream = 0x6f7264;
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (uint64_t i = order.size(); shuffle && i-- > 1;) {
    const PhiloxBlock block =
        philox4x32(philox_key(seed), {static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32),
                                      static_cast<uint32_t>(epoch), kStream});
    std::swap(order[i], order[block[0] * (i + 1) >> 32]);
  }
  return order;
}

BatchStream::BatchStream(const Dataset& dataset, BatchOptions options, BatchPosition start)
    : dataset_(dataset),
      options_(std::move(options)),
      writer_(dataset, options_.normalisation),
      batches_per_epoch_(count_batches(dataset, options_)) {
  start.epoch += start.batch / batches_per_epoch_;
  start.batch %= batches_per_epoch_;
  for (int64_t i = 0; i < options_.ahead; ++i) free_.push_back(empty_batch());
  thread_ = std::thread([this, start] { produce(start); });
}

BatchStream::~BatchStream() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BatchStream::next(Batch& batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !ready_.empty(); });
  std::swap(batch, ready_.front());
  // A caller's first batch has no buffers to give back.
  const bool usable = batch.images.shape() == ready_.front().images.shape();
  free_.push_back(usable ? std::move(ready_.front()) : empty_batch());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
}

Batch BatchStream::empty_batch() const {
  Shape shape = dataset_.image_shape();
  shape.insert(shape.begin(), options_.batch);
  return {Array(DType::f32, shape), Array(DType::i32, {options_.batch})};
}

void BatchStream::produce(BatchPosition position) {
  std::vector<int64_t> order;
  for (int64_t ordered = -1;; ++position.batch) {
    if (position.batch == batches_per_epoch_) position = {position.epoch + 1, 0};
    if (ordered != position.epoch) {
      order = epoch_order(dataset_.count(), options_.shuffle, options_.seed, position.epoch);
      ordered = position.epoch;
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || !free_.empty(); });
    if (stopping_) return;
    Batch batch = std::move(free_.back());
    free_.pop_back();
    lock.unlock();
    fill(batch, order, position);
    lock.lock();
    ready_.push_back(std::move(batch));
    lock.unlock();
    changed_.notify_all();
  }
}

void BatchStream::fill(Batch& batch, const std::vector<int64_t>& order,
                       BatchPosition position) const {
  const int64_t first = position.batch * options_.batch;
  batch.position = position;
  batch.count = std::min(options_.batch, dataset_.count() - first);
  float* pixels = batch.images.as<float>().data();
  const auto labels = batch.labels.as<int32_t>();
  const auto image_size = element_count(dataset_.image_shape());
  for (int64_t i = 0; i < batch.count; ++i) {
    const int64_t index = order[static_cast<size_t>(first + i)];
    const Placement placement =
        draw_placement(options_.augmentation, options_.seed, position.epoch, index);
    writer_.write(index, placement, pixels + i * image_size);
    labels[static_cast<size_t>(i)] = dataset_.labels[static_cast<size_t>(index)];
  }
  std::fill(pixels + batch.count * image_size, pixels + options_.batch * image_size, 0.0f);
  std::fill(labels.begin() + batch.count, labels.end(), 0);
}

}  // namespace ag
