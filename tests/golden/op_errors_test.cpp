// What users read when they use an op wrongly, as one golden file.
#include <functional>

#include "ir/ops/activation.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/index.h"
#include "ir/ops/leaf.h"
#include "ir/ops/loss.h"
#include "ir/ops/norm.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/pool.h"
#include "ir/ops/random.h"
#include "ir/ops/resize.h"
#include "ir/ops/softmax.h"
#include "ir/ops/view.h"
#include "tests/golden/golden.h"

using namespace ag;

namespace {

// Inputs "a", "b", … of the given types.
using Inputs = std::vector<Tensor>;

struct Mistake {
  const char* title;
  std::vector<TensorType> inputs;
  std::function<void(const Inputs&)> build;
};

TensorType i32(Shape shape) { return tensor_type(DType::i32, std::move(shape)); }
TensorType key() { return tensor_type(DType::u32, {2}); }

const Mistake kConvolutions[] = {
    {"a filter for half of the channels",
     {f32(8, 64, 56, 56), f32(128, 32, 3, 3)},
     [](const Inputs& in) { conv(relu(in[0]), in[1]); }},
    {"a filter for other channels",
     {f32(8, 60, 56, 56), f32(128, 32, 3, 3)},
     [](const Inputs& in) { conv(in[0], in[1]); }},
    {"groups that do not divide",
     {f32(8, 6, 5, 5), f32(8, 2, 3, 3)},
     [](const Inputs& in) { conv(in[0], in[1], {.groups = 3}); }},
    {"a filter too wide for its groups",
     {f32(8, 6, 5, 5), f32(9, 3, 3, 3)},
     [](const Inputs& in) { conv(in[0], in[1], {.groups = 3}); }},
    {"no groups",
     {f32(8, 6, 5, 5), f32(9, 6, 3, 3)},
     [](const Inputs& in) { conv(in[0], in[1], {.groups = 0}); }},
    {"capitals without groups",
     {f32(8, 6, 5, 5), f32(9, 6, 3, 3)},
     [](const Inputs& in) { conv(in[0], in[1], {.dims = "nC,Oi->nC"}); }},
    {"a filter larger than the image",
     {f32(1, 3, 4, 9), f32(9, 3, 7, 7)},
     [](const Inputs& in) { conv(in[0], in[1]); }},
    {"another rank", {f32(1, 3, 9), f32(9, 3, 7, 7)}, [](const Inputs& in) { conv(in[0], in[1]); }},
    {"another dtype",
     {f32(1, 3, 9), tensor_type(DType::f16, {9, 3, 7})},
     [](const Inputs& in) { conv(in[0], in[1]); }},
    {"letters that are no roles",
     {f32(1, 3, 9), f32(9, 3, 7)},
     [](const Inputs& in) { conv(in[0], in[1], {.dims = "nc,ok->nc"}); }},
    {"one padding per axis",
     {f32(1, 3, 9, 9), f32(9, 3, 3, 3)},
     [](const Inputs& in) {
       conv(in[0], in[1], {.padding = {1, 1}});
     }},
    {"a transposed filter for other channels",
     {f32(1, 4, 9, 9), f32(3, 3, 3, 3)},
     [](const Inputs& in) { conv_transpose(in[0], in[1]); }},
};

const Mistake kContractions[] = {
    {"matrices that do not fit",
     {f32(2, 3), f32(4, 5)},
     [](const Inputs& in) { matmul(in[0], in[1]); }},
    {"a vector", {f32(3), f32(3, 5)}, [](const Inputs& in) { matmul(in[0], in[1]); }},
    {"other batches", {f32(2, 2, 3), f32(3, 3, 5)}, [](const Inputs& in) { matmul(in[0], in[1]); }},
};

const Mistake kWindows[] = {
    {"a window larger than the image",
     {f32(1, 3, 2, 2)},
     [](const Inputs& in) {
       max_pool(in[0], {.window = {3, 3}});
     }},
    {"a window of padding",
     {f32(1, 3, 8, 8)},
     [](const Inputs& in) {
       max_pool(in[0], {.window = {2, 2}, .padding = {2, 0, 0, 0}});
     }},
    {"a last window of padding",
     {f32(1, 3, 8, 8)},
     [](const Inputs& in) {
       avg_pool(in[0], {.window = {2, 2}, .stride = {1, 1}, .padding = {0, 0, 0, 3}});
     }},
    {"one padding per axis of a window",
     {f32(1, 3, 8, 8)},
     [](const Inputs& in) {
       max_pool(in[0], {.window = {2, 2}, .padding = {1, 1}});
     }},
    {"more window than axes",
     {f32(8, 8)},
     [](const Inputs& in) {
       max_pool(in[0], {.window = {2, 2, 2}});
     }},
    {"an average of integers",
     {i32({1, 1, 8, 8})},
     [](const Inputs& in) {
       avg_pool(in[0], {.window = {2, 2}});
     }},
    {"a global average without spatial axes",
     {f32(8, 8)},
     [](const Inputs& in) { global_avg_pool(in[0]); }},
    {"no bins",
     {f32(1, 1, 8, 8)},
     [](const Inputs& in) {
       adaptive_avg_pool(in[0], {0, 2});
     }},
    {"taps of another window",
     {f32(1, 1, 8, 8), i32({1, 1, 2, 2})},
     [](const Inputs& in) {
       window_gather(in[0], in[1], window_spec({.window = {2, 2}}, {8, 8}));
     }},
};

const Mistake kNetworks[] = {
    {"softmax along an axis too far", {f32(1, 8)}, [](const Inputs& in) { softmax(in[0], 2); }},
    {"batch norm of other channels",
     {f32(4, 32, 8, 8), f32(16)},
     [](const Inputs& in) { batch_norm_training(in[0], in[1], in[1]); }},
    {"layer norm of another width",
     {f32(4, 32), f32(16)},
     [](const Inputs& in) { layer_norm(in[0], in[1], in[1]); }},
    {"labels of another batch",
     {f32(4, 10), i32({8})},
     [](const Inputs& in) { cross_entropy(in[0], in[1]); }},
    {"labels that are probabilities",
     {f32(4, 10), f32(4)},
     [](const Inputs& in) { cross_entropy(in[0], in[1]); }},
    {"smoothing above one",
     {f32(4, 10), i32({4})},
     [](const Inputs& in) { cross_entropy(in[0], in[1], 1.5); }},
    {"a target of another shape",
     {f32(4, 1), f32(4)},
     [](const Inputs& in) { mse_loss(in[0], in[1]); }},
    {"more sizes than axes",
     {f32(4, 10)},
     [](const Inputs& in) {
       resize_linear(in[0], {2, 3, 4});
     }},
    {"resizing to nothing", {f32(4, 10)}, [](const Inputs& in) { resize_linear(in[0], {0}); }},
    {"an activation of integers", {i32({4})}, [](const Inputs& in) { gelu(in[0]); }},
    {"an empty range", {f32(4)}, [](const Inputs& in) { clip(in[0], 2, 1); }},
    {"indices of another rank",
     {f32(4, 10), i32({4})},
     [](const Inputs& in) { take_along(in[0], in[1], 1); }},
    {"indices that are floats",
     {f32(4, 10), f32(4)},
     [](const Inputs& in) { gather_rows(in[0], in[1]); }},
    {"an empty table", {f32(0, 10), i32({4})}, [](const Inputs& in) { gather_rows(in[0], in[1]); }},
    {"a key that is none", {f32(2)}, [](const Inputs& in) { random_normal(in[0], f32(3)); }},
    {"random halves",
     {key()},
     [](const Inputs& in) { random_normal(in[0], tensor_type(DType::f16, {3})); }},
    {"dropping everything",
     {f32(4, 10), key()},
     [](const Inputs& in) { dropout(in[0], in[1], 1); }},
    {"shapes that do not broadcast",
     {f32(4, 10), f32(4)},
     [](const Inputs& in) { add(in[0], in[1]); }},
    {"dtypes that differ", {f32(4), i32({4})}, [](const Inputs& in) { add(in[0], in[1]); }},
    {"a reshape that loses elements",
     {f32(4, 3)},
     [](const Inputs& in) {
       reshape(in[0], {5, 2});
     }},
    {"a slice past the end", {f32(4)}, [](const Inputs& in) { slice(in[0], {1}, {6}); }},
};

std::string message_of(const Mistake& mistake) {
  Graph graph;
  LocationGuard location(graph, Location("net.cpp", 12, "layer1"));
  Inputs inputs;
  for (const TensorType& type : mistake.inputs)
    inputs.push_back(input(graph, std::string(1, static_cast<char>('a' + inputs.size())), type));
  try {
    mistake.build(inputs);
  } catch (const CompileError& error) {
    return error.what();
  }
  FAIL("no error: " << mistake.title);
  return {};
}

}  // namespace

TEST_CASE("mistakes with ops are explained") {
  std::string text;
  for (std::span<const Mistake> family :
       {std::span<const Mistake>(kConvolutions), std::span<const Mistake>(kContractions),
        std::span<const Mistake>(kWindows), std::span<const Mistake>(kNetworks)}) {
    for (const Mistake& mistake : family) {
      std::string message = message_of(mistake);
      CHECK(message.rfind("net.cpp:12: error: ", 0) == 0);
      CHECK(message.find("\nhelp: ") != std::string::npos);
      text += std::string("## ") + mistake.title + "\n" + message + "\n\n";
    }
  }
  check_golden(golden_folder("errors") + "/ops.txt", text);
}
