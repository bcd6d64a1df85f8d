// The whole state of a training run in one safetensors file.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "frontend/weights/weight_map.h"
#include "train/batches.h"

namespace ag {

// A checkpoint also serves as a weights file: what is not the network's own has names that
// load_weights() passes over (kTrainingPrefix).
struct Checkpoint {
  WeightMap weights;         // parameters and running statistics
  WeightMap training_state;  // of the optimizer; the random key
  int64_t step = 0;          // completed steps
  BatchPosition position;    // of the next batch
  uint64_t seed = 0;
  // The run's description (network, optimizer, schedule …): a run resumes only under the same one.
  std::map<std::string, std::string> settings;
};

// Written aside and renamed: the file at `path` is the last whole checkpoint at any moment.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

// Throws CompileError when the file is damaged or is not a checkpoint.
Checkpoint load_checkpoint(const std::string& path);

// Throws CompileError naming the first setting that differs, with both values.
void check_settings(const Checkpoint& checkpoint,
                    const std::map<std::string, std::string>& settings, const std::string& path);

}  // namespace ag
