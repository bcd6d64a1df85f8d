// Every network of the zoo: published parameter counts, multiply-accumulates and weights' names.
#include <doctest/doctest.h>

#include <cmath>

#include "frontend/analysis.h"
#include "frontend/zoo/zoo.h"
#include "tests/test_data.h"

using namespace ag;

TEST_CASE("networks have their published sizes") {
  for (const ZooEntry& entry : zoo_entries()) {
    CAPTURE(std::string(entry.name));
    Model model = zoo_model(entry.name);
    Analysis analysis = analyse(model.forward());
    CHECK(model.parameter_count() == entry.parameters);
    CHECK(analysis.parameters == entry.parameters);
    const TensorType logits = model.forward().type(model.forward().output("logits"));
    CHECK(logits.shape[0] == 1);
    CHECK(logits.shape[1] == entry.classes);
    // Tables give three decimals.
    if (entry.gmacs > 0)
      CHECK(std::fabs(static_cast<double>(analysis.macs) * 1e-9 - entry.gmacs) <= 0.0006);
  }
}

TEST_CASE("a network takes another batch and another number of classes") {
  Model model = zoo_model("resnet18", 4, 10);
  CHECK(model.forward().type(model.forward().output("logits")) == f32(4, 10));
  CHECK(model.parameter_count() == 11689512 - 990 * 513);
  Graph larger = model.forward(7);
  CHECK(larger.type(larger.output("logits")) == f32(7, 10));
}

TEST_CASE("an unknown name is met with the nearest one") {
  try {
    zoo_model("resnet_50");
    FAIL("no error");
  } catch (const CompileError& error) {
    CHECK(std::string(error.what()) ==
          "error: there is no network 'resnet_50' in the zoo\n"
          "help: did you mean 'resnet50'?");
  }
}

TEST_CASE("published CIFAR ResNet weights load by name") {
  auto folder = test_data("cifar10_resnets");
  if (!folder) return;
  for (auto [name, file] : {std::pair{"resnet20_cifar", "resnet20-12fca82f.th"},
                            std::pair{"resnet32_cifar", "resnet32-d509ac18.th"}}) {
    Model model = zoo_model(name);
    model.load(*folder / file);
    CHECK(model.weights().size() == model.parameters().size());
  }
}

TEST_CASE("published weights may hold the classifiers that only training uses") {
  Model model = zoo_model("googlenet", 1, 10);
  model.initialize();
  WeightMap weights = model.weights();
  weights.emplace("aux1.fc2.bias", Array(DType::f32, {1000}));
  weights.emplace("conv1.bn.num_batches_tracked", Array(DType::i64, {}));
  model.set_weights(weights);
  CHECK(model.weights().size() == model.parameters().size());
  weights.emplace("aux3.fc2.bias", Array(DType::f32, {1000}));
  CHECK_THROWS_WITH_AS(model.set_weights(weights), doctest::Contains("aux3.fc2.bias"),
                       CompileError);
}

TEST_CASE("names are those of torchvision's state dicts") {
  auto has = [](std::string_view network, std::string_view leaf, Shape shape) {
    Model model = zoo_model(network);
    for (const Parameter& parameter : model.parameters())
      if (parameter.name == leaf) return parameter.type.shape == shape;
    return false;
  };
  CHECK(has("resnet50", "layer4.2.conv3.weight", {2048, 512, 1, 1}));
  CHECK(has("resnet50", "layer1.0.downsample.1.running_var", {256}));
  CHECK(has("alexnet", "features.10.weight", {256, 256, 3, 3}));
  CHECK(has("alexnet", "classifier.6.bias", {1000}));
  CHECK(has("vgg16_bn", "features.41.running_mean", {512}));
  CHECK(has("vgg16", "classifier.0.weight", {4096, 25088}));
  CHECK(has("squeezenet1_0", "features.12.expand3x3.weight", {256, 64, 3, 3}));
  CHECK(has("squeezenet1_1", "features.3.squeeze.weight", {16, 64, 1, 1}));
  CHECK(has("mobilenet_v2", "features.1.conv.0.0.weight", {32, 1, 3, 3}));
  CHECK(has("mobilenet_v2", "features.18.0.weight", {1280, 320, 1, 1}));
  CHECK(has("mobilenet_v2", "features.17.conv.3.running_mean", {320}));
  CHECK(has("densenet121", "features.denseblock4.denselayer16.conv2.weight", {32, 128, 3, 3}));
  CHECK(has("densenet121", "features.norm5.weight", {1024}));
  CHECK(has("mobilenet_v1", "blocks.3.5.conv_pw.weight", {512, 512, 1, 1}));
}
