// What passes between the host and its argent-kc processes: frames on a stream socket, one request
// one way, one answer the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codegen/kernel/request.h"

namespace ag {

enum class KernelStatus { ok, rejected, crashed, timed_out, out_of_memory };
inline constexpr int kKernelStatusCount = 5;

// What became of one request. `message` says what went wrong when status is not ok.
struct KernelOutcome {
  KernelStatus status = KernelStatus::ok;
  std::string message;
  KernelResult result;
};

std::string serialize(const KernelOutcome& outcome);
std::optional<KernelOutcome> parse_kernel_outcome(std::string_view bytes);

// A frame is its length (8 bytes, little-endian) and its bytes. False when the other side is gone
// or talks nonsense; never raises SIGPIPE.
bool write_frame(int socket, std::string_view bytes);
bool read_frame(int socket, std::string& bytes);

}  // namespace ag
