// NumPy's .npz: a zip archive of .npy entries, stored or deflated.
#pragma once

#include <string>

#include "frontend/weights/strided.h"
#include "frontend/weights/weight_map.h"

namespace ag {

class ZipArchive;

// Entry "conv1.weight.npy" is named "conv1.weight".
WeightMap parse_npz(std::span<const std::byte> bytes, const std::string& name,
                    ExpansionLimit limit = {});
WeightMap parse_npz(const ZipArchive& archive, const std::string& name);

// Stored, readable by numpy.load.
std::vector<std::byte> npz_bytes(const WeightMap& weights);

}  // namespace ag
