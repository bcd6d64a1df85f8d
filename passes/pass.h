// Passes: pure functions from graph to graph, listed in one table and run by name.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace ag {

// A parameter a pass accepts in a pipeline text.
struct PassParameter {
  std::string_view name;
  std::string_view summary;
};

// Parameters given to one pass: "grad{of=loss,with_respect_to=[conv1.weight,fc.bias]}".
class PassOptions {
 public:
  void set(std::string name, std::vector<std::string> values) {
    values_[std::move(name)] = std::move(values);
  }
  bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  // One word, or the default when it is not given. CompileError when a list is given.
  std::string text(std::string_view name, std::string_view otherwise) const;
  int64_t integer(std::string_view name, int64_t otherwise) const;
  bool flag(std::string_view name, bool otherwise) const;
  // All words; empty when it is not given.
  std::vector<std::string> list(std::string_view name) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

struct Pass {
  std::string_view name;
  std::string_view summary;
  Graph (*run)(const Graph& graph, const PassOptions& options);
  std::span<const PassParameter> parameters = {};
  // Whether outputs keep their names and values, so that they can be compared before and after.
  bool keeps_outputs = true;
};

// The table of the passes in this folder (passes/all_passes.cpp). compiler_passes() of
// codegen/compile.h has those that know targets, too.
std::span<const Pass> all_passes();

// What the compiler runs before layouts are chosen; "default" in a pipeline text stands for it.
inline constexpr std::string_view kDefaultPipeline =
    "simplify,fold_batch_norm,fast_variance,expand,strip_stop_gradient,join_convolutions,simplify,"
    "split_taps,scale_weights,cse,dce,fuse";

struct PassCall {
  const Pass* pass = nullptr;
  PassOptions options;
};

// "simplify,grad{of=loss},cse", passes of a table that outlives the result. Throws CompileError
// naming the column, for an unknown pass or parameter with the nearest name and the list.
std::vector<PassCall> parse_pipeline(std::string_view text,
                                     std::span<const Pass> passes = all_passes());

struct PipelineOptions {
  // Types are inferred again after each pass and compared (passes/check.h).
#ifdef NDEBUG
  bool check_invariants = false;
#else
  bool check_invariants = true;
#endif
  // The interpreter runs before and after each pass that keeps outputs, and outputs are compared.
  bool check_semantics = false;
  // Called after each pass with its place in the pipeline and the seconds it took.
  std::function<void(int index, const PassCall&, const Graph& after, double seconds)> after_each;
};

Graph run_pipeline(const Graph& graph, std::span<const PassCall> pipeline,
                   const PipelineOptions& options = {});

}  // namespace ag
