// Programs as files: libraries, objects, headers, standalone programs.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "codegen/plan/program.h"

namespace ag {

enum class EmitKind {
  shared_library,  // NAME.so: exports NAME_model and argent_model
  static_library,  // NAME.a: defines NAME_model
  object,          // NAME.o: the same, as one object
  header,          // NAME.h: the C ABI and typed calls
  executable,      // ./NAME in.npy out.npy, ./NAME --bench
};

// The bytes of a file. `file_name` is the library's own name (its soname). The same program gives
// the same bytes each time. Throws CompileError when this Argent cannot link for the target.
//
// `levels` is one program compiled for several levels of one architecture's processors, plainest
// first: the file holds the code of each, and weights that levels store alike once.
std::string emit(std::span<const plan::Program> levels, EmitKind kind,
                 const std::string& file_name);
std::string emit(const plan::Program& program, EmitKind kind, const std::string& file_name);

// Throws CompileError when a header would be written over one that Argent did not make: `path`
// itself, or NAME.h beside a library.
void check_header_place(EmitKind kind, const std::string& path);

// Writes a file, aside and renamed; a library's header is written beside it. Throws CompileError
// when the path cannot be written, and as check_header_place() does.
void emit_file(std::span<const plan::Program> levels, EmitKind kind, const std::string& path);
void emit_file(const plan::Program& program, EmitKind kind, const std::string& path);

// The kind a file name stands for: .so, .a, .o, .h, none for an executable.
EmitKind emit_kind_of(std::string_view path);

}  // namespace ag
