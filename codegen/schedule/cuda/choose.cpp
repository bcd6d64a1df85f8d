#include "codegen/schedule/cuda/choose.h"

#include <algorithm>

#include "codegen/schedule/cuda/rules.h"
#include "ir/ops/index.h"
#include "ir/ops/leaf.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr int64_t kVector = 4;  // f32 elements of the widest load

// Whether every tensor is a vector (kernel_request makes them so where it may) or a scalar, of
// elements of four bytes.
bool is_over_vectors(const KernelView& kernel) {
  const auto fits = [](const BufferForm& form) {
    return form.type.rank() == 0 || (form.type.rank() == 1 && size_of(form.type.dtype) == 4);
  };
  return std::all_of(kernel.operands.begin(), kernel.operands.end(), fits) &&
         std::all_of(kernel.results.begin(), kernel.results.end(), fits);
}

// Whether an element of a result depends on the same element of every operand alone.
bool is_elementwise(const Graph& body) {
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    const bool of_scalar = node.is(ops::broadcast) && body.type(node.operands[0]).rank() == 0;
    const bool fine = node.op->kind == OpKind::leaf || node.op->pointwise || node.is(ops::full);
    if (!fine && !of_scalar) return false;
  }
  return true;
}

Schedule choose_pointwise(const KernelView& kernel) {
  int64_t elements = 0;
  for (const BufferForm& form : kernel.results) elements = std::max(elements, form.type.count());
  const bool wide = elements % kVector == 0 && elements >= kVector * kFullDevice &&
                    is_over_vectors(kernel) && is_elementwise(kernel.body);
  const int64_t vector = wide ? kVector : 1;
  return {"pointwise", {{"threads", threads_for(elements / vector)}, {"vector", vector}}};
}

Schedule choose_winograd(const KernelView& kernel) {
  return {"contraction_plain", {{"threads", threads_for(kernel.results[0].type.count())}}};
}

struct Choice {
  std::string_view kernel_class;
  std::vector<Schedule> (*choose)(const KernelView&);
};

template <Schedule (*choose)(const KernelView&)>
std::vector<Schedule> one(const KernelView& kernel) {
  return {choose(kernel)};
}

constexpr Choice kChoices[] = {
    {"conv", choose_cuda_contraction},
    {"matmul", choose_cuda_contraction},
    {"pointwise", one<choose_pointwise>},
    {"window", one<choose_pointwise>},
    {"gather", one<choose_pointwise>},
    {"concat", one<choose_pointwise>},
    {"slice", one<choose_pointwise>},
    {"reduction", one<choose_cuda_reduction>},
    {"winograd", one<choose_winograd>},
    {"winograd_backward", one<choose_winograd>},
    {"winograd_transform", one<choose_pointwise>},
};

}  // namespace

int64_t power_of_two_from(int64_t n) {
  int64_t power = 1;
  while (power < n) power *= 2;
  return power;
}

int64_t threads_for(int64_t elements) {
  if (elements >= 4 * kFullDevice) return 256;
  return elements >= kFullDevice ? 128 : kLeastThreads;
}

bool has_reductions(const Graph& body) {
  static const OpDef* const kSums[] = {
      &ops::reduce_sum, &ops::reduce_max,        &ops::reduce_min,      &ops::argmax,
      &ops::argmin,     &ops::scatter_along_add, &ops::scatter_rows_add};
  for (int i = 0; i < body.size(); ++i) {
    if (std::find(std::begin(kSums), std::end(kSums), body.node(i).op) != std::end(kSums))
      return true;
  }
  return false;
}

std::vector<Schedule> cuda_candidates(const KernelView& kernel) {
  for (const Choice& choice : kChoices) {
    if (choice.kernel_class == kernel.kernel_class) return choice.choose(kernel);
  }
  return {choose_cuda_reduction(kernel)};
}

bool has_cuda_schedule(std::string_view kernel_class) {
  return std::any_of(std::begin(kChoices), std::end(kChoices), [&](const Choice& choice) {
    return choice.kernel_class == kernel_class;
  });
}

Schedule choose_cuda_schedule(const KernelView& kernel) { return cuda_candidates(kernel)[0]; }

}  // namespace ag
