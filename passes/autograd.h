// Reverse-mode differentiation.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/tensor.h"

namespace ag {

// Appends the backward computation of `loss` to its graph and returns d loss / d wrt[i], each of
// the type of wrt[i]; zeros where the loss does not depend on it. `loss` has one element. Only
// nodes on a path from a wanted value to the loss are differentiated. Gradients are ordinary nodes,
// located where their forward node is, so the result can be differentiated again.
//
// Throws CompileError when the loss has several elements or is no float, when a wanted value is no
// float, and when a path leads through an op without gradient.
std::vector<Tensor> gradients(Tensor loss, std::span<const Tensor> wrt);

struct GradOptions {
  std::string of = "loss";                   // the output to differentiate
  std::vector<std::string> with_respect_to;  // leaves; empty: all parameters of float type
  std::string prefix = "grad.";              // of the new outputs' names
};

// The graph with an output "grad.NAME" more for every leaf NAME of `with_respect_to`.
Graph grad(const Graph& graph, const GradOptions& options = {});

}  // namespace ag
