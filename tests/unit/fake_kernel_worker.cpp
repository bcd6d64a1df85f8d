// A worker without Halide: the request's symbol says what happens to the kernel.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <vector>

#include "codegen/kernel/worker.h"
#include "ir/diagnostics.h"

namespace {

int compiled_before = 0;

ag::KernelResult object_of(const ag::KernelRequest& request) {
  ag::KernelResult result;
  // Would differ from run to run if a child saw its predecessors.
  result.object = fmt::format("{} on {} after {}", request.text, request.target, compiled_before++);
  result.scratch_bytes = 4096;
  return result;
}

ag::KernelResult crash(const ag::KernelRequest&) {
  std::fputs("about to fall\n", stderr);
  std::abort();
}

ag::KernelResult hang(const ag::KernelRequest&) {
  for (;;) pause();
}

ag::KernelResult eat_memory(const ag::KernelRequest&) {
  std::vector<std::vector<char>> eaten;
  for (;;) eaten.emplace_back(1 << 24, 'x');
}

ag::KernelResult reject(const ag::KernelRequest&) {
  throw std::runtime_error("tile 7 does not divide 30");
}

// The process that was forked, and the one that forks: neither answers.
ag::KernelResult kill_worker(const ag::KernelRequest&) {
  kill(getppid(), SIGKILL);
  return {};
}

ag::KernelResult compile(const ag::KernelRequest& request) {
  static const std::map<std::string, ag::KernelResult (*)(const ag::KernelRequest&)> behaviours = {
      {"crash", crash},
      {"hang", hang},
      {"eat_memory", eat_memory},
      {"reject", reject},
      {"kill_worker", kill_worker}};
  const auto found = behaviours.find(request.symbol);
  return found == behaviours.end() ? object_of(request) : found->second(request);
}

}  // namespace

int main(int argc, char** argv) {
  return ag::worker_main(
      argc, argv, [](std::string_view) {}, compile);
}
