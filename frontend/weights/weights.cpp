#include "frontend/weights/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "frontend/weights/npy.h"
#include "frontend/weights/npz.h"
#include "frontend/weights/safetensors.h"
#include "frontend/weights/torch_file.h"
#include "frontend/weights/zip_archive.h"
#include "ir/file.h"

namespace ag {
namespace {

using Bytes = std::span<const std::byte>;

bool starts_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

bool is_npy(Bytes bytes) { return starts_with(bytes, "\x93NUMPY"); }
// An empty archive begins with the record of its end.
bool is_zip(Bytes bytes) { return starts_with(bytes, "PK\3\4") || starts_with(bytes, "PK\5\6"); }
// Eight bytes of header length, below 2^32, then the opening brace of the header.
bool is_safetensors(Bytes bytes) {
  return bytes.size() > 8 && bytes[8] == std::byte{'{'} &&
         std::ranges::all_of(bytes.subspan(4, 4), [](std::byte b) { return b == std::byte{0}; });
}

WeightMap parse_one_npy(Bytes bytes, const std::string& name, ExpansionLimit) {
  return {{std::filesystem::path(name).stem().string(), parse_npy(bytes, name)}};
}

WeightMap parse_any_zip(Bytes bytes, const std::string& name, ExpansionLimit limit) {
  const ZipArchive archive(bytes, name, limit);
  const bool torch = std::ranges::any_of(archive.entries(), [](const ZipArchive::Entry& entry) {
    return entry.name.ends_with("/data.pkl");
  });
  return torch ? parse_torch_zip(archive, name, limit.allowed(bytes.size()))
               : parse_npz(archive, name);
}

WeightMap parse_only_weights(Bytes bytes, const std::string& name, ExpansionLimit) {
  WeightMap tensors = parse_safetensors(bytes, name).tensors;
  std::erase_if(tensors,
                [](const auto& tensor) { return tensor.first.starts_with(kTrainingPrefix); });
  return tensors;
}

struct Reader {
  bool (*recognises)(Bytes);
  WeightMap (*parse)(Bytes, const std::string& name, ExpansionLimit);
};
constexpr Reader kReaders[] = {
    {is_npy, parse_one_npy},
    {is_zip, parse_any_zip},
    {is_torch_legacy, parse_torch_legacy},
    {is_safetensors, parse_only_weights},
};

void check_one(size_t tensors) {
  if (tensors == 1) return;
  throw CompileError(fmt::format("a .npy file holds one tensor, but there are {}", tensors))
      .help("write .npz or .safetensors");
}

std::vector<std::byte> one_npy(const WeightMap& weights) {
  check_one(weights.size());
  return npy_bytes(weights.begin()->second);
}

struct Writer {
  std::string_view suffix;
  std::vector<std::byte> (*bytes)(const WeightMap&);
};
constexpr Writer kWriters[] = {
    {".safetensors", [](const WeightMap& weights) { return safetensors_bytes(weights); }},
    {".npz", npz_bytes},
    {".npy", one_npy},
};

const Writer& writer_of(const std::string& path) {
  const auto writer =
      std::ranges::find_if(kWriters, [&](const Writer& row) { return path.ends_with(row.suffix); });
  if (writer != std::end(kWriters)) return *writer;
  throw CompileError(fmt::format("cannot write weights to {}: unknown ending", path))
      .help("end the name in .safetensors, .npz or .npy");
}

void strip(WeightMap& weights, const std::string& prefix) {
  if (prefix.empty() || weights.empty()) return;
  const auto prefixed = [&](const auto& entry) {
    return entry.first.size() > prefix.size() && entry.first.starts_with(prefix);
  };
  if (!std::ranges::all_of(weights, prefixed)) return;
  WeightMap stripped;
  for (auto& [name, array] : weights) stripped[name.substr(prefix.size())] = std::move(array);
  weights = std::move(stripped);
}

}  // namespace

WeightMap parse_weights(Bytes bytes, const std::string& name, const LoadWeights& options) {
  const auto reader =
      std::ranges::find_if(kReaders, [&](const Reader& row) { return row.recognises(bytes); });
  if (reader == std::end(kReaders)) {
    throw CompileError(fmt::format("{}: not a weights file: it opens as none of .safetensors, "
                                   ".npz, .npy, or PyTorch's .pt, .pth, .th ({} bytes)",
                                   name, bytes.size()))
        .help("give a file of one of these kinds; if it should be one, write or fetch it again");
  }
  WeightMap weights = reader->parse(bytes, name, options.limit);
  strip(weights, options.strip_prefix);
  return weights;
}

WeightMap load_weights(const std::string& path, const LoadWeights& options) {
  return parse_weights(read_file(path), path, options);
}

void check_weights_file(const std::string& path, size_t tensors) {
  if (writer_of(path).bytes == one_npy) check_one(tensors);
}

void save_weights(const std::string& path, const WeightMap& weights) {
  write_file(path, writer_of(path).bytes(weights));
}

}  // namespace ag
