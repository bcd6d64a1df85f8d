// Batches of a data set, made ahead by a thread of their own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "train/augment.h"
#include "train/dataset.h"

namespace ag {

struct BatchOptions {
  int64_t batch = 128;
  bool shuffle = true;
  Augmentation augmentation;
  Normalisation normalisation;
  uint64_t seed = 0;
  // The images left over at an epoch's end: dropped (training), or a last batch whose remaining
  // places are zero with label 0 and not counted (evaluation).
  bool keep_last = false;
  int64_t ahead = 3;  // batches made in advance
};

// Where a stream stands: the next batch it gives.
struct BatchPosition {
  int64_t epoch = 0, batch = 0;
  bool operator==(const BatchPosition&) const = default;
};

struct Batch {
  Array images;       // f32[batch, channels, height, width]
  Array labels;       // i32[batch]
  int64_t count = 0;  // images that are real
  BatchPosition position;
};

// The order of the images in an epoch: a permutation that is a function of its arguments.
std::vector<int64_t> epoch_order(int64_t count, bool shuffle, uint64_t seed, int64_t epoch);

// Epoch after epoch without end. A stream begun at a position gives what a stream from the start
// gives from there on. The data set must outlive it.
class BatchStream {
 public:
  // Throws CompileError when the set has no full batch and none is kept.
  BatchStream(const Dataset& dataset, BatchOptions options, BatchPosition start = {});
  ~BatchStream();
  BatchStream(const BatchStream&) = delete;
  BatchStream& operator=(const BatchStream&) = delete;

  int64_t batches_per_epoch() const { return batches_per_epoch_; }
  // The next batch goes into `batch`, whose old buffers are used again.
  void next(Batch& batch);

 private:
  Batch empty_batch() const;
  void produce(BatchPosition start);
  void fill(Batch& batch, const std::vector<int64_t>& order, BatchPosition position) const;

  const Dataset& dataset_;
  const BatchOptions options_;
  const ImageWriter writer_;
  int64_t batches_per_epoch_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  std::vector<Batch> free_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace ag
