// Weights in files: which format a file has, and the same call for all of them.
#pragma once

#include <string>
#include <string_view>

#include "frontend/weights/strided.h"
#include "frontend/weights/weight_map.h"

namespace ag {

struct LoadWeights {
  // Taken off the names when all of them begin with it: what PyTorch's DataParallel puts in front.
  // Empty keeps the names as they are.
  std::string strip_prefix = "module.";
  ExpansionLimit limit;
};

// Tensors of a checkpoint that belong to the training run and not to the network are named so.
inline constexpr std::string_view kTrainingPrefix = "argent.training.";

// Reads .safetensors, .npz, .npy (one tensor, named after the file) and PyTorch's .pt, .pth, .th,
// told apart by their content, not by the name. Of a checkpoint of ours, the network's tensors.
// Throws CompileError when the file cannot be read, is of no known format, or is damaged.
WeightMap load_weights(const std::string& path, const LoadWeights& options = {});
WeightMap parse_weights(std::span<const std::byte> bytes, const std::string& name,
                        const LoadWeights& options = {});

// Writes .safetensors, .npz, or .npy (exactly one tensor), told apart by the name's ending. The
// file is whole or absent.
void save_weights(const std::string& path, const WeightMap& weights);

// Says before long work that save_weights() of this many tensors has no format for the name. Throws
// CompileError.
void check_weights_file(const std::string& path, size_t tensors);

}  // namespace ag
