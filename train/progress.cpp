#include "train/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace ag {
namespace {

constexpr double kTerminalInterval = 0.1, kPlainInterval = 30.0;
constexpr double kMemory = 0.95;

double steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

int columns_of(std::FILE* stream) {
  winsize size{};
  const bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

std::string bar_text(double fraction, int width) {
  const int filled = static_cast<int>(fraction * width);
  std::string bar(static_cast<size_t>(filled), '=');
  if (filled < width) bar += '>';
  bar.resize(static_cast<size_t>(width), ' ');
  return fmt::format(" [{}]", bar);
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::lround(std::clamp(seconds, 0.0, 1e9)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string progress_line(const ProgressState& state, int width) {
  const double fraction =
      state.steps == 0 ? 1.0 : static_cast<double>(state.step) / static_cast<double>(state.steps);
  const std::string head = fmt::format("epoch {}/{}", state.epoch, state.epochs);
  const std::string tail =
      fmt::format("  loss {:.4f}  accuracy {:.1f} %  {:.0f} images/s  {} left", state.loss,
                  state.accuracy, state.images_per_second, duration_text(state.seconds_left));
  const int space = width - static_cast<int>(head.size() + tail.size()) - 3;
  std::string line = head;
  line += space >= 5 ? bar_text(fraction, std::min(space, 30))
                     : fmt::format(" {:3.0f} %", std::floor(100 * fraction));
  line += tail;
  if (static_cast<int>(line.size()) > width) line.resize(static_cast<size_t>(std::max(width, 0)));
  return line;
}

Progress::Progress(int64_t epochs, int64_t steps_per_epoch, int64_t images_per_step,
                   std::FILE* stream)
    : Progress(epochs, steps_per_epoch, images_per_step, stream, isatty(fileno(stream)) != 0,
               steady_seconds) {}

Progress::Progress(int64_t epochs, int64_t steps_per_epoch, int64_t images_per_step,
                   std::FILE* stream, bool terminal, Clock clock)
    : epochs_(epochs),
      steps_per_epoch_(steps_per_epoch),
      images_per_step_(images_per_step),
      stream_(stream),
      terminal_(terminal),
      clock_(std::move(clock)),
      started_(clock_()),
      shown_(started_) {}

Progress::~Progress() {
  if (!bar_shown_) return;
  std::fputc('\n', stream_);
  std::fflush(stream_);
}

void Progress::begin_at(int64_t steps_done) {
  first_step_ = steps_done_ = steps_done;
  started_ = shown_ = clock_();
}

void Progress::step(double loss, double accuracy) {
  const double weight = steps_done_ == first_step_ ? 1 : 1 - kMemory;
  loss_ += weight * (loss - loss_);
  accuracy_ += weight * (accuracy - accuracy_);
  ++steps_done_;
  const double now = clock_();
  const bool epoch_done = steps_done_ % steps_per_epoch_ == 0;
  const double interval = terminal_ ? kTerminalInterval : kPlainInterval;
  if (epoch_done || now - shown_ >= interval) show(now, epoch_done);
}

void Progress::message(const std::string& text) {
  clear_bar();
  fmt::print(stream_, "{}\n", text);
  std::fflush(stream_);
}

void Progress::show(double now, bool epoch_done) {
  const int64_t last_step = steps_done_ - 1;
  const double rate =
      static_cast<double>(steps_done_ - first_step_) / std::max(now - started_, 1e-9);
  ProgressState state;
  state.epoch = last_step / steps_per_epoch_ + 1;
  state.epochs = epochs_;
  state.step = last_step % steps_per_epoch_ + 1;
  state.steps = steps_per_epoch_;
  state.loss = loss_;
  state.accuracy = accuracy_;
  state.images_per_second = rate * static_cast<double>(images_per_step_);
  state.seconds_left = static_cast<double>(epochs_ * steps_per_epoch_ - steps_done_) / rate;
  shown_ = now;
  clear_bar();
  const std::string line = progress_line(state, terminal_ ? columns_of(stream_) - 1 : 100);
  bar_shown_ = terminal_ && !epoch_done;
  fmt::print(stream_, "{}{}", line, bar_shown_ ? "" : "\n");
  std::fflush(stream_);
}

void Progress::clear_bar() {
  if (bar_shown_) fmt::print(stream_, "\r\033[K");
  bar_shown_ = false;
}

}  // namespace ag
