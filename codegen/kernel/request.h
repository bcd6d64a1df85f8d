// What a kernel compiler is asked for and what it answers. A request is self-contained text and
// numbers: it crosses a pipe to a worker process, and its hash addresses the on-disk cache.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/type.h"

namespace ag {

// How a planned buffer stores a tensor. Halos and strides are the buffer's, never the type's.
struct BufferForm {
  // Elements that exist before and after the tensor along one logical axis and hold zero.
  struct Halo {
    int64_t low = 0, high = 0;
    bool operator==(const Halo&) const = default;
  };

  TensorType type;
  std::vector<Halo> halo;        // one per logical axis, or empty: no halo
  std::vector<int64_t> strides;  // elements, per physical dimension, outermost first, or empty:
                                 // dense over the extents with their halos
  bool aligned = false;          // element (0, …, 0) is known to lie at a multiple of 16 bytes

  bool operator==(const BufferForm&) const = default;
};

struct KernelRequest {
  std::string symbol;                // name of the function in the object
  std::string text;                  // canonical .ag text of the kernel's body graph
  std::vector<BufferForm> operands;  // in the order of the function's parameters
  std::vector<BufferForm> results;   // behind the operands
  std::vector<int64_t> in_place;     // per result: the operand whose buffer it overwrites, or -1;
                                     // empty: none
  std::string schedule;              // canonical text of the schedule's name and parameters
  std::string target;                // one of our spelled-out levels, e.g. "x86-64-v4"
  bool explain = false;              // ask for the loop nest's text, too

  bool operator==(const KernelRequest&) const = default;
};

// What a device kernel is given: the memory of a parameter of the KernelRequest's function, of
// scratch, or of constants, from a byte on.
struct LaunchArgument {
  enum class Memory : uint8_t { parameter, scratch, constants };
  Memory memory = Memory::parameter;
  int64_t where = 0;  // index of the parameter, else byte offset

  bool operator==(const LaunchArgument&) const = default;
};

// One launch of a device kernel: everything is known when it is compiled.
struct KernelLaunch {
  std::string entry;             // in KernelResult::ptx
  std::vector<int64_t> blocks;   // x, y, z
  std::vector<int64_t> threads;  // of a block: x, y, z
  int64_t shared_bytes = 0;      // dynamic shared memory of a block
  std::vector<LaunchArgument> arguments;

  bool operator==(const KernelLaunch&) const = default;
};

struct KernelResult {
  std::string object;         // relocatable object file; empty for CUDA
  int64_t scratch_bytes = 0;  // most memory one call takes from the arena for its temporaries
  double lowering_ms = 0;     // Halide: algorithm and schedule to statements
  double llvm_ms = 0;         // LLVM: statements to the object
  std::string loop_nest;      // when explained
  // For CUDA, in place of the object: a module in text and its launches, one after another.
  std::string ptx;
  std::vector<KernelLaunch> launches;
  std::string constants;  // bytes that the launches read
};

// Canonical bytes: equal requests give equal bytes and the other way round.
std::string serialize(const KernelRequest& request);
std::string serialize(const KernelResult& result);
// Empty when the bytes are not a whole request or result.
std::optional<KernelRequest> parse_kernel_request(std::string_view bytes);
std::optional<KernelResult> parse_kernel_result(std::string_view bytes);

// 32 hexadecimal digits of XXH3-128 over `bytes`. XXH3 because it is small, well kept, in every
// distribution and runs at memory speed; a cache in the user's own directory needs no
// cryptographic hash, and 128 bits make an accidental collision of n entries n²/2^129 likely.
std::string content_hash(std::string_view bytes);

// Address of the request's result: content_hash over the request, the versions of Argent and Halide
// and the identity of the compiler (see KernelCompiler::identity) that would compile it.
std::string cache_key(const KernelRequest& request, std::string_view compiler_identity);

}  // namespace ag
