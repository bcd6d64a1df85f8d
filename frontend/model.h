// A network: the function that builds it, its graph, its weights.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "frontend/context.h"
#include "frontend/weights/weight_map.h"
#include "ir/tensor.h"

namespace ag {

struct NamedType {
  std::string name;
  TensorType type;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// The function that builds a network. Most take a tensor and return one, called "logits"; the
// general form takes the inputs in order and names its outputs.
class Network {
 public:
  using Function = std::function<std::vector<NamedTensor>(std::span<const Tensor>)>;

  template <class F>
  requires std::is_invocable_r_v<Tensor, F, Tensor> Network(F function)
      : function_([function](std::span<const Tensor> inputs) {
          return std::vector<NamedTensor>{{"logits", function(inputs[0])}};
        }),
        inputs_(1) {}
  template <class F>
  requires std::is_invocable_r_v<std::vector<NamedTensor>, F, std::span<const Tensor>> Network(
      F function)
      : function_(std::move(function)) {}

  std::vector<NamedTensor> operator()(std::span<const Tensor> inputs) const {
    return function_(inputs);
  }
  // How many inputs the function takes; -1: any number.
  int inputs() const { return inputs_; }

 private:
  Function function_;
  int inputs_ = -1;
};

// What a network is traced with: `.image` for one input of that name, or all of `.inputs`. Axis 0
// of every input is the batch.
struct TraceOptions {
  TensorType image = {};
  std::vector<NamedType> inputs = {};
  std::string name = "network";  // of the graph
  // Weights with one of these between the dots of their name are left out: {"aux1"} drops
  // "aux1.conv.weight".
  std::vector<std::string> unused = {};
};

class Model {
 public:
  Model(Network network, TraceOptions options);

  const std::string& name() const { return forward_.name(); }
  const std::vector<NamedType>& inputs() const { return inputs_; }
  // The graph for inference, at the batch size given to trace().
  const Graph& forward() const { return forward_; }
  // The graph of inference at another batch size.
  Graph forward(int64_t batch) const;
  // Builds the network into `context`'s graph: makes the inputs and returns the outputs. batch = 0
  // keeps the batch size.
  std::vector<NamedTensor> build(BuildContext& context, int64_t batch = 0) const;

  // Parameters and running statistics in order of creation.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  int64_t parameter_count() const;  // elements of the trained ones

  // The values by name. Empty until initialize(), load() or set_weights().
  const WeightMap& weights() const { return weights_; }
  // Draws the first values of all parameters and statistics.
  void initialize(uint64_t seed = 0);
  // Takes the values of this network's parameters and statistics. Throws CompileError when one is
  // missing or has another shape, or when a name is not of this network; `source` opens the
  // message. Float types are converted; PyTorch's num_batches_tracked is left out, and what the
  // options call unused.
  void set_weights(WeightMap weights, const std::string& source = "weights");
  // .safetensors, .npz, or PyTorch's .pt, .pth, .th.
  void load(const std::string& path);
  // .safetensors or .npz.
  void save(const std::string& path) const;

 private:
  Network network_;
  std::vector<NamedType> inputs_;
  std::vector<std::string> unused_;
  Graph forward_;
  std::vector<Parameter> parameters_;
  WeightMap weights_;
};

// Builds the network for inference and keeps the function, to build it again for training and at
// other batch sizes:
//
//   Model model = trace(lenet5, {.image = f32(64, 1, 28, 28)});
Model trace(Network network, TraceOptions options);

}  // namespace ag
