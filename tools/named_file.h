// "x.npy" and "name=x.npy" on the command line: files for the tensors of a compiled network.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/argent_abi.h"

namespace ag {

// "x.npy" of both.
std::string file_in(const std::string& word);

// The file of each tensor, in their order; empty for a tensor without one. Words without a name
// take the tensors that are left, in order. `what` ("input") opens the messages. Throws
// CompileError for a name that none of the tensors has, or too many words.
std::vector<std::string> files_of(std::span<const argent_tensor_info* const> tensors,
                                  std::span<const std::string> words, const std::string& what);

// "image (f32[1,1,28,28]), mask (…)".
std::string listed(std::span<const argent_tensor_info* const> tensors);

}  // namespace ag
