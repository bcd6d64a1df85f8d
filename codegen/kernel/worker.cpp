#include "codegen/kernel/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "ir/diagnostics.h"
#include "ir/internal_error.h"

namespace ag {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1, write_end = -1;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) internal_error("argent-kc: no pipe: {}", std::strerror(errno));
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close_read();
    close_write();
  }
  void close_read() { close_end(read_end); }
  void close_write() { close_end(write_end); }

  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Sanitizers reserve terabytes of address space: no limit can be set under them.
void limit_address_space(int64_t) {}
#else
// Allows `bytes` more than the process has already.
void limit_address_space(int64_t bytes) {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  file >> pages;
  const auto most = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + bytes);
  const rlimit limit{most, most};
  setrlimit(RLIMIT_AS, &limit);
}
#endif

void write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) _exit(2);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

[[noreturn]] void run_child(const KernelRequest& request, const WorkerLimits& limits,
                            const CompileFunction& compile, const Pipe& answer,
                            const Pipe& errors) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(errors.write_end, STDERR_FILENO);
  limit_address_space(limits.memory_bytes);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  write_all(answer.write_end, serialize(run_compile_function(compile, request)));
  _exit(0);  // no destructors, no atexit: the parent's state is not ours to tear down
}

struct Gathered {
  std::string answer, errors;
  bool timed_out = false;
  bool host_gone = false;
};

// Appends what is there; false at the end of the stream.
bool drain(int file, std::string& into) {
  char bytes[65536];
  const ssize_t size = read(file, bytes, sizeof bytes);
  if (size < 0 && errno == EINTR) return true;
  if (size <= 0) return false;
  into.append(bytes, static_cast<size_t>(size));
  return true;
}

Gathered gather(const Pipe& answer, const Pipe& errors, int socket, Clock::time_point deadline) {
  Gathered gathered;
  pollfd watched[3] = {{answer.read_end, POLLIN, 0}, {errors.read_end, POLLIN, 0}, {socket, 0, 0}};
  while (watched[0].fd >= 0 || watched[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) {
      gathered.timed_out = true;
      return gathered;
    }
    if (poll(watched, 3, static_cast<int>(left.count()) + 1) < 0 && errno != EINTR) return gathered;
    if (watched[2].revents) {
      gathered.host_gone = true;
      return gathered;
    }
    if (watched[0].revents && !drain(watched[0].fd, gathered.answer)) watched[0].fd = -1;
    if (watched[1].revents && !drain(watched[1].fd, gathered.errors)) watched[1].fd = -1;
  }
  return gathered;
}

// The last lines of what the child wrote to stderr.
std::string tail(const std::string& text) {
  constexpr size_t kMost = 2000;
  std::string last = text.size() > kMost ? "…" + text.substr(text.size() - kMost) : text;
  while (!last.empty() && last.back() == '\n') last.pop_back();
  return last.empty() ? "" : "\n" + last;
}

KernelOutcome judge(const Gathered& gathered, int wait_status, const WorkerLimits& limits) {
  if (gathered.timed_out) {
    return {KernelStatus::timed_out,
            fmt::format("stopped after {:g} s{}", limits.seconds, tail(gathered.errors)),
            {}};
  }
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) {
    if (auto outcome = parse_kernel_outcome(gathered.answer)) return std::move(*outcome);
  }
  const bool memory = gathered.errors.find("bad_alloc") != std::string::npos ||
                      gathered.errors.find("out of memory") != std::string::npos;
  if (memory) {
    return {KernelStatus::out_of_memory,
            fmt::format("more than {} MiB{}", limits.memory_bytes >> 20, tail(gathered.errors)),
            {}};
  }
  const std::string how =
      WIFSIGNALED(wait_status)
          ? fmt::format("signal {} ({})", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)))
          : fmt::format("exit code {}", WEXITSTATUS(wait_status));
  return {KernelStatus::crashed, how + tail(gathered.errors), {}};
}

KernelOutcome compile_in_child(const KernelRequest& request, int socket, const WorkerLimits& limits,
                               const CompileFunction& compile) {
  Pipe answer, errors;
  const pid_t child = fork();
  if (child < 0) {
    return {KernelStatus::out_of_memory, fmt::format("fork: {}", std::strerror(errno)), {}};
  }
  if (child == 0) run_child(request, limits, compile, answer, errors);
  answer.close_write();
  errors.close_write();
  const auto budget = std::chrono::duration<double>(limits.seconds);
  const Gathered gathered = gather(
      answer, errors, socket, Clock::now() + std::chrono::duration_cast<Clock::duration>(budget));
  if (gathered.timed_out || gathered.host_gone) kill(child, SIGKILL);
  int wait_status = 0;
  while (waitpid(child, &wait_status, 0) < 0 && errno == EINTR) {
  }
  return judge(gathered, wait_status, limits);
}

}  // namespace

void serve_kernels(int socket, const WorkerLimits& limits, const CompileFunction& compile) {
  std::string bytes;
  while (read_frame(socket, bytes)) {
    const std::optional<KernelRequest> request = parse_kernel_request(bytes);
    const KernelOutcome outcome =
        request ? compile_in_child(*request, socket, limits, compile)
                : KernelOutcome{KernelStatus::rejected,
                                "argent-kc is of another version than the program that asks",
                                {}};
    if (!write_frame(socket, serialize(outcome))) return;
  }
}

int worker_main(int argc, char** argv, const std::function<void(std::string_view target)>& warm_up,
                const CompileFunction& compile) {
  if (argc != 4 || fcntl(kWorkerSocket, F_GETFD) < 0) {
    fmt::print(stderr, "{} compiles kernels for Argent, which starts it; it has no use by hand\n",
               argc > 0 ? argv[0] : "argent-kc");
    return 1;
  }
  WorkerLimits limits;
  limits.seconds = std::strtod(argv[1], nullptr);
  limits.memory_bytes = std::strtoll(argv[2], nullptr, 10);
  warm_up(argv[3]);
  serve_kernels(kWorkerSocket, limits, compile);
  return 0;
}

}  // namespace ag
