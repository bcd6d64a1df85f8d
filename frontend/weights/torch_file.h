// PyTorch's .pt, .pth and .th files: a pickle and raw storages, in a zip archive (since 1.6) or one
// after the other (before). Nothing in the pickle is executed.
#pragma once

#include <string>

#include "frontend/weights/strided.h"
#include "frontend/weights/weight_map.h"

namespace ag {

class ZipArchive;

// The tensors of the file, made contiguous. A state dict gives its names. In a checkpoint (a dict
// around it) the dict under "state_dict", "model_state_dict" or "model" is taken where there is
// one; otherwise nested dicts are joined by dots ("encoder.weight"). What is not a tensor is left
// out. Throws CompileError opening with `name`.
WeightMap parse_torch_zip(const ZipArchive& archive, const std::string& name, uint64_t allowed);
WeightMap parse_torch_zip(std::span<const std::byte> bytes, const std::string& name,
                          ExpansionLimit limit = {});
WeightMap parse_torch_legacy(std::span<const std::byte> bytes, const std::string& name,
                             ExpansionLimit limit = {});

// Whether the bytes open as a file of torch.save before 1.6 does.
bool is_torch_legacy(std::span<const std::byte> bytes);

}  // namespace ag
