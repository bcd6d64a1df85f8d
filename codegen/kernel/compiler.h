// The door to kernel compilation: worker processes stand behind it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/kernel/protocol.h"
#include "codegen/kernel/request.h"

namespace ag {

class DiskCache;

// Compiles one kernel in the calling process: codegen/lower and codegen/schedule provide it, and
// only programs that link Halide can name it. Reports a bad kernel by throwing a std::exception.
using CompileFunction = std::function<KernelResult(const KernelRequest&)>;

class KernelCompiler {
 public:
  using Take = std::function<void(size_t request, KernelOutcome outcome)>;

  virtual ~KernelCompiler() = default;

  // Gives `take` the outcome of each request when it is there, in any order, on the calling thread.
  // Never throws for a kernel that does not compile.
  virtual void compile(std::span<const KernelRequest> requests, const Take& take) = 0;

  // One outcome per request, in order.
  std::vector<KernelOutcome> compile_each(std::span<const KernelRequest> requests);

  // Changes whenever another build of the compiler could give other objects; part of cache keys.
  virtual std::string identity() = 0;
};

// What `compile` runs; turns exceptions into outcomes.
KernelOutcome run_compile_function(const CompileFunction& compile, const KernelRequest& request);

struct CompileStatistics {
  int requested = 0;  // requests in the batch
  int distinct = 0;   // after deduplication
  int cached = 0;     // of the distinct ones, found on disk
  double milliseconds = 0;
};

// Results in request order; equal requests are compiled once, and those in the cache not at all.
// `cache` may be null. Throws CompileError for the first kernel that fails, naming it and the file
// its .ag text was saved to.
std::vector<KernelResult> compile_all(std::span<const KernelRequest> requests,
                                      KernelCompiler& compiler, DiskCache* cache,
                                      CompileStatistics* statistics = nullptr);

}  // namespace ag
