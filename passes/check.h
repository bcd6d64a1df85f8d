// What must hold after every pass.
#pragma once

#include <string_view>

#include "ir/interpret.h"

namespace ag {

// Operands come before users, the shape rules give the recorded types, outputs and updates fit.
// Throws InternalError naming the pass and the node.
void check_invariants(const Graph& graph, std::string_view pass);

// Runs the interpreter on both graphs with the same sample values and compares the outputs of
// `before` by name: floats within 1e-5 of the output's largest element, integers exactly. Throws
// InternalError naming the pass and the first output that differs, with both values; CompileError
// when the graph is too large for the interpreter.
void check_semantics(const Graph& before, const Graph& after, std::string_view pass);

// Deterministic values for all leaves: floats of both signs within (-1.5, 1.5) (state is positive,
// as variances are), integers 0 or 1, so that they are valid labels.
Bindings sample_bindings(const Graph& graph, int seed = 1);

// Name and description of the first of `expected`'s outputs that `found` lacks or has otherwise;
// empty when there is none. The two lists belong to the graphs' outputs.
std::string first_difference(const Graph& before, std::span<const ReferenceTensor> expected,
                             const Graph& after, std::span<const ReferenceTensor> found);

// Multiply-adds and other operations of one interpreter run.
int64_t operation_count(const Graph& graph);

}  // namespace ag
