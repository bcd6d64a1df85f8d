#include "codegen/link/embedded.h"

#include <fmt/format.h>

#include "ir/diagnostics.h"
#include "ir/embed.h"

#if ARGENT_EMBED_X86_64
AG_EMBED(argent_x86_64_runtime, ARGENT_EMBEDDED_DIR "/x86_64/runtime.o");
AG_EMBED(argent_x86_64_cuda, ARGENT_EMBEDDED_DIR "/x86_64/cuda.o");
AG_EMBED(argent_x86_64_program, ARGENT_EMBEDDED_DIR "/x86_64/program.o");
AG_EMBED(argent_x86_64_libc, ARGENT_EMBEDDED_DIR "/x86_64/libc.so");
AG_EMBED(argent_x86_64_libm, ARGENT_EMBEDDED_DIR "/x86_64/libm.so");
#endif
#if ARGENT_EMBED_AARCH64
AG_EMBED(argent_aarch64_runtime, ARGENT_EMBEDDED_DIR "/aarch64/runtime.o");
AG_EMBED(argent_aarch64_cuda, ARGENT_EMBEDDED_DIR "/aarch64/cuda.o");
AG_EMBED(argent_aarch64_program, ARGENT_EMBEDDED_DIR "/aarch64/program.o");
AG_EMBED(argent_aarch64_libc, ARGENT_EMBEDDED_DIR "/aarch64/libc.so");
AG_EMBED(argent_aarch64_libm, ARGENT_EMBEDDED_DIR "/aarch64/libm.so");
#endif
AG_EMBED(argent_abi_header, ARGENT_RUNTIME_DIR "/argent_abi.h");

namespace ag {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

EmbeddedRuntime embedded_runtime(const Target& target) {
#if ARGENT_EMBED_X86_64
  if (target.architecture == Architecture::x86_64) {
    return {between(argent_x86_64_runtime_begin, argent_x86_64_runtime_end),
            between(argent_x86_64_cuda_begin, argent_x86_64_cuda_end),
            between(argent_x86_64_program_begin, argent_x86_64_program_end),
            between(argent_x86_64_libc_begin, argent_x86_64_libc_end),
            between(argent_x86_64_libm_begin, argent_x86_64_libm_end)};
  }
#endif
#if ARGENT_EMBED_AARCH64
  if (target.architecture == Architecture::aarch64) {
    return {between(argent_aarch64_runtime_begin, argent_aarch64_runtime_end),
            between(argent_aarch64_cuda_begin, argent_aarch64_cuda_end),
            between(argent_aarch64_program_begin, argent_aarch64_program_end),
            between(argent_aarch64_libc_begin, argent_aarch64_libc_end),
            between(argent_aarch64_libm_begin, argent_aarch64_libm_end)};
  }
#endif
  throw CompileError(
      fmt::format("this build of Argent has no runtime for {} and cannot link for it", target.name))
      .help("install that architecture's g++ and build Argent again");
}

std::string_view abi_header() { return between(argent_abi_header_begin, argent_abi_header_end); }

}  // namespace ag
