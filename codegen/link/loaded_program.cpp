#include "codegen/link/loaded_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "codegen/link/library_file.h"
#include "codegen/link/memory_code.h"
#include "ir/diagnostics.h"
#include "runtime/instance.h"

namespace ag {

struct LoadedProgram::Code {
  std::unique_ptr<MemoryCode> memory;  // null: a file's, which stays in the process
};

namespace {

argent_tensor view_of(const Array& array) {
  return {const_cast<std::byte*>(array.data()), array.shape().data(), array.size_bytes(),
          static_cast<uint32_t>(array.shape().size()), static_cast<uint32_t>(array.dtype())};
}

}  // namespace

LoadedProgram::LoadedProgram(std::shared_ptr<Code> code, const argent_library* library)
    : code_(std::move(code)), library_(library) {
  argent_error error;
  network_ = argent_open(library, &error);
  if (!network_) throw CompileError(error.message);
}

LoadedProgram::~LoadedProgram() { argent_close(network_); }

std::shared_ptr<LoadedProgram> LoadedProgram::in_memory(const plan::Program& program) {
  auto code = std::make_shared<Code>();
  code->memory = std::make_unique<MemoryCode>(program);
  const argent_library* library = code->memory->library();
  return std::shared_ptr<LoadedProgram>(new LoadedProgram(std::move(code), library));
}

std::shared_ptr<LoadedProgram> LoadedProgram::from_file(const std::string& path) {
  return std::shared_ptr<LoadedProgram>(
      new LoadedProgram(std::make_shared<Code>(), open_library_file(path).library));
}

int LoadedProgram::entry_index(std::string_view name) const {
  std::string names;
  for (uint32_t i = 0; i < library_->entry_count; ++i) {
    if (library_->entries[i].name == name) return static_cast<int>(i);
    names += (i ? ", " : "") + std::string(library_->entries[i].name);
  }
  throw CompileError(fmt::format("{} has no function '{}'", library_->name, name))
      .help("its functions are " + names);
}

ProgramInstance LoadedProgram::instance(int threads) {
  return ProgramInstance(shared_from_this(), threads);
}

std::string LoadedProgram::prepared_bytes() const {
  const auto& network = *static_cast<const rt::Network*>(network_);
  const uint8_t* bytes = rt::prepared_of(network);
  if (!bytes) return {};
  return std::string(reinterpret_cast<const char*>(bytes), network.image->prepared.bytes);
}

namespace {

const argent_entry_info& entry_of(const argent_library& library, int entry) {
  if (entry >= 0 && static_cast<uint32_t>(entry) < library.entry_count) {
    return library.entries[entry];
  }
  throw CompileError(fmt::format("{} has {} functions, number {} was asked for", library.name,
                                 library.entry_count, entry));
}

}  // namespace

std::span<const argent_step_detail> step_details(const argent_library& library, int entry) {
  if (!ARGENT_HAS(&library, step_details) || !library.step_details) return {};
  const argent_step_detail* first = library.step_details;
  for (int i = 0; i < entry; ++i) first += library.entries[i].step_count;
  return {first, entry_of(library, entry).step_count};
}

TensorType type_of(const argent_tensor_info& info) {
  return tensor_type(static_cast<DType>(info.dtype), Shape(info.shape, info.shape + info.rank));
}

ProgramInstance::ProgramInstance(std::shared_ptr<LoadedProgram> program, int threads)
    : program_(std::move(program)) {
  argent_error error;
  instance_ = argent_create(program_->network_, static_cast<uint32_t>(threads), &error);
  if (!instance_) {
    CompileError failure(error.message);
    if (error.code == ARGENT_OUT_OF_MEMORY) failure.help("use a smaller batch");
    throw failure;
  }
}

ProgramInstance::ProgramInstance(ProgramInstance&& other) noexcept
    : program_(std::move(other.program_)), instance_(std::exchange(other.instance_, nullptr)) {}

ProgramInstance& ProgramInstance::operator=(ProgramInstance&& other) noexcept {
  std::swap(program_, other.program_);
  std::swap(instance_, other.instance_);
  return *this;
}

ProgramInstance::~ProgramInstance() { argent_destroy(instance_); }

void ProgramInstance::check(int code) const {
  if (code == ARGENT_OK) return;
  if (code == ARGENT_BUSY) {
    throw CompileError(
        fmt::format("{}: the instance is running in another thread", program_->library().name))
        .help("make an instance for each thread: they share the weights");
  }
  throw CompileError(argent_message(instance_));
}

void ProgramInstance::run(int entry, std::span<const Array* const> inputs,
                          std::span<Array* const> outputs) {
  std::vector<argent_tensor> in, out;
  for (const Array* input : inputs) in.push_back(view_of(*input));
  for (const Array* output : outputs) out.push_back(view_of(*output));
  check(argent_run(instance_, static_cast<uint32_t>(entry), in.data(),
                   static_cast<uint32_t>(in.size()), out.data(),
                   static_cast<uint32_t>(out.size())));
}

std::vector<Array> ProgramInstance::run(int entry, std::span<const Array> inputs) {
  const argent_entry_info& info = entry_of(program_->library(), entry);
  std::vector<Array> results;
  for (uint32_t i = 0; i < info.output_count; ++i) {
    const TensorType type = type_of(*info.outputs[i]);
    results.emplace_back(type.dtype, type.shape);
  }
  std::vector<const Array*> in;
  std::vector<Array*> out;
  for (const Array& input : inputs) in.push_back(&input);
  for (Array& result : results) out.push_back(&result);
  run(entry, in, out);
  return results;
}

Array ProgramInstance::get(const std::string& name) {
  const argent_library& library = program_->library();
  for (uint32_t i = 0; i < library.tensor_count; ++i) {
    if (name != library.tensors[i].name) continue;
    const TensorType type = type_of(library.tensors[i]);
    Array value(type.dtype, type.shape);
    const argent_tensor view = view_of(value);
    check(argent_get(instance_, name.c_str(), &view));
    return value;
  }
  throw CompileError(fmt::format("{} has no parameter or state named '{}'", library.name, name));
}

void ProgramInstance::set(const std::string& name, const Array& value) {
  const argent_tensor view = view_of(value);
  check(argent_set(instance_, name.c_str(), &view));
}

void ProgramInstance::prepare() { check(argent_prepare(instance_)); }

void ProgramInstance::set_threads(int threads) {
  check(argent_set_threads(instance_, static_cast<uint32_t>(threads)));
}

void ProgramInstance::set_profiling(bool enabled) { check(argent_profile(instance_, enabled)); }

std::vector<argent_step_time> ProgramInstance::step_times(int entry) {
  const argent_entry_info& info = entry_of(program_->library(), entry);
  std::vector<argent_step_time> times(info.step_count);
  check(argent_step_times(instance_, static_cast<uint32_t>(entry), times.data(),
                          static_cast<uint32_t>(times.size())));
  return times;
}

std::vector<argent_trace_event> ProgramInstance::run_traced(int entry,
                                                            std::span<const Array* const> inputs,
                                                            std::span<Array* const> outputs,
                                                            size_t most) {
  std::vector<argent_trace_event> events(most);
  argent_trace_room room = {events.data(), most, 0};
  if (argent_trace(instance_, &room) == ARGENT_UNSUPPORTED) {
    throw CompileError(
        fmt::format("{} was compiled by an Argent that did not trace", program_->library().name))
        .help("compile it again");
  }
  try {
    run(entry, inputs, outputs);
  } catch (...) {
    argent_trace(instance_, nullptr);
    throw;
  }
  check(argent_trace(instance_, nullptr));
  events.resize(std::min<size_t>(most, room.count));
  std::sort(events.begin(), events.end(),
            [](const argent_trace_event& a, const argent_trace_event& b) {
              return std::tuple(a.begin_ns, b.end_ns) < std::tuple(b.begin_ns, a.end_ns);
            });
  return events;
}

int64_t ProgramInstance::scratch_overflows() const {
  const auto& instance = *static_cast<const rt::Instance*>(instance_);
  return static_cast<int64_t>(instance.scratch_overflows.load());
}

}  // namespace ag
