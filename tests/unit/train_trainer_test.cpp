// Training runs on made-up images: they learn, they resume to the same bits, they stop when asked.
#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "frontend/layers.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "ir/philox.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

using namespace ag;

namespace {

Tensor mlp(Tensor x) {
  x = relu(batch_norm("bn", linear("fc1", flatten(x), 16)));
  return linear("fc2", dropout(x, 0.1), 3);
}

// Images of 1x4x5 whose class is the brightest of three regions.
Dataset made_up(int64_t count, uint32_t seed) {
  Dataset data{"made-up images", Array(DType::u8, {count, 1, 4, 5}), {}, 3, {{0.5f}, {0.3f}}};
  auto pixels = data.images.as<uint8_t>();
  for (int64_t i = 0; i < count; ++i) {
    const int32_t label = static_cast<int32_t>(i % 3);
    for (int64_t p = 0; p < 20; ++p) {
      const uint32_t noise = philox4x32(
          philox_key(seed), {static_cast<uint32_t>(i), static_cast<uint32_t>(p), 0, 0})[0];
      const uint32_t bright = p % 3 == label ? 90 : 0;
      pixels[static_cast<size_t>(i * 20 + p)] = static_cast<uint8_t>(bright + noise % 160);
    }
    data.labels.push_back(label);
  }
  return data;
}

Model new_model() { return trace(mlp, {.image = f32(8, 1, 4, 5), .name = "mlp"}); }

const TrainerOptions kOptions{.optimizer = adam(0.01), .threads = 1, .seed = 5};

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "argent-fit-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("a network learns, and the model has its weights") {
  const Datasets data{made_up(200, 1), made_up(67, 2)};
  Model model = new_model();
  Trainer trainer(model, kOptions);
  std::vector<EpochReport> seen;
  FitReport report =
      trainer.fit(data, {.epochs = 8,
                         .on_epoch = [&](const EpochReport& epoch) { seen.push_back(epoch); },
                         .progress = nullptr});
  REQUIRE(seen.size() == 8);
  CHECK(report.steps == 8 * 25);
  CHECK(seen.back().epoch == 8);
  CHECK(seen.back().loss < 0.7 * seen.front().loss);
  REQUIRE(seen.back().test);
  CHECK(seen.back().test->accuracy > 80);
  CHECK(trainer.evaluate(data.test).accuracy == seen.back().test->accuracy);
  // Another trainer that starts from the model's weights sees the same.
  Trainer again(model, kOptions);
  const Evaluation evaluation = again.evaluate(data.test);
  CHECK(evaluation.accuracy == seen.back().test->accuracy);
  CHECK(evaluation.loss == doctest::Approx(seen.back().test->loss).epsilon(1e-6));
}

TEST_CASE("two epochs are one epoch and a resumed one, bit for bit") {
  const Dataset data = made_up(50, 1);
  Model whole = new_model();
  Trainer(whole, kOptions).fit(data, {.epochs = 2, .progress = nullptr});

  Folder folder;
  Model first = new_model(), second = new_model();
  FitOptions options{.epochs = 1, .checkpoint = folder.path(), .progress = nullptr};
  Trainer(first, kOptions).fit(data, options);
  CHECK(first.weights() != whole.weights());
  options.epochs = 2;
  options.resume = true;
  FitReport report = Trainer(second, kOptions).fit(data, options);
  CHECK(report.epochs.size() == 1);
  CHECK(report.steps == 12);
  CHECK(second.weights() == whole.weights());
}

TEST_CASE("SIGTERM in the middle of an epoch: a whole checkpoint, then the same result") {
  const Dataset data = made_up(50, 1);
  Model whole = new_model();
  Trainer(whole, kOptions).fit(data, {.epochs = 3, .progress = nullptr});

  Folder folder;
  Model stopped = new_model(), resumed = new_model();
  FitOptions options{.epochs = 3, .checkpoint = folder.path(), .progress = nullptr};
  int64_t asked = 0;
  options.schedule = [&](double) {  // asked once a step
    if (++asked == 8) kill(getpid(), SIGTERM);
    return 1.0;
  };
  FitReport report = Trainer(stopped, kOptions).fit(data, options);
  CHECK(report.interrupted);
  CHECK(report.steps == 8);
  CHECK(load_checkpoint(checkpoint_file(folder.path())).position == BatchPosition{1, 2});

  options.schedule = constant_schedule();
  options.resume = true;
  report = Trainer(resumed, kOptions).fit(data, options);
  CHECK_FALSE(report.interrupted);
  CHECK(report.steps == 18);
  CHECK(resumed.weights() == whole.weights());
}

TEST_CASE("a frozen parameter keeps its values") {
  const Dataset data = made_up(50, 1);
  Model model = new_model();
  model.initialize(5);
  const WeightMap before = model.weights();
  TrainerOptions options = kOptions;
  options.freeze = {"fc1.*"};
  Trainer(model, options).fit(data, {.progress = nullptr});
  CHECK(model.weights().at("fc1.weight") == before.at("fc1.weight"));
  CHECK(model.weights().at("fc2.weight") != before.at("fc2.weight"));
}

TEST_CASE("mistakes are named") {
  const Dataset data = made_up(50, 1);
  Model model = new_model();
  Trainer trainer(model, kOptions);
  CHECK_THROWS_WITH_AS(
      trainer.fit(data, {.resume = true, .progress = nullptr}),
      "error: resume: no checkpoint folder is given\n"
      "help: name the folder of the run to go on with, or start one without resuming",
      CompileError);
  Dataset other = data;
  other.classes = 4;
  CHECK_THROWS_WITH_AS(trainer.fit(other, {.progress = nullptr}),
                       "error: made-up images has 4 classes, but @mlp gives scores f32[8,3]\n"
                       "help: let the network's last layer have 4 outputs",
                       CompileError);
  other.images = Array(DType::u8, {50, 3, 4, 5});
  CHECK_THROWS_WITH_AS(trainer.fit(other, {.progress = nullptr}),
                       "error: made-up images has images f32[8,3,4,5], but input 'image' of @mlp "
                       "takes f32[8,1,4,5]\n"
                       "help: trace the network for these images, or use another data set",
                       CompileError);
  Folder folder;
  FitOptions options{.checkpoint = folder.path(), .progress = nullptr};
  trainer.fit(data, options);
  TrainerOptions changed = kOptions;
  changed.optimizer = adam(0.02);
  options.resume = true;
  CHECK_THROWS_WITH_AS(Trainer(model, changed).fit(data, options),
                       ("error: " + checkpoint_file(folder.path()) +
                        " was made with learning rate '0.01', but this run has '0.02'\n"
                        "help: resume with the same settings, or start a new run without --resume")
                           .c_str(),
                       CompileError);
}

TEST_CASE("before the first step: a checkpoint can be written, and no earlier run's is lost") {
  const Dataset data = made_up(50, 1);
  Model model = new_model();
  Trainer trainer(model, kOptions);
  Folder folder;
  FitOptions options{.checkpoint = folder.path(), .progress = nullptr};
  trainer.fit(data, options);
  const Checkpoint before = load_checkpoint(checkpoint_file(folder.path()));
  CHECK_THROWS_WITH_AS(trainer.fit(data, options),
                       ("error: " + checkpoint_file(folder.path()) +
                        " is the checkpoint of an earlier run\n"
                        "help: resume that run (--resume), or name another folder")
                           .c_str(),
                       CompileError);
  CHECK(load_checkpoint(checkpoint_file(folder.path())).weights == before.weights);

  int64_t steps = 0;
  options.schedule = [&](double) {  // asked once a step
    ++steps;
    return 1.0;
  };
  options.checkpoint = checkpoint_file(folder.path()) + "/below-a-file";
  CHECK_THROWS_WITH_AS(trainer.fit(data, options), doctest::Contains("cannot write "),
                       CompileError);
  CHECK(steps == 0);
}

TEST_CASE("a loss that is no number stops the run") {
  const Dataset data = made_up(50, 1);
  Model model = new_model();
  TrainerOptions options = kOptions;
  options.optimizer = sgd(1e30);
  CHECK_THROWS_AS(Trainer(model, options).fit(data, {.epochs = 3, .progress = nullptr}),
                  CompileError);
}
