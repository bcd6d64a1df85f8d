// SqueezeNet (Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, 2016), torchvision's 1.0 and 1.1.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

Tensor fire(std::string_view name, Tensor x, int64_t squeeze, int64_t expand) {
  Scope scope(name, x);
  x = relu(conv("squeeze", x, squeeze, {.kernel = 1}));
  Tensor one = relu(conv("expand1x1", x, expand, {.kernel = 1}));
  Tensor three = relu(conv("expand3x3", x, expand, {.kernel = 3, .padding = 1}));
  return concat({one, three}, 1);
}

struct Fire {
  int64_t squeeze, expand;
};
constexpr Fire kFires[] = {{16, 64},  {16, 64},  {32, 128}, {32, 128},
                           {48, 192}, {48, 192}, {64, 256}, {64, 256}};

// Fire modules with a pool in front of those whose index is in `pools`.
Tensor fires(Tensor x, int position, std::span<const int> pools) {
  for (int i = 0; i < static_cast<int>(std::size(kFires)); ++i) {
    if (std::find(pools.begin(), pools.end(), i) != pools.end()) {
      x = max_pool(x, {.kernel = 3, .stride = 2, .ceil_mode = true});
      ++position;
    }
    x = fire(std::to_string(position++), x, kFires[i].squeeze, kFires[i].expand);
  }
  return x;
}

Tensor classifier(Tensor x, int64_t classes) {
  Scope scope("classifier", x);
  x = relu(conv("1", dropout(x, 0.5), classes, {.kernel = 1, .weight = normal(0.01)}));
  return flatten(global_avg_pool(x));
}

}  // namespace

Tensor squeezenet1_0(Tensor image, int64_t classes) {
  constexpr int kPools[] = {0, 3, 7};
  auto features = [&](Tensor x) {
    x = relu(conv("0", x, 96, {.kernel = 7, .stride = 2}));
    return fires(x, 2, kPools);
  };
  return classifier(in_scope("features", image, features), classes);
}

Tensor squeezenet1_1(Tensor image, int64_t classes) {
  constexpr int kPools[] = {0, 2, 4};
  auto features = [&](Tensor x) {
    x = relu(conv("0", x, 64, {.kernel = 3, .stride = 2}));
    return fires(x, 2, kPools);
  };
  return classifier(in_scope("features", image, features), classes);
}

}  // namespace ag::zoo
