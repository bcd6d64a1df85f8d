// The bytes of a compiled network depend on the network alone: not on what was compiled before, nor
// on the number of workers. Real kernels, through real worker processes.
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "codegen/compile.h"
#include "codegen/kernel/worker_pool.h"
#include "codegen/link/emit.h"
#include "frontend/init/draw.h"
#include "frontend/weights/weight_map.h"
#include "frontend/zoo/zoo.h"
#include "train/training_step.h"

using namespace ag;

namespace {

// Counts what it is asked for, and may hand it on in another order.
class Recorder : public KernelCompiler {
 public:
  Recorder(int workers, bool backwards) : pool_({.workers = workers}), backwards_(backwards) {}

  void compile(std::span<const KernelRequest> requests, const Take& take) override {
    asked_ = requests.size();
    if (!backwards_) return pool_.compile(requests, take);
    const std::vector<KernelRequest> ordered(requests.rbegin(), requests.rend());
    pool_.compile(ordered, [&](size_t i, KernelOutcome outcome) {
      take(asked_ - 1 - i, std::move(outcome));
    });
  }
  std::string identity() override { return pool_.identity(); }
  size_t asked() const { return asked_; }

 private:
  WorkerPool pool_;
  bool backwards_;
  size_t asked_ = 0;
};

// A training step: convolutions forward and backward, pooling, row and column sums, updates.
CompiledProgram compiled_step(KernelCompiler& compiler) {
  const TrainingStep step = training_step(zoo_model("lenet5", 2), {});
  WeightMap weights;
  for (const Parameter& parameter : step.parameters)
    weights.emplace(parameter.name, draw(parameter, 1));
  const ProgramEntry entry{"train_step", step.graph};
  return compile_graphs("step", {&entry, 1}, weights, {.compiler = &compiler, .use_cache = false});
}

}  // namespace

TEST_CASE("objects and libraries are the same in any order and with any number of workers") {
  struct Way {
    int workers;
    bool backwards;
  };
  std::optional<CompiledProgram> first;
  std::string library;
  for (const Way& way : {Way{1, false}, Way{1, true}, Way{2, false}, Way{2, true}}) {
    CAPTURE(way.workers);
    CAPTURE(way.backwards);
    Recorder compiler(way.workers, way.backwards);
    CompiledProgram compiled = compiled_step(compiler);
    REQUIRE(compiler.asked() > 10);
    std::string bytes = emit(compiled.program, EmitKind::shared_library, "step.so");
    if (!first) {
      first = std::move(compiled);
      library = std::move(bytes);
      continue;
    }
    REQUIRE(compiled.program.kernels.size() == first->program.kernels.size());
    for (const auto& [symbol, object] : first->program.kernels) {
      CAPTURE(symbol);
      REQUIRE(compiled.program.kernels.count(symbol));
      CHECK(*compiled.program.kernels.at(symbol) == *object);
    }
    CHECK(bytes == library);
  }
}
