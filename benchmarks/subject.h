// What a benchmark measures: a network's inference or training step, compiled in memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "frontend/model.h"

namespace ag {

struct Subject {
  std::string network;  // NETWORK[@EXTENT]: a name of the zoo; EXTENT is that of the input's
                        // spatial axes in the place of the zoo's
  int64_t batch = 1;
  bool trains = false;  // forward, backward and SGD with momentum, as one function
};

// Of a command line; throws CompileError, which says what `text` should have been.
int64_t positive_integer(std::string_view what, std::string_view text);
double positive_number(std::string_view what, std::string_view text);

// Throws CompileError for a name the zoo does not have.
Model model_of(const Subject& subject);
// With parameters drawn from a seed.
CompiledProgram compile_subject(const Subject& subject, const LoweringOptions& lowering);
// The same without kernels and values.
plan::ProgramPlan plan_subject(const Subject& subject, const LoweringOptions& lowering);
// Smooth values in place of images, classes in turn in place of labels, 0.01 for the learning rate.
std::vector<Array> example_inputs(const Subject& subject, const plan::Program& program);
double milliseconds(ProgramInstance& instance, const std::vector<Array>& inputs);

}  // namespace ag
