#include "tools/commands/inspect_library.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "codegen/link/library_file.h"
#include "codegen/link/loaded_program.h"

namespace ag::commands {
namespace {

std::span<const argent_entry_info> entries_of(const argent_library& library) {
  return {library.entries, library.entry_count};
}
std::span<const argent_tensor_info> tensors_of(const argent_library& library) {
  return {library.tensors, library.tensor_count};
}

int64_t flops_of(const argent_entry_info& entry) {
  int64_t flops = 0;
  for (uint32_t i = 0; i < entry.step_count; ++i) flops += entry.steps[i].flops;
  return flops;
}

int64_t parameter_count(const argent_library& library) {
  int64_t count = 0;
  for (const argent_tensor_info& tensor : tensors_of(library))
    if (tensor.role == ARGENT_PARAMETER) count += type_of(tensor).count();
  return count;
}

nlohmann::json json_of(std::span<const argent_tensor_info* const> tensors) {
  nlohmann::json rows = nlohmann::json::array();
  for (const argent_tensor_info* tensor : tensors)
    rows.push_back({{"name", tensor->name}, {"type", to_string(type_of(*tensor))}});
  return rows;
}

nlohmann::json json_of(const argent_entry_info& entry) {
  return {{"name", entry.name},
          {"inputs", json_of({entry.inputs, entry.input_count})},
          {"outputs", json_of({entry.outputs, entry.output_count})},
          {"kernels", entry.step_count},
          {"flops", flops_of(entry)},
          {"arena_bytes", entry.arena_bytes}};
}

nlohmann::json json_of(const LibraryFile& file) {
  const argent_library& library = *file.library;
  nlohmann::json entries = nlohmann::json::array(), tensors = nlohmann::json::array();
  for (const argent_entry_info& entry : entries_of(library)) entries.push_back(json_of(entry));
  for (const argent_tensor_info& tensor : tensors_of(library)) {
    tensors.push_back({{"name", tensor.name},
                       {"type", to_string(type_of(tensor))},
                       {"role", tensor.role == ARGENT_STATE ? "state" : "parameter"}});
  }
  return {{"name", library.name},
          {"target", library.target},
          {"parameters", parameter_count(library)},
          {"weight_bytes", library.weight_bytes},
          {"state_bytes", library.state_bytes},
          {"code_bytes", file.code_bytes},
          {"file_bytes", file.file_bytes},
          {"entries", entries},
          {"tensors", tensors}};
}

void print_tensors(std::string_view role, std::span<const argent_tensor_info* const> tensors) {
  for (const argent_tensor_info* tensor : tensors)
    fmt::print("  {:<6}  {}: {}\n", role, tensor->name, to_string(type_of(*tensor)));
}

double kib(uint64_t bytes) { return static_cast<double>(bytes) / 1024; }

void print_library(const LibraryFile& file) {
  const argent_library& library = *file.library;
  for (const argent_entry_info& entry : entries_of(library)) {
    fmt::print("{}: {} kernels, {:.3f} MFLOP, arena {:.1f} KiB\n", entry.name, entry.step_count,
               static_cast<double>(flops_of(entry)) * 1e-6, kib(entry.arena_bytes));
    print_tensors("input", {entry.inputs, entry.input_count});
    print_tensors("output", {entry.outputs, entry.output_count});
  }
  size_t width = 0;
  for (const argent_tensor_info& tensor : tensors_of(library))
    width = std::max(width, std::string_view(tensor.name).size());
  fmt::print("{}", library.tensor_count ? "\n" : "");
  for (const argent_tensor_info& tensor : tensors_of(library))
    fmt::print("{:<{}}  {}\n", tensor.name, width, to_string(type_of(tensor)));
  fmt::print("\n{}: {} parameters, compiled for {}\n", library.name, parameter_count(library),
             library.target);
  fmt::print("weights: {:.1f} KiB, shared; state: {:.1f} KiB in each instance\n",
             kib(library.weight_bytes), kib(library.state_bytes));
  fmt::print("code: {:.1f} KiB of the file's {:.1f} KiB\n", kib(file.code_bytes),
             kib(file.file_bytes));
}

}  // namespace

void inspect_library(const std::string& path, bool json) {
  const LibraryFile file = open_library_file(path);
  if (json)
    fmt::print("{}\n", json_of(file).dump(2));
  else
    print_library(file);
}

}  // namespace ag::commands
