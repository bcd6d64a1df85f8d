#include "codegen/link/bake.h"

#include <algorithm>
#include <set>
#include <string>

#include "codegen/link/buffer_span.h"
#include "codegen/link/loaded_program.h"
#include "codegen/target.h"

namespace ag {
namespace {

// Bytes [low, high) of the old parameters that move to `to`.
struct Range {
  int64_t low, high;
  int64_t to = 0;
};

ByteSpan span_of(const plan::Buffer& buffer) {
  return buffer_span(buffer.offset, buffer.dims, static_cast<int64_t>(size_of(buffer.dtype)));
}

// What the entries read of the parameters, as disjoint ranges in order.
std::vector<Range> used_ranges(const plan::Program& program) {
  std::set<int> used;
  for (const plan::Entry& entry : program.entries) {
    for (const plan::Step& step : entry.steps)
      used.insert(step.buffers.begin(), step.buffers.end());
  }
  std::vector<Range> ranges;
  for (int index : used) {
    const plan::Buffer& buffer = program.buffers[static_cast<size_t>(index)];
    if (buffer.storage != plan::Storage::parameter) continue;
    ranges.push_back({span_of(buffer).low, span_of(buffer).high});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.low < b.low; });
  std::vector<Range> merged;
  for (const Range& range : ranges) {
    if (!merged.empty() && range.low <= merged.back().high) {
      merged.back().high = std::max(merged.back().high, range.high);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

const Range* range_with(const std::vector<Range>& ranges, const ByteSpan& span) {
  for (const Range& range : ranges) {
    if (range.low <= span.low && span.high <= range.high) return &range;
  }
  return nullptr;
}

// Keeps the parameters that entries read, moved together; each range keeps its alignment.
void drop_unread_parameters(plan::Program& program) {
  if (!program.parameters) return;
  std::vector<Range> ranges = used_ranges(program);
  std::string kept;
  for (Range& range : ranges) {
    const int64_t phase = range.low % plan::kStorageAlignment;
    while (static_cast<int64_t>(kept.size()) % plan::kStorageAlignment != phase) kept += '\0';
    range.to = static_cast<int64_t>(kept.size());
    kept += program.parameters->substr(static_cast<size_t>(range.low),
                                       static_cast<size_t>(range.high - range.low));
  }
  for (plan::Tensor& tensor : program.tensors) {
    if (tensor.buffer < 0) continue;
    const plan::Buffer& buffer = program.buffers[static_cast<size_t>(tensor.buffer)];
    const bool lost =
        buffer.storage == plan::Storage::parameter && !range_with(ranges, span_of(buffer));
    if (lost) tensor.buffer = -1;
  }
  for (plan::Buffer& buffer : program.buffers) {
    if (buffer.storage != plan::Storage::parameter) continue;
    const Range* range = range_with(ranges, span_of(buffer));
    buffer.offset = range ? buffer.offset - range->low + range->to : 0;
  }
  program.parameters =
      kept.empty() ? nullptr : std::make_shared<const std::string>(std::move(kept));
}

// Kernels that no entry calls are in nobody's way in a library, whose linker drops them, but an
// object keeps them.
void drop_unused_kernels(plan::Program& program) {
  std::set<std::string> used;
  for (const plan::Entry& entry : program.entries)
    for (const plan::Step& step : entry.steps) used.insert(step.kernel);
  std::erase_if(program.kernels, [&](const auto& kernel) { return !used.contains(kernel.first); });
}

}  // namespace

plan::Program bake_weights(const plan::Program& program) {
  const Target& target = find_target(program.target);
  if (program.prepare.empty() || target.is_cuda() || !is_runnable(target)) return program;
  plan::Program baked = program;
  baked.prepared =
      std::make_shared<const std::string>(LoadedProgram::in_memory(program)->prepared_bytes());
  baked.prepare.clear();
  drop_unread_parameters(baked);
  drop_unused_kernels(baked);
  return baked;
}

}  // namespace ag
