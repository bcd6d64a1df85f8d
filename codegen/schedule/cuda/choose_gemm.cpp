#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "codegen/schedule/cuda/gemm.h"
#include "codegen/schedule/cuda/rules.h"

namespace ag {
namespace {

constexpr int64_t kMostShared = 48 * 1024;
constexpr int64_t kMostGrid = 65535;  // blocks along y and z

int64_t tiles_of(int64_t extent, int64_t tile) { return (extent + tile - 1) / tile; }

// How many neighbours in memory a walk along an index meets before it jumps.
double run_along(const GemmView& view, int access, GemmIndex index) {
  constexpr int64_t kSegment = 8;  // floats of one transaction
  int64_t extent = 1;
  for (const GemmDigit& digit : view.digits) {
    if (digit.of == index) extent = digit.extent;
  }
  const int64_t stride = std::abs(view.stride_along(access, index));
  return stride > kSegment ? 1.0 : static_cast<double>(extent) / std::max<int64_t>(stride, 1);
}

bool reads_by_depth(const GemmView& view, const GemmOperand& side, GemmIndex other) {
  return run_along(view, side.access, GemmIndex::depth) > run_along(view, side.access, other);
}

int64_t element_bytes(const GemmView& view, const GemmOperand& side) {
  return static_cast<int64_t>(size_of(view.panel_dtype(side)));
}

// Neighbours along the depth stand apart in a panel, so a wide copy of them goes through registers.
// Elements of four bytes get there without, one at a time; those of two cannot.
int64_t copy_of(const GemmView& view, const GemmOperand& side, GemmIndex other, bool by_depth) {
  if (by_depth && element_bytes(view, side) == 4) return 1;
  return widest_copy(view, side, by_depth ? GemmIndex::depth : other);
}

// Time in multiply-adds of a thread's lane on one multiprocessor: what the busiest one does. Each
// step of the depth costs a block its products, the reads of panels into registers (fewer with
// larger tiles of threads) and the copies into panels (fewer with larger tiles of blocks, and where
// one moves several elements).
double time_of(const GemmView& view, const GemmTile& tile) {
  constexpr double kMultiprocessors = 108, kCopy = 8, kBytes = 25, kLaunch = 270'000;
  const double of_threads =
      1.0 / static_cast<double>(tile.thread_rows) + 1.0 / static_cast<double>(tile.thread_columns);
  const auto rows = static_cast<double>(tile.rows), columns = static_cast<double>(tile.columns);
  const double copies =
      rows / static_cast<double>(tile.left_copy) + columns / static_cast<double>(tile.right_copy);
  const double step = rows * columns * (1 + of_threads) + kCopy * copies;
  const int64_t panels = tiles_of(tiles_of(view.depth(), tile.depth), tile.parts);
  const int64_t blocks = tiles_of(view.rows(), tile.rows) * tiles_of(view.columns(), tile.columns) *
                         view.batch() * tile.parts;
  const double turns = std::ceil(static_cast<double>(blocks) / kMultiprocessors);
  const double sums = turns * step * static_cast<double>(panels * tile.depth);
  if (tile.parts == 1) return sums;
  const auto results = static_cast<double>(view.batch() * view.rows() * view.columns());
  const double added = results * static_cast<double>(2 * tile.parts) * kBytes / kMultiprocessors;
  return sums + added + kLaunch;
}

struct Shape4 {
  int64_t rows, columns, thread_rows, thread_columns;
};
constexpr Shape4 kTiles[] = {{128, 128, 8, 8}, {128, 64, 8, 4}, {64, 128, 4, 8},
                             {64, 64, 4, 4},   {32, 128, 4, 4}, {128, 32, 4, 4},
                             {32, 64, 4, 4},   {64, 32, 4, 4},  {32, 32, 4, 4}};

}  // namespace

Schedule GemmTile::schedule() const {
  return {std::string(kGemm),
          {{"rows", rows},
           {"columns", columns},
           {"depth", depth},
           {"thread_rows", thread_rows},
           {"thread_columns", thread_columns},
           {"stages", stages},
           {"parts", parts},
           {"left_by_depth", left_by_depth},
           {"right_by_depth", right_by_depth},
           {"left_copy", left_copy},
           {"right_copy", right_copy}}};
}

GemmTile GemmTile::from(const Schedule& schedule) {
  return {schedule.at("rows"),
          schedule.at("columns"),
          schedule.at("depth"),
          schedule.at("thread_rows"),
          schedule.at("thread_columns"),
          schedule.at("stages"),
          schedule.at("parts"),
          schedule.at("left_by_depth") != 0,
          schedule.at("right_by_depth") != 0,
          schedule.at("left_copy"),
          schedule.at("right_copy")};
}

int64_t GemmTile::shared_bytes(const GemmView& view) const {
  const int64_t step = left_pitch() * element_bytes(view, view.left) +
                       right_pitch() * element_bytes(view, view.right);
  return stages * depth * step;
}

// A group of neighbours that starts at a multiple of their number stays within one digit, whose
// extent that number divides, and where everything else moves by its multiples it starts at one in
// memory, too.
int64_t widest_copy(const GemmView& view, const GemmOperand& side, GemmIndex along) {
  constexpr int64_t kMostBytes = 16;
  const GemmAccess& at = view.accesses[side.access];
  const auto last = std::find_if(view.digits.rbegin(), view.digits.rend(),
                                 [&](const GemmDigit& digit) { return digit.of == along; });
  if (!side.is_stored() || !at.aligned || last == view.digits.rend()) return 1;
  const auto fast = static_cast<size_t>(view.digits.rend() - last) - 1;
  if (at.offset.factors[fast] != 1) return 1;
  int64_t even = last->extent | at.offset.constant | kMostBytes / element_bytes(view, side);
  for (size_t d = 0; d < view.digits.size(); ++d)
    if (d != fast) even |= at.offset.factors[d];
  for (const GemmWindow& window : at.windows) {
    if (window.position.factors[fast] != 0) return 1;
    even |= window.stride;
  }
  return even & -even;  // the largest power of two that divides all of them
}

std::string GemmTile::problem(const GemmView& view) const {
  const auto power = [](int64_t n) {
    return n > 0 && std::has_single_bit(static_cast<uint64_t>(n));
  };
  for (const int64_t n : {rows, columns, depth, thread_rows, thread_columns})
    if (!power(n)) return fmt::format("{} is no power of two", n);
  if (thread_rows < 4 || thread_columns < 4 || thread_rows > rows || thread_columns > columns)
    return "a thread's tile is at least 4 by 4, and within the block's";
  if (thread_rows * thread_columns > 64) return "a thread's tile has more than 64 sums";
  if (threads() < kLeastThreads || threads() > kMostThreads)
    return fmt::format("{} threads", threads());
  if (depth > threads() || depth * std::min(rows, columns) < threads())
    return "a panel has fewer elements than the block has threads";
  if (stages < 2 || stages > 8) return fmt::format("{} stages", stages);
  if (parts < 1) return fmt::format("{} parts", parts);
  if (shared_bytes(view) > kMostShared)
    return fmt::format("{} bytes of shared memory", shared_bytes(view));
  const auto fits = [&](int64_t copy, const GemmOperand& side, bool by_depth, GemmIndex other) {
    return power(copy) && copy <= (by_depth ? depth : std::min(rows, columns)) &&
           copy <= widest_copy(view, side, by_depth ? GemmIndex::depth : other);
  };
  if (!fits(left_copy, view.left, left_by_depth, GemmIndex::row))
    return fmt::format("the left operand has no copies of {} elements", left_copy);
  if (!fits(right_copy, view.right, right_by_depth, GemmIndex::column))
    return fmt::format("the right operand has no copies of {} elements", right_copy);
  return "";
}

// Panels pay where every element that is copied is used by many threads. Narrow products leave most
// of a tile empty, and a product of less than about a million multiply-adds is over before its
// copies overlap with anything: these are for the templates that read through the caches.
std::optional<GemmTile> choose_gemm_tile(const GemmView& view) {
  constexpr int64_t kLeastSide = 16, kLeastDepth = 16, kLeastPart = 256;
  constexpr double kLeastWork = 1 << 20, kUsed = 0.5;
  const int64_t m = view.rows(), n = view.columns(), k = view.depth(), batch = view.batch();
  const double results = static_cast<double>(batch) * static_cast<double>(m * n);
  if (m < kLeastSide || n < kLeastSide || k < kLeastDepth) return std::nullopt;
  if (results * static_cast<double>(k) < kLeastWork) return std::nullopt;
  std::optional<GemmTile> best;
  double least = std::numeric_limits<double>::infinity();
  for (const Shape4& shape : kTiles) {
    GemmTile tile{shape.rows, shape.columns, 8, shape.thread_rows, shape.thread_columns};
    tile.left_by_depth = reads_by_depth(view, view.left, GemmIndex::row);
    tile.right_by_depth = reads_by_depth(view, view.right, GemmIndex::column);
    tile.left_copy = copy_of(view, view.left, GemmIndex::row, tile.left_by_depth);
    tile.right_copy = copy_of(view, view.right, GemmIndex::column, tile.right_by_depth);
    const double covered = static_cast<double>(tiles_of(m, tile.rows) * tile.rows) *
                           static_cast<double>(tiles_of(n, tile.columns) * tile.columns);
    if (static_cast<double>(m * n) < kUsed * covered) continue;
    for (tile.parts = 1; tile.parts == 1 || k / tile.parts >= kLeastPart; tile.parts *= 2) {
      if (tiles_of(m, tile.rows) > kMostGrid || batch * tile.parts > kMostGrid) break;
      const double time = time_of(view, tile);
      if (time >= least) continue;
      least = time;
      best = tile;
    }
  }
  return best;
}

}  // namespace ag
