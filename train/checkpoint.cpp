#include "train/checkpoint.h"

#include <fmt/format.h>

#include <charconv>

#include "frontend/weights/safetensors.h"
#include "frontend/weights/weights.h"

namespace ag {
namespace {

constexpr std::string_view kPrefix = "argent.";
constexpr std::string_view kSettingPrefix = "argent.setting.";

std::string key(std::string_view name) { return std::string(kPrefix) + std::string(name); }

template <class T>
T number(const std::map<std::string, std::string>& metadata, std::string_view name,
         const std::string& path) {
  const auto found = metadata.find(key(name));
  if (found == metadata.end()) {
    throw CompileError(
        fmt::format("{} holds weights, but is not a checkpoint: it lacks {}", path, name))
        .help("load it with --weights to start a new run from it");
  }
  T value{};
  const std::string& text = found->second;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || value < T{}) {
    throw CompileError(fmt::format("{} is damaged: {} is '{}'", path, name, text));
  }
  return value;
}

}  // namespace

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  std::map<std::string, std::string> metadata{
      {key("step"), std::to_string(checkpoint.step)},
      {key("epoch"), std::to_string(checkpoint.position.epoch)},
      {key("batch"), std::to_string(checkpoint.position.batch)},
      {key("seed"), std::to_string(checkpoint.seed)},
  };
  for (const auto& [name, value] : checkpoint.settings) {
    metadata[std::string(kSettingPrefix) + name] = value;
  }
  WeightMap tensors = checkpoint.weights;
  for (const auto& [name, value] : checkpoint.training_state)
    tensors.emplace(std::string(kTrainingPrefix) + name, value);
  write_safetensors(path, tensors, metadata);
}

Checkpoint load_checkpoint(const std::string& path) {
  Safetensors file = read_safetensors(path);
  Checkpoint checkpoint;
  checkpoint.step = number<int64_t>(file.metadata, "step", path);
  checkpoint.position.epoch = number<int64_t>(file.metadata, "epoch", path);
  checkpoint.position.batch = number<int64_t>(file.metadata, "batch", path);
  checkpoint.seed = number<uint64_t>(file.metadata, "seed", path);
  for (const auto& [name, value] : file.metadata) {
    if (name.starts_with(kSettingPrefix)) {
      checkpoint.settings[name.substr(kSettingPrefix.size())] = value;
    }
  }
  for (auto& [name, value] : file.tensors) {
    const bool training = name.starts_with(kTrainingPrefix);
    WeightMap& tensors = training ? checkpoint.training_state : checkpoint.weights;
    tensors.emplace(training ? name.substr(kTrainingPrefix.size()) : name, std::move(value));
  }
  return checkpoint;
}

void check_settings(const Checkpoint& checkpoint,
                    const std::map<std::string, std::string>& settings, const std::string& path) {
  for (const auto& [name, value] : settings) {
    const auto found = checkpoint.settings.find(name);
    const std::string before = found == checkpoint.settings.end() ? "" : found->second;
    if (before == value) continue;
    throw CompileError(
        fmt::format("{} was made with {} '{}', but this run has '{}'", path, name, before, value))
        .help("resume with the same settings, or start a new run without --resume");
  }
}

}  // namespace ag
