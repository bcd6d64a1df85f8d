// What `argent inspect` shows: receptive fields, multiply-accumulates, rows.
#include <doctest/doctest.h>

#include "frontend/analysis.h"
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

using namespace ag;

namespace {

// The field of the last row that does not see everything.
Integers deepest_field(const Analysis& analysis) {
  Integers field;
  for (const LayerRow& row : analysis.layers)
    if (!row.receptive_field.empty()) field = row.receptive_field;
  return field;
}

}  // namespace

TEST_CASE("receptive fields of published networks") {
  // Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks", 2019; the
  // ResNets with torchvision's strides.
  const std::pair<const char*, int64_t> rows[] = {{"alexnet", 195},
                                                  {"vgg16", 212},
                                                  {"mobilenet_v1", 315},
                                                  {"resnet18", 435},
                                                  {"resnet50", 427}};
  for (auto [name, extent] : rows) {
    CAPTURE(std::string(name));
    CHECK(deepest_field(analyse(zoo_model(name).forward())) == Integers{extent, extent});
  }
}

TEST_CASE("receptive fields of dilation, strides, slices and transposed convolutions") {
  auto network = [](Tensor x) {
    x = conv("dilated", x, 4, {.kernel = {3, 1}, .dilation = 2, .bias = false});  // 5 x 1
    x = slice(x, {0, 0, 0, 0}, x.shape(), {1, 1, 2, 1});
    x = relu(conv("strided", x, 4, {.kernel = 3, .stride = 2, .bias = false}));    // 5 + 2*2, 1 + 2
    return conv_transpose("up", x, 4, {.kernel = 2, .stride = 2, .bias = false});  // + 2, + 1
  };
  Analysis analysis = analyse(trace(network, {.image = f32(1, 2, 24, 24)}).forward());
  std::vector<Integers> fields;
  for (const LayerRow& row : analysis.layers) fields.push_back(row.receptive_field);
  CHECK(fields == std::vector<Integers>{{5, 1}, {5, 1}, {9, 3}, {9, 3}, {11, 4}});
}

TEST_CASE("multiply-accumulates count convolutions and matrix products alone") {
  auto network = [](Tensor x) {
    x = relu(conv("conv", x, 6, {.kernel = 3, .padding = 1, .groups = 2}));
    return linear("fc", flatten(x), 5);
  };
  Analysis analysis = analyse(trace(network, {.image = f32(2, 4, 5, 5)}).forward());
  REQUIRE(analysis.layers.size() == 4);
  CHECK(analysis.layers[0].name == "conv");
  CHECK(analysis.layers[0].op == "conv");
  CHECK(analysis.layers[0].macs == 2 * 25 * 6 * 2 * 9);
  CHECK(analysis.layers[0].parameters == 6 * 2 * 9 + 6);
  CHECK(analysis.layers[1].op == "relu");
  CHECK(analysis.layers[1].name.empty());
  CHECK(analysis.layers[3].macs == 2 * 150 * 5);
  CHECK(analysis.macs == analysis.layers[0].macs + analysis.layers[3].macs);
  CHECK(analysis.parameters == 6 * 2 * 9 + 6 + 150 * 5 + 5);
}
