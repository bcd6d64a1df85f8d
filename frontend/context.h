// What layer functions know about the network they build: inference or training, the parameters
// made so far, the stream of random numbers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "frontend/initializer.h"
#include "ir/tensor.h"

namespace ag {

enum class Mode { inference, training };

// Attached to a graph while a network is traced into it; layer functions find it through their
// operand. Several graphs may be traced at once, each by its own thread.
class BuildContext {
 public:
  BuildContext(Graph& graph, Mode mode);
  ~BuildContext();
  BuildContext(const BuildContext&) = delete;

  // The context of the graph that `x` belongs to. Throws CompileError outside of a trace.
  static BuildContext& of(const Operand& x, std::string_view layer);

  Mode mode() const { return mode_; }
  bool training() const { return mode_ == Mode::training; }
  Graph& graph() const { return graph_; }

  // A new parameter or state called `name` inside the current scope.
  Tensor parameter(std::string_view name, TensorType type, Initializer initial);
  Tensor state(std::string_view name, TensorType type, Initializer initial);
  // The same by full name, whatever the scope.
  Tensor global_state(const std::string& name, TensorType type, Initializer initial);
  // The new value of a state, taken over at the end of a training step.
  void update(const Tensor& state, Tensor value);

  // The key of this step's random numbers, u32[2]: state "rng.key", moved on once a step.
  Tensor random_key();
  // A number of its own for every random tensor of a step.
  int64_t next_random_stream() { return next_stream_++; }

  // In order of creation.
  const std::vector<Parameter>& parameters() const { return parameters_; }

 private:
  Tensor leaf(const OpDef& op, const std::string& name, TensorType type, Initializer initial);
  std::string scoped(std::string_view name) const;

  Graph& graph_;
  Mode mode_;
  std::vector<Parameter> parameters_;
  Tensor random_key_;
  int64_t next_stream_ = 0;
};

// Names the layers made until its end: inside Scope("layer1.0", x) the layer "conv1" is
// "layer1.0.conv1", and so are its parameters.
class Scope {
 public:
  Scope(std::string_view name, const Tensor& x) : guard_(x.graph(), name) {}

 private:
  ScopeGuard guard_;
};

// function(x), inside the scope `name`.
template <class F>
Tensor in_scope(std::string_view name, const Tensor& x, F&& function) {
  Scope scope(name, x);
  return function(x);
}

}  // namespace ag
