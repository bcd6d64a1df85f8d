#include "frontend/weights/npz.h"

#include <fmt/format.h>

#include "frontend/weights/npy.h"
#include "frontend/weights/zip_archive.h"

namespace ag {

constexpr std::string_view kSuffix = ".npy";

WeightMap parse_npz(const ZipArchive& archive, const std::string& name) {
  WeightMap weights;
  for (const ZipArchive::Entry& entry : archive.entries()) {
    if (!entry.name.ends_with(kSuffix)) {
      throw CompileError(
          fmt::format("{}: not a valid .npz file: entry '{}' is no .npy", name, entry.name));
    }
    const std::string key = entry.name.substr(0, entry.name.size() - kSuffix.size());
    Array array = parse_npy(archive.read(entry), fmt::format("{}: entry '{}'", name, entry.name));
    if (!weights.emplace(key, std::move(array)).second) {
      throw CompileError(fmt::format("{}: entry '{}' appears twice", name, entry.name));
    }
  }
  return weights;
}

WeightMap parse_npz(std::span<const std::byte> bytes, const std::string& name,
                    ExpansionLimit limit) {
  return parse_npz(ZipArchive(bytes, name, limit), name);
}

std::vector<std::byte> npz_bytes(const WeightMap& weights) {
  std::vector<std::pair<std::string, std::vector<std::byte>>> entries;
  for (const auto& [name, array] : weights) {
    entries.emplace_back(name + std::string(kSuffix), npy_bytes(array));
  }
  return zip_bytes(entries);
}

}  // namespace ag
