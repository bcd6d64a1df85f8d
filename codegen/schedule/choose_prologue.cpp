#include <algorithm>

#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/register_tile.h"
#include "codegen/schedule/tasks.h"

namespace ag {
namespace {

// The computed input of a task: a part of the second-level cache, beside a panel of weights.
constexpr int64_t kInputBytes = 256 * 1024;
// Reading weights once more, in positions.
constexpr double kReadAgain = 2;

struct Tile {
  int64_t x = 1, y = 1, k = 1;
  double cost = 1e30;
};

// Bands of rows of an image, and the rows whose input is computed together, which are a task: the
// last of a band has fewer where they do not divide it. 14 rows are two bands of 4 and 3.
struct Rows {
  int64_t band, task;
};

// As many rows a task as the cache holds, but so that tasks are balanced.
Rows choose_rows(const ConvView& conv, const Tile& tile, bool parallel) {
  const int64_t images = conv.result()[0], height = conv.result()[2];
  const int64_t row_bytes = conv.extents.input * conv.result()[3] * 4;
  Rows best{tile.y, tile.y};
  double least = 1e30;
  for (int64_t band : divisors(height, height)) {
    for (int64_t rows = tile.y; rows <= band; rows += tile.y) {
      if (band % rows % tile.y != 0 || (rows > tile.y && rows * row_bytes > kInputBytes)) continue;
      const int64_t tasks = (band + rows - 1) / rows, bands = height / band * images;
      // Each task reads all weights again.
      const double again = kReadAgain * static_cast<double>(tasks * bands) /
                           static_cast<double>(height * images * conv.result()[3]);
      const double time = (parallel ? uneven_tasks(bands, band, rows) : 1) * (1 + again);
      if (time > least) continue;
      least = time;
      best = {band, rows};
    }
  }
  return best;
}

Tile choose_tile(const ConvView& conv, int64_t block) {
  const int64_t width = conv.result()[3], vectors = conv.registers_of(block);
  Tile best;
  for (int64_t k : divisors((conv.extents.output + block - 1) / block, 4)) {
    for (int64_t x = 1; x <= std::min<int64_t>(width, 32); ++x) {
      for (int64_t y : divisors(conv.result()[2], 4)) {
        TileStep step;
        step.multiply_adds = step.accumulators = static_cast<double>(x * y * k * vectors);
        step.vectors = static_cast<double>(k * vectors);
        step.broadcasts = static_cast<double>(x * y);
        step.used = used_part(width, x);
        if (!fits_registers(conv.kernel.target, step.accumulators, step.vectors, false)) continue;
        const double cost = cost_of(step);
        const bool flatter = cost == best.cost && k == best.k && y < best.y;
        if (cost < best.cost || flatter) best = {x, y, k, cost};
      }
    }
  }
  return best;
}

}  // namespace

bool has_prologue(const ConvView& conv) {
  const BufferForm* weights = conv.form(1);
  if (conv.form(0) || !weights || conv.rank() != 4 || conv.spec.groups != 1) return false;
  const int64_t block = weights->type.layout.block_of(conv.spec.dims.rhs_input);
  return conv.spec.dims.lhs_channel == 1 && element_count(conv.extents.rhs) == 1 && block > 1 &&
         conv.extents.input % block == 0 && conv.extents.input > block;
}

Schedule choose_prologue(const ConvView& conv) {
  const Tile tile = choose_tile(conv, conv.kernel.results[0].type.layout.block_of(1));
  const bool parallel = conv.flops() >= kSharedWork;
  const Rows rows = choose_rows(conv, tile, parallel);
  return {"conv_prologue",
          {{"tile_x", tile.x},
           {"tile_y", tile.y},
           {"tile_k", tile.k},
           {"band", rows.band},
           {"rows", rows.task},
           {"unroll_epilogue", !is_costly_epilogue(conv.kernel.body)},
           {"parallel", parallel}}};
}

}  // namespace ag
