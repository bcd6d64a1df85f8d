// The safetensors format: a JSON header, then the tensors' bytes.
// https://github.com/huggingface/safetensors
#pragma once

#include <map>
#include <string>
#include <vector>

#include "frontend/weights/weight_map.h"

namespace ag {

struct Safetensors {
  WeightMap tensors;
  std::map<std::string, std::string> metadata;  // the header's __metadata__
};

// Throws CompileError opening with `name` unless the bytes are a well-formed file: header at most
// 100 MB, flat and without repeated names, every tensor's bytes exactly its own, none left over.
Safetensors parse_safetensors(std::span<const std::byte> bytes, const std::string& name);
Safetensors read_safetensors(const std::string& path);

// Tensors in the order of falling element size, then name, so that each is aligned.
void write_safetensors(const std::string& path, const WeightMap& tensors,
                       const std::map<std::string, std::string>& metadata = {});
std::vector<std::byte> safetensors_bytes(const WeightMap& tensors,
                                         const std::map<std::string, std::string>& metadata = {});

}  // namespace ag
