#include "tools/ptx_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/link/device_code.h"

namespace ag {
namespace {

std::string memory_text(const LaunchArgument& argument) {
  constexpr std::string_view kNames[] = {"parameter", "scratch", "constants"};
  return fmt::format("{} {}", kNames[static_cast<size_t>(argument.memory)], argument.where);
}

// "arena+256", or "caller's image".
std::string buffer_text(const plan::Program& program, int index) {
  constexpr std::string_view kNames[] = {"arena",     "caller's", "caller's", "state",
                                         "parameter", "prepared", "constant"};
  const plan::Buffer& buffer = program.buffers[index];
  const std::string_view storage = kNames[static_cast<size_t>(buffer.storage)];
  if (buffer.tensor >= 0) return fmt::format("{} {}", storage, program.tensors[buffer.tensor].name);
  return fmt::format("{}+{}", storage, buffer.offset);
}

std::string steps_text(const plan::Program& program, const std::vector<plan::Step>& steps) {
  std::string text;
  for (const plan::Step& step : steps) {
    std::vector<std::string> buffers;
    for (int buffer : step.buffers) buffers.push_back(buffer_text(program, buffer));
    text += fmt::format("//   {}{}{} ({})\n", step.kernel, step.kernel.empty() ? "" : " ",
                        step.name, fmt::join(buffers, ", "));
  }
  return text;
}

std::string plan_text(const plan::Program& program) {
  std::string text = fmt::format("// {} for {}\n//\n", program.name, program.target);
  if (!program.prepare.empty()) {
    text += fmt::format("// prepare: once; {} bytes of arena, {} of scratch\n",
                        program.prepare_arena_bytes, program.prepare_scratch_bytes);
    text += steps_text(program, program.prepare);
  }
  for (const plan::Entry& entry : program.entries) {
    text += fmt::format("// {}: {} bytes of arena, {} of scratch\n", entry.name, entry.arena_bytes,
                        entry.scratch_bytes);
    text += steps_text(program, entry.steps);
  }
  return text;
}

std::string launches_text(const std::string& symbol, const plan::DeviceKernel& kernel) {
  std::string text = "\n// " + symbol + "\n";
  for (const KernelLaunch& launch : kernel.launches) {
    std::vector<std::string> arguments;
    for (const LaunchArgument& argument : launch.arguments)
      arguments.push_back(memory_text(argument));
    text +=
        fmt::format("//   {}: {} blocks of {} threads, {} bytes of shared memory; {}\n",
                    launch.entry, fmt::join(launch.blocks, " x "), fmt::join(launch.threads, " x "),
                    launch.shared_bytes, fmt::join(arguments, ", "));
  }
  return text;
}

}  // namespace

std::string ptx_text(const CompiledProgram& compiled) {
  std::string text = plan_text(compiled.program) + ptx_head(compiled.program);
  for (const auto& [symbol, kernel] : compiled.program.device_kernels) {
    text += launches_text(symbol, *kernel);
    text += ptx_body(symbol, *kernel);
  }
  return text;
}

}  // namespace ag
