#include "codegen/nvptx/compile.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "codegen/nvptx/gemm.h"
#include "codegen/schedule/cuda/gemm.h"
#include "ir/internal_error.h"

namespace ag::nvptx {
namespace {

struct Row {
  std::string_view name;
  KernelResult (*compile)(const KernelRequest&);
};

constexpr Row kTemplates[] = {{kGemm, gemm}};

const Row* find(std::string_view name) {
  const auto row = std::find_if(std::begin(kTemplates), std::end(kTemplates),
                                [&](const Row& r) { return r.name == name; });
  return row == std::end(kTemplates) ? nullptr : row;
}

}  // namespace

bool has_template(std::string_view schedule_name) { return find(schedule_name) != nullptr; }

KernelResult compile_kernel(const KernelRequest& request) {
  const std::string_view schedule = request.schedule;
  const Row* row = find(schedule.substr(0, schedule.find('{')));
  if (!row) internal_error("{} is no template of codegen/nvptx", schedule);
  const auto start = std::chrono::steady_clock::now();
  KernelResult result = row->compile(request);
  const auto taken = std::chrono::steady_clock::now() - start;
  result.llvm_ms = std::chrono::duration<double, std::milli>(taken).count();
  return result;
}

}  // namespace ag::nvptx
