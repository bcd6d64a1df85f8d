#include "codegen/schedule/cuda/launches.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>

#include "ir/diagnostics.h"
#include "ir/internal_error.h"

namespace ag::schedule {
namespace {

using Halide::Expr;
using Memory = LaunchArgument::Memory;
namespace IR = Halide::Internal;

constexpr int64_t kAlignment = 256;  // of scratch and constants, as of device memory itself

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::string text_of(const Expr& expression) {
  std::ostringstream text;
  text << expression;
  return text.str();
}

int64_t number(const Expr& expression) {
  const auto value = IR::as_const_int(IR::simplify(expression));
  if (!value) internal_error("a launch depends on {}", text_of(expression));
  return *value;
}

class Collector : public IR::IRVisitor {
 public:
  Collector(const lower::Kernel& kernel, KernelResult& result) : result_(result) {
    int64_t parameter = 0;
    for (const Halide::ImageParam& operand : kernel.operands) add(operand.name(), parameter++);
    for (Halide::Func stage : kernel.stages) {
      for (const Halide::OutputImageParam& buffer : stage.output_buffers())
        add(buffer.name(), parameter++);
    }
  }

  void add_constant(const Halide::Buffer<>& buffer) {
    arguments_[buffer.name() + ".buffer"] = {Memory::constants,
                                             static_cast<int64_t>(result_.constants.size())};
    result_.constants.append(reinterpret_cast<const char*>(buffer.data()), buffer.size_in_bytes());
    result_.constants.resize(aligned(static_cast<int64_t>(result_.constants.size())));
  }

 private:
  using IR::IRVisitor::visit;

  void add(const std::string& name, int64_t parameter) {
    arguments_[name + ".buffer"] = {Memory::parameter, parameter};
  }

  void visit(const IR::Allocate* allocation) override {
    const int64_t elements = allocation->constant_allocation_size();
    if (elements == 0) internal_error("temporary '{}' has no constant size", allocation->name);
    arguments_[allocation->name + ".buffer"] = {Memory::scratch, result_.scratch_bytes};
    result_.scratch_bytes += aligned(elements * allocation->type.bytes());
    IR::IRVisitor::visit(allocation);
  }

  void visit(const IR::Store* store) override {
    internal_error("the host computes '{}'", store->name);
  }
  void visit(const IR::For* loop) override {
    internal_error("the host loops over '{}'", loop->name);
  }

  void visit(const IR::Call* call) override {
    if (call->name == "halide_cuda_run") add_launch(*call);
    IR::IRVisitor::visit(call);
  }

  // halide_cuda_run(state, entry, blocks x y z, threads x y z, shared bytes, argument sizes,
  // arguments, which of them are buffers), the last three with a terminator.
  void add_launch(const IR::Call& call) {
    const IR::StringImm* entry = call.args.at(1).as<IR::StringImm>();
    if (!entry) internal_error("a launch has no name");
    KernelLaunch launch{entry->value, {}, {}, number(call.args.at(8)), {}};
    for (size_t d = 0; d < 3; ++d) {
      launch.blocks.push_back(number(call.args.at(2 + d)));
      launch.threads.push_back(number(call.args.at(5 + d)));
    }
    const IR::Call* arguments = call.args.at(10).as<IR::Call>();
    if (!arguments) internal_error("the arguments of {} are no list", entry->value);
    for (size_t i = 0; i + 1 < arguments->args.size(); ++i)
      launch.arguments.push_back(argument(arguments->args[i]));
    result_.launches.push_back(std::move(launch));
  }

  LaunchArgument argument(const Expr& expression) const {
    const IR::Variable* variable = expression.as<IR::Variable>();
    const auto found = variable ? arguments_.find(variable->name) : arguments_.end();
    if (found == arguments_.end())
      internal_error("a launch's argument {} is no buffer", text_of(expression));
    return found->second;
  }

  KernelResult& result_;
  std::map<std::string, LaunchArgument> arguments_;
};

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at)) {
    const size_t end = at + from.size();
    // Parameters are called after their kernel: what follows may be a longer name.
    const bool whole =
        (at == 0 || !is_word(text[at - 1])) &&
        (end == text.size() || !is_word(text[end]) || text.compare(end, 7, "_param_") == 0);
    if (whole) text.replace(at, from.size(), to);
    at += whole ? to.size() : from.size();
  }
}

// CompileError for a function of the C library, which no device has.
void require_defined(const std::string& ptx) {
  const size_t at = ptx.find(".extern .func");
  if (at == ptx.npos) return;
  std::string declaration = ptx.substr(at, ptx.find(';', at) - at);
  std::replace(declaration.begin(), declaration.end(), '\n', ' ');
  throw CompileError(fmt::format("a kernel needs a function that no device has: {}", declaration))
      .help("compute in f32, or compile for a processor");
}

}  // namespace

void collect_launches(const Halide::Module& module, const lower::Kernel& kernel,
                      KernelResult& result) {
  Collector collector(kernel, result);
  for (const Halide::Buffer<>& buffer : module.buffers()) {
    if (!buffer.name().ends_with("_gpu_source_kernels")) collector.add_constant(buffer);
  }
  for (const auto& function : module.functions()) function.body.accept(&collector);
}

void take_ptx(const Halide::Module& module, std::string_view symbol, KernelResult& result) {
  const Halide::Buffer<uint8_t> buffer = module.get_cuda_ptx_assembly_buffer();
  result.ptx.assign(reinterpret_cast<const char*>(buffer.data()), buffer.size_in_bytes());
  while (!result.ptx.empty() && result.ptx.back() == '\0') result.ptx.pop_back();  // C's end
  require_defined(result.ptx);
  int count = 0;
  for (KernelLaunch& launch : result.launches) {
    const std::string name = fmt::format("{}_{}", symbol, count++);
    replace_all(result.ptx, launch.entry, name);
    launch.entry = name;
  }
}

}  // namespace ag::schedule
