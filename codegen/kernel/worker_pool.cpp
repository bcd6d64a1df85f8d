#include "codegen/kernel/worker_pool.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "codegen/target.h"
#include "ir/diagnostics.h"
#include "ir/file.h"
#include "ir/internal_error.h"

extern char** environ;

namespace ag {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

// A worker enforces the limit itself; one that is this much late is stuck.
constexpr std::chrono::seconds kGrace{5};

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
}

TargetFamily family_of(const KernelRequest& request) {
  for (const Target& target : known_targets())
    if (target.name == request.target) return target.family;
  return TargetFamily::cpu;
}

// Folders of the object that holds this code and of the running program.
std::vector<fs::path> own_folders() {
  std::vector<fs::path> folders;
  std::error_code error;
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&find_kernel_compiler), &info) && info.dli_fname) {
    const fs::path path = fs::canonical(info.dli_fname, error);
    if (!error) folders.push_back(path.parent_path());
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path());
  return folders;
}

}  // namespace

fs::path find_kernel_compiler() {
  if (const char* named = std::getenv("ARGENT_KC")) {
    if (access(named, X_OK) == 0) return named;
    throw CompileError(fmt::format("ARGENT_KC names {}, which cannot be executed", named))
        .help("unset it, or let it name the argent-kc program");
  }
  std::string tried;
  for (const fs::path& folder : own_folders()) {
    for (const char* place : {"argent-kc", "../argent-kc", "../libexec/argent/argent-kc"}) {
      const fs::path path = (folder / place).lexically_normal();
      if (access(path.c_str(), X_OK) == 0) return path;
      tried += "\n  " + path.string();
    }
  }
  throw CompileError("the kernel compiler argent-kc is not installed; looked for" + tried)
      .help("set ARGENT_KC to the argent-kc program of your Argent installation");
}

struct WorkerPool::Worker {
  pid_t process = -1;
  int socket = -1;
  TargetFamily family = TargetFamily::cpu;  // that it is warm for
  ptrdiff_t request = -1;                   // index in the batch; -1: idle
  Clock::time_point deadline;
};

struct WorkerPool::Batch {
  std::span<const KernelRequest> requests;
  const Take& take;
  size_t next = 0;
  size_t finished = 0;

  void finish(ptrdiff_t request, KernelOutcome outcome) {
    ++finished;
    take(static_cast<size_t>(request), std::move(outcome));
  }
};

WorkerPool::WorkerPool(WorkerPoolOptions options) : options_(std::move(options)) {
  if (options_.workers <= 0) options_.workers = usable_cores();
}

WorkerPool::~WorkerPool() {
  for (Worker& worker : workers_) stop(worker, false);
}

WorkerPool& WorkerPool::shared() {
  static WorkerPool pool;
  return pool;
}

std::string WorkerPool::identity() {
  const std::lock_guard lock(mutex_);
  if (options_.program.empty()) options_.program = find_kernel_compiler();
  if (!identity_.empty()) return identity_;
  const std::vector<std::byte> bytes = read_file(options_.program.string());
  return identity_ = content_hash({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void WorkerPool::start(Worker& worker, const std::string& target) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    internal_error("no socket for a kernel compiler: {}", std::strerror(errno));
  }
  std::string program = options_.program.string();
  std::string seconds = fmt::format("{}", options_.limits.seconds);
  std::string memory = fmt::format("{}", options_.limits.memory_bytes);
  std::string warm_for = target;
  char* argv[] = {program.data(), seconds.data(), memory.data(), warm_for.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], kWorkerSocket);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  const int error = posix_spawn(&worker.process, program.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  worker.socket = ends[0];
  if (error == 0) return;
  close(worker.socket);
  worker = Worker{};
  throw CompileError(
      fmt::format("cannot start the kernel compiler {}: {}", program, std::strerror(error)))
      .help("set ARGENT_KC to the argent-kc program of your Argent installation");
}

void WorkerPool::stop(Worker& worker, bool at_once) {
  if (worker.process < 0) return;
  if (at_once) kill(worker.process, SIGKILL);
  close(worker.socket);
  while (waitpid(worker.process, nullptr, 0) < 0 && errno == EINTR) {
  }
  worker = Worker{};
}

void WorkerPool::give_next(Worker& worker, Batch& batch) {
  if (batch.next == batch.requests.size()) return;
  const KernelRequest& next = batch.requests[batch.next];
  const TargetFamily family = family_of(next);
  if (worker.family != family) stop(worker, false);
  if (worker.process < 0) start(worker, next.target);
  worker.family = family;
  worker.request = static_cast<ptrdiff_t>(batch.next++);
  const auto budget = std::chrono::duration<double>(options_.limits.seconds);
  worker.deadline = Clock::now() + kGrace + std::chrono::duration_cast<Clock::duration>(budget);
  // A worker that is already gone shows as the end of its stream when the answer is awaited.
  write_frame(worker.socket, serialize(batch.requests[worker.request]));
}

void WorkerPool::give_up(Worker& worker, Batch& batch, KernelOutcome outcome) {
  batch.finish(worker.request, std::move(outcome));
  stop(worker, true);
}

void WorkerPool::take_answer(Worker& worker, Batch& batch) {
  std::string bytes;
  std::optional<KernelOutcome> outcome;
  if (read_frame(worker.socket, bytes)) outcome = parse_kernel_outcome(bytes);
  if (!outcome) {
    return give_up(
        worker, batch,
        {KernelStatus::crashed, options_.program.string() + " ended without an answer", {}});
  }
  batch.finish(worker.request, std::move(*outcome));
  worker.request = -1;
}

// Waits for the next answer or the next deadline and deals with what happened.
void WorkerPool::wait(Batch& batch) {
  std::vector<pollfd> watched;
  std::vector<Worker*> busy;
  Clock::time_point first = Clock::time_point::max();
  for (Worker& worker : workers_) {
    if (worker.request < 0) continue;
    watched.push_back({worker.socket, POLLIN, 0});
    busy.push_back(&worker);
    first = std::min(first, worker.deadline);
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(first - Clock::now());
  const int milliseconds = static_cast<int>(std::max<int64_t>(left.count(), 0)) + 1;
  if (poll(watched.data(), watched.size(), milliseconds) < 0) {
    if (errno == EINTR) return;
    internal_error("waiting for kernel compilers: {}", std::strerror(errno));
  }
  for (size_t i = 0; i < busy.size(); ++i) {
    if (watched[i].revents) {
      take_answer(*busy[i], batch);
    } else if (Clock::now() > busy[i]->deadline) {
      give_up(*busy[i], batch,
              {KernelStatus::timed_out,
               fmt::format("no answer after {:g} s", options_.limits.seconds),
               {}});
    }
  }
}

void WorkerPool::compile(std::span<const KernelRequest> requests, const Take& take) {
  const std::lock_guard lock(mutex_);
  if (options_.program.empty()) options_.program = find_kernel_compiler();
  const size_t wanted = std::min(requests.size(), static_cast<size_t>(options_.workers));
  if (workers_.size() < wanted) workers_.resize(wanted);
  Batch batch{requests, take};
  try {
    while (batch.finished < requests.size()) {
      for (Worker& worker : workers_) {
        if (worker.request < 0) give_next(worker, batch);
      }
      wait(batch);
    }
  } catch (...) {
    for (Worker& worker : workers_) stop(worker, true);  // none may answer into the next batch
    throw;
  }
}

}  // namespace ag
