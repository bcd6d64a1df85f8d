// Metrics, schedules, progress, checkpoints.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "frontend/weights/weights.h"
#include "ir/file.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/progress.h"
#include "train/schedule.h"

using namespace ag;
namespace fs = std::filesystem;

namespace {

std::string temporary(const std::string& name) {
  return (fs::temp_directory_path() / fmt::format("argent_{}_{}", getpid(), name)).string();
}

// What `show` writes to a stream under a clock that it advances.
template <class Show>
std::string shown(bool terminal, Show show) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* stream = open_memstream(&text, &size);
  double now = 0;
  {
    Progress progress(2, 4, 100, stream, terminal, [&] { return now; });
    show(progress, now);
  }
  std::fclose(stream);
  const std::string result(text, size);
  std::free(text);
  return result;
}

}  // namespace

TEST_CASE("top-k counts, with ties to the lower class and NaN never a hit") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Array scores = Array::of<float>({4, 3}, {1, 3, 2, 5, 5, 0, nan, nan, nan, 0, 0, 9});
  const Array labels = Array::of<int32_t>({4}, {1, 1, 0, 0});
  CHECK(count_top_k(scores, labels, 1, 4) == 1);
  CHECK(count_top_k(scores, labels, 2, 4) == 3);
  CHECK(count_top_k(scores, labels, 3, 2) == 2);
  Accuracy accuracy;
  accuracy.add(scores, labels, 2);
  CHECK(accuracy.top1_percent() == 50.0);
  CHECK(accuracy.top5_percent() == 100.0);
  RunningMean mean;
  CHECK(mean.value() == 0.0);
  mean.add(1.0, 3);
  mean.add(5.0);
  CHECK(mean.value() == 2.0);
}

TEST_CASE("schedules at known times") {
  CHECK(step_schedule(30)(29.99) == 1.0);
  CHECK(step_schedule(30)(60) == doctest::Approx(0.01));
  CHECK(multi_step_schedule({100, 150}, 0.5)(100) == 0.5);
  CHECK(multi_step_schedule({100, 150}, 0.5)(99.5) == 1.0);
  CHECK(cosine_schedule(10)(0) == 1.0);
  CHECK(cosine_schedule(10)(5) == doctest::Approx(0.5));
  CHECK(cosine_schedule(10, 0.1)(10) == doctest::Approx(0.1));
  CHECK(cosine_schedule(10, 0.1)(11) == doctest::Approx(0.1));
  const Schedule warm = warm_up_schedule(4, cosine_schedule(10));
  CHECK(warm(1) == 0.25);
  CHECK(warm(4) == 1.0);
  CHECK(warm(14) == doctest::Approx(0.0));
  // torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=11), steps 0, 1, 3, 10: its phases
  // end at steps 0.3 * 11 - 1 and 10.
  const Schedule cycle = one_cycle_schedule(10, 0.23);
  CHECK(cycle(0) == doctest::Approx(0.04));
  CHECK(cycle(1) == doctest::Approx(1 + (0.04 - 1) * 0.5 * (1 + std::cos(M_PI / 2.3))));
  CHECK(cycle(2.3) == doctest::Approx(1.0));
  CHECK(cycle(10) == doctest::Approx(4e-6));
}

TEST_CASE("schedules are read from text") {
  CHECK(parse_schedule("constant", 10)(7) == 1.0);
  CHECK(parse_schedule("step:30", 90)(31) == doctest::Approx(0.1));
  CHECK(parse_schedule("multi_step:1,2:0.5", 3)(2) == 0.25);
  CHECK(parse_schedule("cosine", 10)(5) == doctest::Approx(0.5));
  CHECK(parse_schedule("warm_up:2+cosine", 10)(6) == doctest::Approx(0.5));
  CHECK(parse_schedule("one_cycle", 10)(3) == doctest::Approx(1.0));
  for (const char* bad :
       {"", "linear", "step", "step:0", "step:x", "step:-1", "step:nan", "cosine:3", "step:1:2:3",
        "multi_step:", "warm_up+cosine", "warm_up:1+", "cosine+cosine", "multi_step:1,,2"}) {
    INFO(bad);
    CHECK_THROWS_WITH_AS(parse_schedule(bad, 10), doctest::Contains("is not known"), CompileError);
  }
}

TEST_CASE("the progress line fits its width") {
  const ProgressState state{2, 5, 61, 100, 0.12345, 93.06, 4321.4, 67};
  CHECK(progress_line(state, 80) ==
        "epoch 2/5 [=======>    ]  loss 0.1235  accuracy 93.1 %  4321 images/s  1:07 left");
  CHECK(progress_line(state, 72) ==
        "epoch 2/5  61 %  loss 0.1235  accuracy 93.1 %  4321 images/s  1:07 left");
  CHECK(progress_line(state, 9) == "epoch 2/5");
  CHECK(progress_line({1, 1, 4, 4}, 200).find(std::string(30, '=') + "]") != std::string::npos);
  CHECK(duration_text(59.4) == "59 s");
  CHECK(duration_text(60) == "1:00");
  CHECK(duration_text(7384) == "2:03:04");
  CHECK(duration_text(INFINITY).size() < 20);
}

TEST_CASE("plain streams get a line per epoch and half minute, terminals a bar") {
  const auto run = [](Progress& progress, double& now) {
    for (int i = 0; i < 8; ++i) {
      now += i == 1 ? 40 : 1;
      progress.step(2.0, i < 4 ? 50 : 100);
    }
  };
  const std::string plain = shown(false, run);
  CHECK(plain.find('\r') == std::string::npos);
  CHECK(std::count(plain.begin(), plain.end(), '\n') == 3);
  CHECK(plain.find("epoch 1/2 [===============>              ]  loss 2.0000  accuracy 50.0 %  5 "
                   "images/s") == 0);
  CHECK(plain.find("epoch 2/2 [==============================]  loss 2.0000  accuracy 59.3 %") !=
        std::string::npos);
  const std::string bar = shown(true, run);
  CHECK(bar.find("\r\033[K") != std::string::npos);
  CHECK(std::count(bar.begin(), bar.end(), '\n') == 2);
  CHECK(shown(true, [](Progress& progress, double& now) {
          now = 1;
          progress.step(1.0, 100);
          progress.message("saved");
        }).ends_with("\r\033[Ksaved\n"));
  // A resumed run counts its own steps for the rate and the whole for the time left.
  CHECK(shown(false,
              [](Progress& progress, double& now) {
                progress.begin_at(6);
                now = 2;
                progress.step(1.0, 100);
                now = 4;
                progress.step(1.0, 100);
              }) ==
        "epoch 2/2 [==============================]  loss 1.0000  accuracy 100.0 %  50 images/s  0 "
        "s left\n");
}

TEST_CASE("a checkpoint comes back whole and serves as weights") {
  const std::string path = temporary("checkpoint.safetensors");
  Checkpoint checkpoint;
  checkpoint.weights = {{"conv.weight", Array::of<float>({2}, {1, 2})}};
  checkpoint.training_state = {{"optimizer.momentum.conv.weight", Array::of<float>({2}, {3, 4})},
                               {"rng.key", Array::of<uint32_t>({2}, {5, 6})}};
  checkpoint.step = 1234;
  checkpoint.position = {3, 17};
  checkpoint.seed = ~0ULL;
  checkpoint.settings = {{"model", "resnet20_cifar"}, {"optimizer", "sgd lr=0.1"}};
  save_checkpoint(path, checkpoint);
  const Checkpoint read = load_checkpoint(path);
  CHECK(read.weights == checkpoint.weights);
  CHECK(read.training_state == checkpoint.training_state);
  CHECK(read.step == 1234);
  CHECK(read.position == BatchPosition{3, 17});
  CHECK(read.seed == ~0ULL);
  CHECK(read.settings == checkpoint.settings);
  CHECK(load_weights(path) == checkpoint.weights);
  CHECK_NOTHROW(check_settings(read, checkpoint.settings, path));
  CHECK_THROWS_WITH_AS(check_settings(read, {{"model", "lenet5"}}, path),
                       doctest::Contains("model 'resnet20_cifar', but this run has 'lenet5'"),
                       CompileError);
  save_weights(path, checkpoint.weights);
  CHECK_THROWS_WITH_AS(load_checkpoint(path), doctest::Contains("is not a checkpoint"),
                       CompileError);
  auto bytes = read_file(path);
  bytes.resize(bytes.size() / 2);
  write_file(path, bytes);
  CHECK_THROWS_AS(load_checkpoint(path), CompileError);
  fs::remove(path);
}
