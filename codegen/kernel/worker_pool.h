// Kernel compilation on all cores in argent-kc processes. A crash, hang or memory blow-up there is
// one failed kernel here; the object bytes do not depend on order or on the number of workers.
#pragma once

#include <filesystem>
#include <mutex>

#include "codegen/kernel/compiler.h"
#include "codegen/kernel/worker.h"

namespace ag {

struct WorkerPoolOptions {
  std::filesystem::path program;  // empty: find_kernel_compiler()
  int workers = 0;                // 0: one per core this process may use
  WorkerLimits limits;
};

// $ARGENT_KC, else argent-kc beside this library or executable, one folder up, or in
// ../libexec/argent. Throws CompileError with the places looked at.
std::filesystem::path find_kernel_compiler();

// Workers start when the first batch needs them and stay until the pool is destroyed, or a batch
// for another family of targets comes: a worker is warmed up for one. Any number of threads may use
// one pool; their batches run one after another.
class WorkerPool : public KernelCompiler {
 public:
  explicit WorkerPool(WorkerPoolOptions options = {});
  ~WorkerPool() override;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void compile(std::span<const KernelRequest> requests, const Take& take) override;
  // Hash of the worker program's bytes.
  std::string identity() override;

  int workers() const { return options_.workers; }
  // The pool of this process, with default options.
  static WorkerPool& shared();

 private:
  struct Worker;
  struct Batch;

  void start(Worker& worker, const std::string& target);
  void stop(Worker& worker, bool at_once);
  void give_next(Worker& worker, Batch& batch);
  void take_answer(Worker& worker, Batch& batch);
  void give_up(Worker& worker, Batch& batch, KernelOutcome outcome);
  void wait(Batch& batch);

  WorkerPoolOptions options_;
  std::mutex mutex_;
  std::string identity_;
  std::vector<Worker> workers_;
};

}  // namespace ag
