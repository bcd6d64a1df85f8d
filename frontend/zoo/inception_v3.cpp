// Inception v3 (Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the inception architecture
// for computer vision", 2015), named as in torchvision. Without the auxiliary classifier of
// training.
//
// torchvision's weights expect images of mean 0.5 and deviation 0.5 per channel: the network there
// is made with transform_input = true, which turns ImageNet's normalisation into that one.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

Tensor conv_relu(std::string_view name, Tensor x, int64_t width, ConvLayer options) {
  Scope scope(name, x);
  options.bias = false;
  options.weight = normal(0.1);
  return relu(batch_norm("bn", conv("conv", x, width, options), {.eps = 1e-3}));
}

// A 1x1 convolution, or one of the given kernel padded to keep the extents.
Tensor unit(std::string_view name, Tensor x, int64_t width) {
  return conv_relu(name, x, width, {.kernel = 1});
}
Tensor unit(std::string_view name, Tensor x, int64_t width, int64_t height, int64_t breadth) {
  return conv_relu(name, x, width,
                   {.kernel = {height, breadth}, .padding = {height / 2, breadth / 2}});
}
Tensor halving(std::string_view name, Tensor x, int64_t width) {
  return conv_relu(name, x, width, {.kernel = 3, .stride = 2});
}

Tensor averaged(Tensor x) { return avg_pool(x, {.kernel = 3, .stride = 1, .padding = 1}); }

Tensor block_a(Tensor x, int64_t pooled) {
  Tensor one = unit("branch1x1", x, 64);
  Tensor five = unit("branch5x5_2", unit("branch5x5_1", x, 48), 64, 5, 5);
  Tensor twice = unit("branch3x3dbl_2", unit("branch3x3dbl_1", x, 64), 96, 3, 3);
  twice = unit("branch3x3dbl_3", twice, 96, 3, 3);
  return concat({one, five, twice, unit("branch_pool", averaged(x), pooled)}, 1);
}

Tensor block_b(Tensor x) {
  Tensor three = halving("branch3x3", x, 384);
  Tensor twice = unit("branch3x3dbl_2", unit("branch3x3dbl_1", x, 64), 96, 3, 3);
  twice = halving("branch3x3dbl_3", twice, 96);
  return concat({three, twice, max_pool(x, {.kernel = 3, .stride = 2})}, 1);
}

Tensor block_c(Tensor x, int64_t width) {
  Tensor one = unit("branch1x1", x, 192);
  Tensor seven = unit("branch7x7_2", unit("branch7x7_1", x, width), width, 1, 7);
  seven = unit("branch7x7_3", seven, 192, 7, 1);
  Tensor twice = unit("branch7x7dbl_2", unit("branch7x7dbl_1", x, width), width, 7, 1);
  twice = unit("branch7x7dbl_3", twice, width, 1, 7);
  twice = unit("branch7x7dbl_4", twice, width, 7, 1);
  twice = unit("branch7x7dbl_5", twice, 192, 1, 7);
  return concat({one, seven, twice, unit("branch_pool", averaged(x), 192)}, 1);
}

Tensor block_d(Tensor x) {
  Tensor three = halving("branch3x3_2", unit("branch3x3_1", x, 192), 320);
  Tensor seven = unit("branch7x7x3_2", unit("branch7x7x3_1", x, 192), 192, 1, 7);
  seven = halving("branch7x7x3_4", unit("branch7x7x3_3", seven, 192, 7, 1), 192);
  return concat({three, seven, max_pool(x, {.kernel = 3, .stride = 2})}, 1);
}

Tensor block_e(Tensor x) {
  Tensor one = unit("branch1x1", x, 320);
  Tensor three = unit("branch3x3_1", x, 384);
  Tensor three_a = unit("branch3x3_2a", three, 384, 1, 3);
  Tensor three_b = unit("branch3x3_2b", three, 384, 3, 1);
  Tensor twice = unit("branch3x3dbl_2", unit("branch3x3dbl_1", x, 448), 384, 3, 3);
  Tensor twice_a = unit("branch3x3dbl_3a", twice, 384, 1, 3);
  Tensor twice_b = unit("branch3x3dbl_3b", twice, 384, 3, 1);
  Tensor pooled = unit("branch_pool", averaged(x), 192);
  return concat({one, three_a, three_b, twice_a, twice_b, pooled}, 1);
}

struct Mixed {
  const char* name;
  int64_t width;
};
constexpr Mixed kMixed5[] = {{"Mixed_5b", 32}, {"Mixed_5c", 64}, {"Mixed_5d", 64}};
constexpr Mixed kMixed6[] = {
    {"Mixed_6b", 128}, {"Mixed_6c", 160}, {"Mixed_6d", 160}, {"Mixed_6e", 192}};

Tensor stem(Tensor x) {
  x = halving("Conv2d_1a_3x3", x, 32);
  x = conv_relu("Conv2d_2a_3x3", x, 32, {.kernel = 3});
  x = unit("Conv2d_2b_3x3", x, 64, 3, 3);
  x = unit("Conv2d_3b_1x1", max_pool(x, {.kernel = 3, .stride = 2}), 80);
  x = conv_relu("Conv2d_4a_3x3", x, 192, {.kernel = 3});
  return max_pool(x, {.kernel = 3, .stride = 2});
}

}  // namespace

Tensor inception_v3(Tensor image, int64_t classes) {
  Tensor x = stem(image);
  for (const Mixed& mixed : kMixed5)
    x = in_scope(mixed.name, x, [&](Tensor y) { return block_a(y, mixed.width); });
  x = in_scope("Mixed_6a", x, block_b);
  for (const Mixed& mixed : kMixed6)
    x = in_scope(mixed.name, x, [&](Tensor y) { return block_c(y, mixed.width); });
  x = in_scope("Mixed_7a", x, block_d);
  x = in_scope("Mixed_7b", x, block_e);
  x = in_scope("Mixed_7c", x, block_e);
  return linear("fc", dropout(flatten(global_avg_pool(x)), 0.5), classes, {.weight = normal(0.1)});
}

}  // namespace ag::zoo
