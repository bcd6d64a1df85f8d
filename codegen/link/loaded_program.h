// Compiled networks ready to run in this process, from a planned program or from a library file,
// behind one C++ face over the C ABI.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/plan/program.h"
#include "ir/array.h"
#include "runtime/argent_abi.h"

namespace ag {

class ProgramInstance;

// Code and shared weights. Instances keep it alive.
class LoadedProgram : public std::enable_shared_from_this<LoadedProgram> {
 public:
  // Links the program into this process. Throws CompileError when its target is not this machine's.
  static std::shared_ptr<LoadedProgram> in_memory(const plan::Program& program);
  // Opens a shared library that Argent made. Throws CompileError when it is none.
  static std::shared_ptr<LoadedProgram> from_file(const std::string& path);

  ~LoadedProgram();

  const argent_library& library() const { return *library_; }
  // Throws CompileError naming the entries there are.
  int entry_index(std::string_view name) const;

  // Throws CompileError when memory is short.
  ProgramInstance instance(int threads = 1);

  // The bytes of storage `prepared`; empty when nothing is prepared. Only for in_memory().
  std::string prepared_bytes() const;

 private:
  friend class ProgramInstance;
  struct Code;  // what keeps the machine code in memory

  LoadedProgram(std::shared_ptr<Code> code, const argent_library* library);

  std::shared_ptr<Code> code_;
  const argent_library* library_;
  argent_network* network_;
};

// What the library knows about the entry's steps beyond argent_step_info; empty for a library of an
// Argent that did not say.
std::span<const argent_step_detail> step_details(const argent_library& library, int entry);

// The type a tensor of the C ABI has.
TensorType type_of(const argent_tensor_info& info);

// One caller's memory. Not for two threads at once: the second is refused. Every failure is a
// CompileError with the library's message.
class ProgramInstance {
 public:
  ProgramInstance(ProgramInstance&& other) noexcept;
  ProgramInstance& operator=(ProgramInstance&& other) noexcept;
  ~ProgramInstance();

  const LoadedProgram& program() const { return *program_; }

  // Inputs and outputs in the order of the entry.
  std::vector<Array> run(int entry, std::span<const Array> inputs);
  void run(int entry, std::span<const Array* const> inputs, std::span<Array* const> outputs);

  // A parameter or state tensor.
  Array get(const std::string& name);
  void set(const std::string& name, const Array& value);
  // After shared parameters were set.
  void prepare();

  void set_threads(int threads);
  void set_profiling(bool enabled);
  // Times of the entry's steps since profiling was turned on.
  std::vector<argent_step_time> step_times(int entry);
  // run(), and what each thread did in it, in the order of time. Events that `most` leaves no room
  // for are dropped.
  std::vector<argent_trace_event> run_traced(int entry, std::span<const Array* const> inputs,
                                             std::span<Array* const> outputs, size_t most);
  // Kernel allocations that did not fit the planned scratch, so far. Only for in_memory().
  int64_t scratch_overflows() const;

 private:
  friend class LoadedProgram;
  ProgramInstance(std::shared_ptr<LoadedProgram> program, int threads);
  void check(int code) const;

  std::shared_ptr<LoadedProgram> program_;
  argent_instance* instance_;
};

}  // namespace ag
