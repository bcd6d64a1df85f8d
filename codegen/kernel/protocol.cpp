#include "codegen/kernel/protocol.h"

#include <sys/socket.h>

#include <cerrno>

#include "codegen/kernel/byte_stream.h"

namespace ag {
namespace {

constexpr int64_t kMaximumFrame = int64_t{1} << 30;

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool receive_all(int socket, char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t received = recv(socket, bytes, size, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return false;
    bytes += received;
    size -= static_cast<size_t>(received);
  }
  return true;
}

}  // namespace

std::string serialize(const KernelOutcome& outcome) {
  ByteWriter out;
  out.integer(static_cast<int64_t>(outcome.status)).text(outcome.message);
  out.text(serialize(outcome.result));
  return out.take();
}

std::optional<KernelOutcome> parse_kernel_outcome(std::string_view bytes) {
  ByteReader in(bytes);
  const int64_t status = in.integer();
  KernelOutcome outcome{static_cast<KernelStatus>(status), in.text(), {}};
  std::optional<KernelResult> result = parse_kernel_result(in.text());
  if (!in.at_end() || !result || status < 0 || status >= kKernelStatusCount) return std::nullopt;
  outcome.result = std::move(*result);
  return outcome;
}

bool write_frame(int socket, std::string_view bytes) {
  ByteWriter head;
  head.integer(static_cast<int64_t>(bytes.size()));
  return send_all(socket, head.take()) && send_all(socket, bytes);
}

bool read_frame(int socket, std::string& bytes) {
  char head[8];
  if (!receive_all(socket, head, sizeof head)) return false;
  const int64_t size = ByteReader({head, sizeof head}).integer();
  if (size < 0 || size > kMaximumFrame) return false;
  bytes.resize(static_cast<size_t>(size));
  return receive_all(socket, bytes.data(), bytes.size());
}

}  // namespace ag
