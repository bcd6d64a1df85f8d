// The line that shows how training goes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

namespace ag {

struct ProgressState {
  int64_t epoch = 0, epochs = 0;  // epoch counts from 1
  int64_t step = 0, steps = 0;    // of the epoch
  double loss = 0;
  double accuracy = 0;  // percent
  double images_per_second = 0;
  double seconds_left = 0;  // of the whole run
};

// "epoch 2/5 [=====>    ]  loss 0.1234  accuracy 93.1 %  4321 images/s  1:07 left", at most `width`
// columns: the bar takes what is left over; where that is little, a percentage stands in its place.
std::string progress_line(const ProgressState& state, int width);
// "7 s", "1:07" or "2:03:09".
std::string duration_text(double seconds);

// Shows progress on a stream: a terminal sees one line that is rewritten at most ten times a
// second, anything else one line at an epoch's end and every half minute between.
class Progress {
 public:
  using Clock = std::function<double()>;  // seconds

  Progress(int64_t epochs, int64_t steps_per_epoch, int64_t images_per_step,
           std::FILE* stream = stderr);
  // For tests: told whether the stream is a terminal, and the time.
  Progress(int64_t epochs, int64_t steps_per_epoch, int64_t images_per_step, std::FILE* stream,
           bool terminal, Clock clock);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // A run that is resumed begins with `steps_done` steps of the whole done.
  void begin_at(int64_t steps_done);
  // Of one step's batch, the accuracy in percent; moving averages are shown.
  void step(double loss, double accuracy);
  // A line of its own above the bar.
  void message(const std::string& text);

 private:
  void show(double now, bool epoch_done);
  void clear_bar();

  const int64_t epochs_, steps_per_epoch_, images_per_step_;
  std::FILE* const stream_;
  const bool terminal_;
  const Clock clock_;
  double started_, shown_;
  int64_t first_step_ = 0, steps_done_ = 0;
  double loss_ = 0, accuracy_ = 0;
  bool bar_shown_ = false;
};

}  // namespace ag
