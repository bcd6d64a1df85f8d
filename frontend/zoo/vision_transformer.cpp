// Vision transformers (Dosovitskiy et al., "An image is worth 16x16 words", 2020), named as in
// torchvision, and the data-efficient ones (Touvron et al., "Training data-efficient image
// transformers and distillation through attention", 2020), named as in timm. Positions are learned
// for the image size the network is made with.
#include <fmt/format.h>

#include "frontend/layer.h"
#include "frontend/layers.h"
#include "frontend/zoo/attention.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/contract.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr int64_t kPatch = 16;
constexpr int kBlocks = 12;
constexpr LayerNormLayer kNorm{.eps = 1e-6};

// One token per patch: [batch, patches, width].
Tensor patches(std::string_view name, Tensor image, int64_t width) {
  Tensor x = conv(name, image, width, {.kernel = kPatch, .stride = kPatch});
  return transpose(flatten(x, 2), {0, 2, 1});
}

Tensor own_parameter(std::string_view name, const Tensor& x, Shape shape, Initializer initial) {
  BuildContext& context = BuildContext::of(x, name);
  return context.parameter(name, x.type().with_shape(std::move(shape)), initial);
}

Tensor with_class_token(std::string_view name, Tensor x) {
  const int64_t width = x.extent(2);
  Tensor token = own_parameter(name, x, {1, 1, width}, zeros());
  return concat({broadcast_to(token, {x.batch(), 1, width}), x}, 1);
}

Tensor with_positions(std::string_view name, Tensor x) {
  return x + own_parameter(name, x, {1, x.extent(1), x.extent(2)}, normal(0.02));
}

Tensor class_token_of(Tensor x) {
  const int64_t width = x.extent(2);
  return reshape(slice(x, {0, 0, 0}, {x.batch(), 1, width}), {x.batch(), width});
}

// ---- torchvision ----

// Queries, keys and values under the names of PyTorch's MultiheadAttention.
Tensor projected(Tensor x) {
  const int64_t width = x.extent(2);
  Tensor weight = own_parameter("in_proj_weight", x, {3 * width, width}, xavier_uniform());
  Tensor bias = own_parameter("in_proj_bias", x, {3 * width}, zeros());
  Tensor rows = matmul(reshape(x, {-1, width}), weight, {.transpose_b = true});
  return reshape(rows + bias, {x.batch(), x.extent(1), 3 * width});
}

Tensor vit_block(Tensor x, int64_t heads) {
  Tensor y = layer_norm("ln_1", x, kNorm);
  x = x + in_scope("self_attention", y, [&](Tensor tokens) {
        const int64_t width = tokens.extent(2);
        return linear("out_proj", self_attention(projected(tokens), heads), width);
      });
  y = layer_norm("ln_2", x, kNorm);
  return x + perceptron(y, {"mlp.0", "mlp.3"});
}

Tensor vit_encoder(Tensor x, int64_t heads) {
  x = with_positions("pos_embedding", x);
  for (int i = 0; i < kBlocks; ++i) {
    Scope scope(fmt::format("layers.encoder_layer_{}", i), x);
    x = vit_block(x, heads);
  }
  return layer_norm("ln", class_token_of(x), kNorm);
}

// ---- timm ----

Tensor deit_block(Tensor x, int64_t heads) {
  Tensor y = linear("attn.qkv", layer_norm("norm1", x, kNorm), 3 * x.extent(2));
  x = x + linear("attn.proj", self_attention(y, heads), x.extent(2));
  return x + perceptron(layer_norm("norm2", x, kNorm), {"mlp.fc1", "mlp.fc2"});
}

}  // namespace

Tensor vit_b_16(Tensor image, int64_t classes) {
  Tensor x = with_class_token("class_token", patches("conv_proj", image, 768));
  x = in_scope("encoder", x, [](Tensor y) { return vit_encoder(y, 12); });
  return linear("heads.head", x, classes);
}

Tensor deit_tiny(Tensor image, int64_t classes) {
  Tensor x = with_class_token("cls_token", patches("patch_embed.proj", image, 192));
  x = with_positions("pos_embed", x);
  for (int i = 0; i < kBlocks; ++i) {
    Scope scope(fmt::format("blocks.{}", i), x);
    x = deit_block(x, 3);
  }
  return linear("head", layer_norm("norm", class_token_of(x), kNorm), classes);
}

}  // namespace ag::zoo
