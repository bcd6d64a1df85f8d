#include "frontend/context.h"

#include <fmt/format.h>

#include "ir/ops/leaf.h"
#include "ir/ops/random.h"

namespace ag {

BuildContext::BuildContext(Graph& graph, Mode mode) : graph_(graph), mode_(mode) {
  graph.set_build_context(this);
}

BuildContext::~BuildContext() { graph_.set_build_context(nullptr); }

BuildContext& BuildContext::of(const Operand& x, std::string_view layer) {
  if (!x.tensor.valid()) {
    throw CompileError(fmt::format("{}: x is the number {}, not a tensor", layer, x.scalar))
        .at(Location(x.where))
        .help("pass the tensor that the network function was given, or one made from it");
  }
  BuildContext* context = x.tensor.graph().build_context();
  if (!context) {
    throw CompileError(fmt::format("{}: layers with parameters or randomness are made inside "
                                   "trace(), but graph @{} is being built by hand",
                                   layer, x.tensor.graph().name()))
        .at(x.tensor.graph().locate(x.where))
        .help("put the layers into a function and trace() it, or use the ops without a name");
  }
  return *context;
}

std::string BuildContext::scoped(std::string_view name) const {
  const std::string& scope = graph_.scope();
  return scope.empty() ? std::string(name) : fmt::format("{}.{}", scope, name);
}

Tensor BuildContext::leaf(const OpDef& op, const std::string& name, TensorType type,
                          Initializer initial) {
  Value value = graph_.add_leaf(op, name, type, graph_.locate(std::source_location::current()));
  parameters_.push_back({name, std::move(type), initial, &op == &ops::parameter});
  return {graph_, value};
}

Tensor BuildContext::parameter(std::string_view name, TensorType type, Initializer initial) {
  return leaf(ops::parameter, scoped(name), std::move(type), initial);
}

Tensor BuildContext::state(std::string_view name, TensorType type, Initializer initial) {
  return leaf(ops::state, scoped(name), std::move(type), initial);
}

Tensor BuildContext::global_state(const std::string& name, TensorType type, Initializer initial) {
  return leaf(ops::state, name, std::move(type), initial);
}

void BuildContext::update(const Tensor& state, Tensor value) {
  graph_.add_update(graph_.leaf_name(state.value()), value.value());
}

Tensor BuildContext::random_key() {
  if (!random_key_.valid()) {
    random_key_ =
        global_state("rng.key", tensor_type(DType::u32, {2}), {InitialScheme::random_key});
    update(random_key_, next_key(random_key_));
  }
  return random_key_;
}

}  // namespace ag
