// Twenty compiled training steps of ModernCNN on CIFAR-10 beside the losses PyTorch recorded
// (tests/reference/modern_cnn_losses.py, which says why the weights begin as they do).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "frontend/init/draw.h"
#include "frontend/zoo/zoo.h"
#include "tests/recorded.h"
#include "tests/test_data.h"
#include "train/batches.h"
#include "train/training_step.h"

using namespace ag;

namespace {

// torchvision's scheme for residual networks: Kaiming normal with fan-out, and each block begins
// as the identity.
Parameter as_recorded(Parameter parameter) {
  const std::string& name = parameter.name;
  if (parameter.trained && parameter.type.rank() == 4) parameter.initial = kaiming_normal_fan_out();
  if (parameter.trained && name.ends_with("bn2.weight")) parameter.initial = zeros();
  return parameter;
}

}  // namespace

namespace {

void check_losses(const std::filesystem::path& folder, bool winograd) {
  constexpr int64_t kBatch = 128;
  constexpr double kTolerance = 1e-3;
  const Recorded recorded("modern_cnn_losses.npz");
  const Array& losses = recorded.array("losses");
  const auto seed = static_cast<uint64_t>(recorded.array("seed").get_int(0));
  REQUIRE(losses.count() == 20);

  const Model model = zoo_model("modern_cnn", kBatch);
  const TrainingStep step =
      training_step(model, {.optimizer = sgd(0.01, {.momentum = 0.9})}, kBatch);
  WeightMap values;
  for (const Parameter& parameter : step.parameters)
    values[parameter.name] = draw(as_recorded(parameter), seed);
  const ProgramEntry entry{"step", step.graph};
  const CompiledProgram compiled =
      compile_graphs("modern_cnn_step", {&entry, 1}, values, {.lowering = {.winograd = winograd}});
  CHECK(winograd == std::any_of(compiled.kernels.begin(), compiled.kernels.end(),
                                [](const KernelReport& kernel) {
                                  return kernel.request.schedule.starts_with("conv_winograd{");
                                }));
  ProgramInstance instance = LoadedProgram::in_memory(compiled.program)->instance(2);
  const argent_entry_info& info = instance.program().library().entries[0];
  REQUIRE(info.input_count == 3);
  REQUIRE(std::string(info.inputs[0]->name) == "image");
  REQUIRE(std::string(info.inputs[1]->name) == "labels");

  const Dataset data = cifar10(folder.string(), Split::train);
  BatchStream stream(data,
                     {.batch = kBatch, .shuffle = false, .normalisation = data.normalisation});
  const Array rate = Array::of({}, std::vector<float>{0.01f});
  Batch batch;
  double worst = 0;
  for (int64_t i = 0; i < losses.count(); ++i) {
    CAPTURE(i);
    stream.next(batch);
    const Array inputs[] = {batch.images, batch.labels, rate};
    const double loss = instance.run(0, inputs)[0].get_double(0);
    const double expected = losses.get_double(i);
    const double difference = std::fabs(loss - expected) / expected;
    CHECK(difference < kTolerance);
    worst = std::max(worst, difference);
  }
  MESSAGE("largest relative difference of the twenty losses: " << worst);
}

}  // namespace

TEST_CASE("ModernCNN's first twenty losses are PyTorch's") {
  const auto folder = test_data("cifar-10-batches-bin");
  if (!folder) return;
  SUBCASE("with direct convolutions") { check_losses(*folder, false); }
  SUBCASE("by Winograd's algorithm") { check_losses(*folder, true); }
}
