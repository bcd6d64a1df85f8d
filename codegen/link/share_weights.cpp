#include "codegen/link/share_weights.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "codegen/link/buffer_span.h"

namespace ag {
namespace {

using plan::Program;
using plan::Storage;

// A storage that instances share, and where a program keeps its bytes.
struct SharedStorage {
  Storage storage;
  plan::Blob Program::*blob;
};
constexpr SharedStorage kSharedStorages[] = {{Storage::parameter, &Program::parameters},
                                             {Storage::constant, &Program::constants},
                                             {Storage::prepared, &Program::prepared}};

// Buffers that a step or a tensor refers to.
std::set<int> used_buffers(const Program& program) {
  std::set<int> used;
  auto add = [&](const std::vector<plan::Step>& steps) {
    for (const plan::Step& step : steps) used.insert(step.buffers.begin(), step.buffers.end());
  };
  for (const plan::Entry& entry : program.entries) add(entry.steps);
  add(program.prepare);
  for (const plan::Tensor& tensor : program.tensors) {
    if (tensor.buffer >= 0) used.insert(tensor.buffer);
  }
  return used;
}

ByteSpan span_of(const plan::Buffer& buffer) {
  return buffer_span(buffer.offset, buffer.dims, static_cast<int64_t>(size_of(buffer.dtype)));
}

// The spans of some buffers, those that overlap joined, in order.
std::vector<ByteSpan> joined_spans(const Program& program, const std::vector<int>& buffers) {
  std::vector<ByteSpan> spans, joined;
  for (int index : buffers) spans.push_back(span_of(program.buffers[static_cast<size_t>(index)]));
  std::sort(spans.begin(), spans.end(),
            [](const ByteSpan& a, const ByteSpan& b) { return a.low < b.low; });
  for (const ByteSpan& span : spans) {
    if (!joined.empty() && span.low < joined.back().high)
      joined.back().high = std::max(joined.back().high, span.high);
    else
      joined.push_back(span);
  }
  return joined;
}

// Bytes that are there once, each piece at the offset within a cache line that it came from.
class Pool {
 public:
  int64_t place(const std::string& piece, int64_t offset) {
    const int64_t phase = offset % plan::kStorageAlignment;
    auto [known, is_new] = places_.try_emplace({phase, piece}, 0);
    if (!is_new) return known->second;
    while (static_cast<int64_t>(bytes_.size()) % plan::kStorageAlignment != phase) bytes_ += '\0';
    known->second = static_cast<int64_t>(bytes_.size());
    bytes_ += piece;
    return known->second;
  }
  plan::Blob blob() && { return std::make_shared<const std::string>(std::move(bytes_)); }

 private:
  std::string bytes_;
  std::map<std::pair<int64_t, std::string>, int64_t> places_;
};

// Moves what a program keeps in one storage into the pool.
void move_into(Pool& pool, Program& program, const SharedStorage& shared) {
  std::vector<int> buffers;
  for (int index : used_buffers(program)) {
    if (program.buffers[static_cast<size_t>(index)].storage == shared.storage)
      buffers.push_back(index);
  }
  const std::string& bytes = *(program.*shared.blob);
  std::vector<std::pair<ByteSpan, int64_t>> moves;
  for (const ByteSpan& span : joined_spans(program, buffers)) {
    const std::string piece =
        bytes.substr(static_cast<size_t>(span.low), static_cast<size_t>(span.high - span.low));
    moves.emplace_back(span, pool.place(piece, span.low) - span.low);
  }
  for (int index : buffers) {
    plan::Buffer& buffer = program.buffers[static_cast<size_t>(index)];
    const ByteSpan span = span_of(buffer);
    for (const auto& [range, distance] : moves) {
      if (range.low > span.low || span.high > range.high) continue;
      buffer.offset += distance;
      break;
    }
  }
}

}  // namespace

std::vector<Program> share_weights(std::span<const Program> levels) {
  std::vector<Program> programs(levels.begin(), levels.end());
  if (programs.size() < 2) return programs;
  for (const SharedStorage& shared : kSharedStorages) {
    Pool pool;
    for (Program& program : programs) {
      if (program.*shared.blob) move_into(pool, program, shared);
    }
    const plan::Blob blob = std::move(pool).blob();
    for (Program& program : programs) {
      if (program.*shared.blob) program.*shared.blob = blob;
    }
  }
  for (Program& program : programs) {
    if (program.prepared) program.prepared_bytes = static_cast<int64_t>(program.prepared->size());
  }
  return programs;
}

}  // namespace ag
