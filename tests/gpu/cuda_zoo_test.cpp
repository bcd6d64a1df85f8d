// Every network of the zoo, and every training step, as a program for CUDA devices, without one:
// planned, compiled and linked as `argent compile NETWORK --target cuda-sm_80` does, the library's
// tables read, and every kernel assembled for sm_80 and sm_90. Nothing is run.
//
// ARGENT_ZOO=3/4 takes the third quarter of the work, as CI does one part after another; names with
// commas between take these networks; without it all are taken. Compiled kernels come from the
// cache on disk where they are there, as users' do.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "codegen/compile.h"
#include "codegen/link/emit.h"
#include "frontend/zoo/zoo.h"
#include "runtime/cuda_image.h"
#include "tests/gpu/ptx_kernels.h"
#include "train/training_step.h"

using namespace ag;

namespace {

// How many nodes of a network are unlike all nodes of those before it: about as the kernels that it
// adds, which take the time.
size_t new_nodes(const Graph& graph, std::set<std::string>& seen) {
  size_t count = 0;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    std::string key(node.op->name);
    for (const TensorType& type : graph.operand_types(node)) key += " " + to_string(type);
    count += seen.insert(key + " -> " + to_string(node.types[0])).second;
  }
  return count;
}

// Neighbours in the table, which share kernels: those whose middle is in this part of all new
// nodes.
std::vector<ZooEntry> entries_of_part(size_t part, size_t parts) {
  std::set<std::string> seen;
  std::vector<size_t> middles;
  size_t all = 0;
  for (const ZooEntry& entry : zoo_entries()) {
    const size_t nodes = new_nodes(zoo_model(entry.name, 1).forward(), seen);
    middles.push_back(all + nodes / 2);
    all += nodes;
  }
  std::vector<ZooEntry> entries;
  for (size_t i = 0; i < middles.size(); ++i)
    if (std::min(middles[i] * parts / all + 1, parts) == part) entries.push_back(zoo_entries()[i]);
  return entries;
}

std::vector<ZooEntry> wanted_entries() {
  const std::span<const ZooEntry> all = zoo_entries();
  const char* variable = std::getenv("ARGENT_ZOO");
  if (!variable) return {all.begin(), all.end()};
  size_t part = 0, parts = 0;
  if (std::sscanf(variable, "%zu/%zu", &part, &parts) == 2 && part >= 1 && part <= parts)
    return entries_of_part(part, parts);
  std::vector<ZooEntry> named;
  const std::string names = fmt::format(",{},", variable);
  for (const ZooEntry& entry : all)
    if (names.find(fmt::format(",{},", entry.name)) != names.npos) named.push_back(entry);
  return named;
}

// A library while it is mapped; its file is gone at once, before it has to be on the disk.
class Library {
 public:
  explicit Library(const plan::Program& program) {
    const std::string path =
        std::filesystem::temp_directory_path() / fmt::format("argent_zoo_{}.so", getpid());
    std::ofstream(path, std::ios::binary) << emit(program, EmitKind::shared_library, "network.so");
    handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    std::filesystem::remove(path);
  }
  ~Library() {
    if (handle_) dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // Null, where there is none.
  const rt::CudaImage* image() const {
    void* model = handle_ ? dlsym(handle_, "argent_model") : nullptr;
    if (!model) return nullptr;
    return reinterpret_cast<const rt::CudaImage*>(
        reinterpret_cast<const argent_library* (*)()>(model)());
  }

 private:
  void* handle_ = nullptr;
};

// Bytes of the memory that an argument points into.
uint64_t size_of_storage(const rt::CudaImage& image, const rt::CudaEntryRecord& entry,
                         const rt::CudaArgumentRecord& argument) {
  switch (argument.storage) {
    case rt::kCudaArena: return entry.arena_bytes;
    case rt::kCudaState: return image.state_bytes;
    case rt::kCudaShared: return image.shared_bytes;
    case rt::kCudaSlot:
      if (argument.slot < entry.input_count + entry.output_count)
        return entry.slots[argument.slot].bytes;
  }
  return 0;
}

// The kernels of a module.
std::set<std::string> kernels_of(const rt::CudaModuleRecord& module) {
  const rt::CudaCodeRecord& code = module.codes[module.code_count - 1];
  const std::string_view ptx(static_cast<const char*>(code.data), code.bytes);
  constexpr std::string_view kEntry = ".entry ";
  std::set<std::string> names;
  for (size_t at = ptx.find(kEntry); at != ptx.npos; at = ptx.find(kEntry, at)) {
    at += kEntry.size();
    names.emplace(ptx.substr(at, ptx.find('(', at) - at));
  }
  return names;
}

void check_launches(const rt::CudaImage& image, const rt::CudaEntryRecord& entry,
                    const std::set<std::string>& kernels) {
  CHECK(entry.launch_count > 0);
  for (uint32_t i = 0; i < entry.launch_count; ++i) {
    const rt::CudaLaunchRecord& launch = entry.launches[i];
    CAPTURE(launch.function);
    CHECK(kernels.contains(launch.function));
    CHECK(launch.step < entry.step_count);
    for (uint32_t a = 0; a < launch.argument_count; ++a) {
      const rt::CudaArgumentRecord& argument = launch.arguments[a];
      CHECK(argument.offset < size_of_storage(image, entry, argument));
      CHECK(argument.offset % rt::kCudaAlignment == 0);
    }
  }
}

void check_library(const plan::Program& program) {
  const Library library(program);
  const rt::CudaImage* image = library.image();
  REQUIRE(image);
  CHECK(image->capability == 80);
  CHECK(image->description.target == program.target);
  REQUIRE(image->description.entry_count == 1);
  REQUIRE(image->module_count == 1);
  const std::set<std::string> kernels = kernels_of(image->modules[0]);
  CHECK(image->entries[0].step_count == program.entries[0].steps.size());
  check_launches(*image, image->entries[0], kernels);
  CHECK((image->prepare != nullptr) == !program.prepare.empty());
  if (image->prepare) check_launches(*image, *image->prepare, kernels);
}

void check_network(PtxKernels& kernels, const std::string& name, const Graph& graph,
                   const std::vector<Parameter>& parameters) {
  CAPTURE(name);
  std::map<std::string, Array> zeros;
  for (const Parameter& parameter : parameters)
    zeros.emplace(parameter.name, Array(parameter.type.dtype, parameter.type.shape));
  const ProgramEntry entry{"main", graph};
  const CompiledProgram compiled =
      compile_graphs("network", {&entry, 1}, zeros, {.target = "cuda-sm_80"});
  // Memory must not be much more than what lives together (plan_zoo_test, of processors).
  CHECK(static_cast<double>(compiled.memory[0].arena_bytes) <=
        1.25 * static_cast<double>(compiled.memory[0].lower_bound));
  kernels.add(name, compiled);
  for (const char* device : {"sm_80", "sm_90"}) kernels.assemble(device);
  check_library(compiled.program);
  fmt::print("{}: {} kernels\n", name, compiled.program.device_kernels.size());
  std::fflush(stdout);
}

}  // namespace

TEST_CASE("networks of the zoo and their training steps are programs for CUDA devices") {
  const std::vector<ZooEntry> entries = wanted_entries();
  REQUIRE_MESSAGE(!entries.empty(), "ARGENT_ZOO is neither a part nor a network's name");
  PtxKernels kernels("cuda-sm_80");
  setenv("ARGENT_PTXAS", "", 1);  // libraries carry PTX alone: it is assembled here once
  for (const ZooEntry& entry : entries) {
    const std::string name(entry.name);
    const Model model = zoo_model(entry.name, 1);
    check_network(kernels, name, model.forward(), model.parameters());
    const TrainingStep step = training_step(zoo_model(entry.name, 2), {});
    check_network(kernels, name + " training", step.graph, step.parameters);
  }
  for (const char* device : {"sm_80", "sm_90"}) fmt::print("{}\n", kernels.summary(device));
}
