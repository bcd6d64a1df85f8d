#include "ir/ops/activation.h"
#include "tests/op_cases.h"

namespace ag {

void add_activation_cases(OpCases& table) {
  using Build = std::function<Tensor(Tensor)>;
  auto row = [&](const char* op, const char* label, Build build) {
    table.push_back({op, label, kFloats, [build](CaseBuilder& b) {
                       b.result(build(b.operand({3, 5, 7}, -8, 8)));
                     }});
  };
  row("relu6", "odd", [](Tensor x) { return relu6(x); });
  row("clip", "odd", [](Tensor x) { return clip(x, -1.5, 2.25); });
  row("leaky_relu", "default", [](Tensor x) { return leaky_relu(x); });
  row("leaky_relu", "slope", [](Tensor x) { return leaky_relu(x, 0.2); });
  row("elu", "default", [](Tensor x) { return elu(x); });
  row("elu", "alpha", [](Tensor x) { return elu(x, 0.7); });
  row("softplus", "odd", [](Tensor x) { return softplus(x); });
  row("silu", "odd", [](Tensor x) { return silu(x); });
  row("mish", "odd", [](Tensor x) { return mish(x); });
  row("gelu", "exact", [](Tensor x) { return gelu(x); });
  row("gelu", "tanh", [](Tensor x) { return gelu(x, true); });
  row("hard_sigmoid", "odd", [](Tensor x) { return hard_sigmoid(x); });
  row("hard_swish", "odd", [](Tensor x) { return hard_swish(x); });

  auto at = [&](const char* op, std::vector<double> points, Build build) {
    table.push_back({op, "at_kinks", kWideFloats,
                     [=](CaseBuilder& b) {
                       b.result(build(b.values({static_cast<int64_t>(points.size())}, points)));
                     },
                     false});
  };
  at("relu6", {-1, 0, 3, 6, 7}, [](Tensor x) { return relu6(x); });
  at("clip", {-2, -1, 0, 1, 2}, [](Tensor x) { return clip(x, -1, 1); });
  at("leaky_relu", {-1, 0, 1}, [](Tensor x) { return leaky_relu(x); });
  at("elu", {-1, 0, 1}, [](Tensor x) { return elu(x); });
  table.push_back({"softplus", "far_out", kFloats, [](CaseBuilder& b) {
                     b.result(softplus(b.values({4}, {-700, -40, 40, 700})));
                   }});
}

}  // namespace ag
