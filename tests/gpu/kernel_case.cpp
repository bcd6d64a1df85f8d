#include "tests/gpu/kernel_case.h"

#include <set>

#include "codegen/compile.h"
#include "codegen/nvptx/compile.h"
#include "codegen/plan/buffer_form.h"
#include "codegen/plan/kernel_request.h"
#include "codegen/schedule/cuda/choose.h"
#include "ir/ops/kernel.h"
#include "ir/parse.h"

namespace ag {
namespace {

BufferForm dense(const TensorType& type) { return plan::form_of(type, {}); }

// A value as a kernel over vectors reads it.
ReferenceTensor as_form(ReferenceTensor value, const BufferForm& form) {
  value.shape = form.type.shape;
  return value;
}

bool has_bfloats(const KernelRequest& request) {
  return request.text.find("bf16[") != std::string::npos;
}

bool has_halves(const KernelRequest& request) {
  return request.text.find("f16[") != std::string::npos;
}

// Operands as they are stored, and what the kernel makes of these.
void round_operands(KernelCase& test) {
  const Graph body = parse(test.request.text, "body.ag");
  const std::vector<Value> leaves = body_leaves(body);
  Bindings bindings;
  for (size_t o = 0; o < leaves.size(); ++o) {
    test.operands[o] = ReferenceTensor::from(test.operands[o].to_array());
    bindings[body.leaf_name(leaves[o])] = test.operands[o];
  }
  test.results = interpret(body, bindings);
}

}  // namespace

KernelCase kernel_case(const std::string& row, const Graph& graph, int i,
                       const std::vector<std::vector<ReferenceTensor>>& values,
                       const Target& target) {
  const Node& node = graph.node(i);
  std::vector<BufferForm> operands, results;
  for (Value operand : node.operands) operands.push_back(dense(graph.type(operand)));
  for (const TensorType& type : node.types) results.push_back(dense(type));
  KernelCase test{row,
                  node.attributes.string("class"),
                  plan::kernel_request(node, operands, results, {}, target),
                  {},
                  {}};
  for (size_t o = 0; o < operands.size(); ++o) {
    const Value operand = node.operands[o];
    test.operands.push_back(
        as_form(values[operand.node][operand.result], test.request.operands[o]));
  }
  for (size_t r = 0; r < results.size(); ++r)
    test.results.push_back(as_form(values[i][r], test.request.results[r]));
  if (has_halves(test.request)) round_operands(test);
  return test;
}

std::vector<KernelCase> kernel_cases(const OpCase& row, DType dtype, const Target& target) {
  const BuiltCase built = build_gradient_case(row, dtype);
  const Graph graph = lower_to_kernels(built.graph, target);
  Bindings rounded;
  for (const auto& [name, value] : built.bindings)
    rounded[name] = ReferenceTensor::from(value.to_array());
  const std::vector<std::vector<ReferenceTensor>> values = interpret_all(graph, rounded);
  std::vector<KernelCase> cases;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.is(ops::kernel) && node.types[0].count() > 0)
      cases.push_back(kernel_case(row.name(), graph, i, values, target));
  }
  return cases;
}

void use_opencl_schedule(KernelCase& test) {
  const KernelRequest& request = test.request;
  const Graph body = parse(request.text, "body.ag");
  for (Schedule schedule : cuda_candidates({body, test.kernel_class, request.operands,
                                            request.results, find_target(request.target)})) {
    if (nvptx::has_template(schedule.name)) continue;
    for (const char* lanes : {"lanes", "row_lanes"})
      if (schedule.values.contains(lanes)) schedule.values[lanes] = 0;
    test.request.schedule = schedule.text();
    return;
  }
}

std::string kind_of(const KernelCase& test) {
  std::set<std::string> ops;
  const Graph body = parse(test.request.text, "body.ag");
  for (int i = 0; i < body.size(); ++i) ops.insert(std::string(body.node(i).op->name));
  const std::string name = test.request.schedule.substr(0, test.request.schedule.find('{'));
  std::string kind = name + " " + test.kernel_class;
  if (has_bfloats(test.request)) kind += " bf16";
  // Contractions and reductions differ by more than their ops: their schedules' parameters.
  if (name != "pointwise") kind += " " + test.request.schedule;
  for (const std::string& op : ops) kind += " " + op;
  return kind;
}

}  // namespace ag
