// A batched matrix product through panels in shared memory.
//
//   for every panel of the depth:
//     wait for its copies, and for every thread to be done with the panel before it
//     start to copy the panel that is `stages - 1` ahead, into the place of the one before
//     for every step of the panel: sums += column of left panel · row of right panel
//
// A block has a tile of the results, a thread a part of it in registers: groups of four rows by
// groups of four columns, as wide as one load from shared memory. The copies write zero for what
// does not exist: rows, columns and steps beyond the last, and positions in the padding of a
// convolution. So the loop over products tests nothing. One barrier a panel is enough: the copies
// that start behind it write where every thread has read before it, and those that finish in front
// of it are read behind it.
//
// Panels hold operands as these are stored. Sums, and what is elementwise behind them, are of f32;
// results are rounded where they are stored.
//
// Where parts > 1 blocks share a sum. Each stores its own, and a second kernel adds them in their
// order, one thread an element, and computes what is elementwise behind the sum.

#include "codegen/nvptx/gemm.h"

#include <fmt/format.h>

#include "codegen/nvptx/gemm_panels.h"
#include "codegen/nvptx/gemm_steps.h"
#include "ir/diagnostics.h"
#include "ir/parse.h"

namespace ag::nvptx {
namespace {

using llvm::Value;

constexpr int64_t kJoiningThreads = 256;  // of a block that adds parts

// What is elementwise behind the sum of one element, and the stores of the results. `offset` gives
// the place of an access.
void finish_element(DeviceKernel& kernel, const GemmView& view, Value* sum,
                    const std::function<Value*(int access)>& offset) {
  const std::vector<Value*> values =
      values_of(kernel, view, view.steps, sum, [&](const GemmStep& step) {
        const GemmAccess& access = view.accesses[step.access];
        return kernel.load(kernel.parameter(access.parameter), access.dtype, offset(step.access));
      });
  for (const GemmStore& store : view.stores) {
    const GemmAccess& access = view.accesses[store.access];
    kernel.store(values[store.step], kernel.parameter(access.parameter), access.dtype,
                 offset(store.access));
  }
}

// A thread's rows, or columns, of its block's tile.
struct ThreadSide {
  Value* first;           // of its first group, in the tile
  int64_t groups, apart;  // groups of four, and how far they are from each other

  ThreadSide(Value* first, int64_t block, int64_t thread)
      : first(first), groups(thread / kGroup), apart(block / (thread / kGroup)) {}
  int64_t count() const { return groups * kGroup; }
  Value* local(DeviceKernel& kernel, int64_t i) const {
    return kernel.at.CreateAdd(first, kernel.number(i / kGroup * apart + i % kGroup));
  }
};

class SumKernel {
 public:
  SumKernel(DeviceModule& module, const GemmProblem& problem, const std::string& name)
      : problem_(problem),
        view_(problem.view),
        tile_(problem.tile),
        kernel_(module, name, problem.exclusive(), problem.tile.threads()),
        rows_(group_start(tile_.columns / tile_.thread_columns, true), tile_.rows,
              tile_.thread_rows),
        columns_(group_start(tile_.columns / tile_.thread_columns, false), tile_.columns,
                 tile_.thread_columns) {}

  void generate() {
    Value* z = kernel_.block(2);
    Value* batch = kernel_.at.CreateUDiv(z, kernel_.number(tile_.parts));
    part_ = kernel_.at.CreateURem(z, kernel_.number(tile_.parts));
    first_row_ = kernel_.at.CreateMul(kernel_.block(1), kernel_.number(tile_.rows));
    first_column_ = kernel_.at.CreateMul(kernel_.block(0), kernel_.number(tile_.columns));
    const DigitValues digits = digits_of(kernel_, view_, GemmIndex::batch, batch);
    for (const GemmAccess& access : view_.accesses)
      batch_.push_back(part_of(kernel_, access, digits));
    batch_number_ = batch;
    for (int64_t i = 0; i < tile_.thread_rows * tile_.thread_columns; ++i) {
      sums_.push_back(kernel_.variable(kernel_.at.getFloatTy(), "sum"));
      kernel_.at.CreateStore(kernel_.real(0), sums_.back());
    }
    add_up();
    store();
    kernel_.finish();
  }

 private:
  Value* group_start(int64_t across, bool of_rows) {
    Value *thread = kernel_.thread(), *width = kernel_.number(across);
    Value* place =
        of_rows ? kernel_.at.CreateUDiv(thread, width) : kernel_.at.CreateURem(thread, width);
    return kernel_.at.CreateMul(place, kernel_.number(kGroup));
  }

  void add_up() {
    llvm::IRBuilder<>& at = kernel_.at;
    GemmPanels left(kernel_, problem_,
                    {view_.left, GemmIndex::row, tile_.rows, tile_.left_pitch(),
                     tile_.left_by_depth, tile_.left_copy, "_left"},
                    first_row_, batch_);
    GemmPanels right(kernel_, problem_,
                     {view_.right, GemmIndex::column, tile_.columns, tile_.right_pitch(),
                      tile_.right_by_depth, tile_.right_copy, "_right"},
                     first_column_, batch_);
    const int64_t share = tiles_of(problem_.panels(), tile_.parts);
    Value* begin = at.CreateMul(part_, kernel_.number(share));
    Value* end =
        at.CreateBinaryIntrinsic(llvm::Intrinsic::smin, at.CreateAdd(begin, kernel_.number(share)),
                                 kernel_.number(problem_.panels()));
    Value* depth_end = at.CreateBinaryIntrinsic(llvm::Intrinsic::smin,
                                                at.CreateMul(end, kernel_.number(tile_.depth)),
                                                kernel_.number(view_.depth()));
    const auto start = [&](Value* panel, Value* slot) {
      left.start_copy(panel, slot, depth_end);
      right.start_copy(panel, slot, depth_end);
      kernel_.commit_copies();
    };
    const auto finish = [&] {
      left.finish_copy();
      right.finish_copy();
    };
    for (int64_t ahead = 0; ahead + 1 < tile_.stages; ++ahead) {
      start(at.CreateAdd(begin, kernel_.number(ahead)), kernel_.number(ahead));
      finish();
    }
    llvm::AllocaInst* slot = kernel_.variable(at.getInt32Ty(), "slot");
    llvm::AllocaInst* free = kernel_.variable(at.getInt32Ty(), "free");
    at.CreateStore(kernel_.number(0), slot);
    at.CreateStore(kernel_.number(tile_.stages - 1), free);
    kernel_.loop(begin, end, [&](Value* panel) {
      kernel_.wait_for_copies(tile_.stages - 2);
      kernel_.barrier();
      start(at.CreateAdd(panel, kernel_.number(tile_.stages - 1)),
            at.CreateLoad(at.getInt32Ty(), free));
      multiply(left, right, at.CreateLoad(at.getInt32Ty(), slot));
      finish();
      advance(slot);
      advance(free);
    });
  }

  // The next place of the ring.
  void advance(llvm::AllocaInst* slot) {
    llvm::IRBuilder<>& at = kernel_.at;
    Value* next = at.CreateAdd(at.CreateLoad(at.getInt32Ty(), slot), kernel_.number(1));
    Value* is_last = at.CreateICmpEQ(next, kernel_.number(tile_.stages));
    at.CreateStore(at.CreateSelect(is_last, kernel_.number(0), next), slot);
  }

  void multiply(GemmPanels& left, GemmPanels& right, Value* slot) {
    llvm::IRBuilder<>& at = kernel_.at;
    for (int64_t step = 0; step < tile_.depth; ++step) {
      const std::vector<Value*> a = left.read(slot, step, rows_.first, rows_.groups, rows_.apart);
      const std::vector<Value*> b =
          right.read(slot, step, columns_.first, columns_.groups, columns_.apart);
      for (size_t i = 0; i < a.size(); ++i) {
        for (size_t j = 0; j < b.size(); ++j) {
          llvm::AllocaInst* sum = sums_[i * b.size() + j];
          Value* old = at.CreateLoad(at.getFloatTy(), sum);
          at.CreateStore(
              at.CreateIntrinsic(llvm::Intrinsic::fma, {at.getFloatTy()}, {a[i], b[j], old}), sum);
        }
      }
    }
  }

  // One of a thread's rows or columns: its number, whether it exists, and its part of addresses.
  struct Line {
    Value *number, *exists;
    std::vector<AddressPart> parts;  // per access
  };
  std::vector<Line> lines(const ThreadSide& side, GemmIndex index, Value* first, int64_t block) {
    std::vector<Line> all;
    const int64_t extent = view_.extent(index);
    for (int64_t i = 0; i < side.count(); ++i) {
      Line line{kernel_.at.CreateAdd(first, side.local(kernel_, i)), nullptr, {}};
      if (extent % block != 0)
        line.exists = kernel_.at.CreateICmpULT(line.number, kernel_.number(extent));
      const DigitValues digits = digits_of(kernel_, view_, index, line.number);
      for (const GemmAccess& access : view_.accesses)
        line.parts.push_back(part_of(kernel_, access, digits));
      all.push_back(std::move(line));
    }
    return all;
  }

  void store() {
    const std::vector<Line> rows = lines(rows_, GemmIndex::row, first_row_, tile_.rows);
    const std::vector<Line> columns =
        lines(columns_, GemmIndex::column, first_column_, tile_.columns);
    for (size_t i = 0; i < rows.size(); ++i) {
      kernel_.where(rows[i].exists, [&] {
        for (size_t j = 0; j < columns.size(); ++j) {
          Value* sum =
              kernel_.at.CreateLoad(kernel_.at.getFloatTy(), sums_[i * columns.size() + j]);
          kernel_.where(columns[j].exists, [&] { store_element(rows[i], columns[j], sum); });
        }
      });
    }
  }

  void store_element(const Line& row, const Line& column, Value* sum) {
    if (tile_.parts == 1) {
      return finish_element(kernel_, view_, sum, [&](int access) {
        return place_of(kernel_, view_.accesses[access],
                        {&batch_[access], &row.parts[access], &column.parts[access]})
            .offset;
      });
    }
    llvm::IRBuilder<>& at = kernel_.at;
    Value* line = at.CreateMul(part_, kernel_.number(view_.batch()));
    line = at.CreateMul(at.CreateAdd(line, batch_number_), kernel_.number(view_.rows()));
    line = at.CreateMul(at.CreateAdd(line, row.number), kernel_.number(view_.columns()));
    kernel_.store(sum, kernel_.parameter(problem_.parameters()), DType::f32,
                  at.CreateAdd(line, column.number));
  }

  const GemmProblem& problem_;
  const GemmView& view_;
  const GemmTile& tile_;
  DeviceKernel kernel_;
  ThreadSide rows_, columns_;
  Value *part_ = nullptr, *batch_number_ = nullptr;
  Value *first_row_ = nullptr, *first_column_ = nullptr;
  std::vector<AddressPart> batch_;  // per access
  std::vector<llvm::AllocaInst*> sums_;
};

// Adds the sums of parts, one thread an element.
void generate_joining(DeviceModule& module, const GemmProblem& problem, const std::string& name) {
  const GemmView& view = problem.view;
  DeviceKernel kernel(module, name, problem.exclusive(), kJoiningThreads);
  llvm::IRBuilder<>& at = kernel.at;
  Value* element =
      at.CreateAdd(at.CreateMul(kernel.block(0), kernel.number(kJoiningThreads)), kernel.thread());
  kernel.where(at.CreateICmpULT(element, kernel.number(problem.results())), [&] {
    llvm::AllocaInst* sum = kernel.variable(at.getFloatTy(), "sum");
    at.CreateStore(kernel.real(0), sum);
    kernel.loop(kernel.number(0), kernel.number(problem.tile.parts), [&](Value* part) {
      Value* place = at.CreateAdd(at.CreateMul(part, kernel.number(problem.results())), element);
      Value* of_part = kernel.load(kernel.parameter(problem.parameters()), DType::f32, place);
      at.CreateStore(at.CreateFAdd(at.CreateLoad(at.getFloatTy(), sum), of_part), sum);
    });
    Value* columns = kernel.number(view.columns());
    Value* line = at.CreateUDiv(element, columns);
    const DigitValues digits[] = {
        digits_of(kernel, view, GemmIndex::batch, at.CreateUDiv(line, kernel.number(view.rows()))),
        digits_of(kernel, view, GemmIndex::row, at.CreateURem(line, kernel.number(view.rows()))),
        digits_of(kernel, view, GemmIndex::column, at.CreateURem(element, columns))};
    finish_element(kernel, view, at.CreateLoad(at.getFloatTy(), sum), [&](int access) {
      const GemmAccess& of = view.accesses[access];
      const AddressPart parts[] = {part_of(kernel, of, digits[0]), part_of(kernel, of, digits[1]),
                                   part_of(kernel, of, digits[2])};
      return place_of(kernel, of, {&parts[0], &parts[1], &parts[2]}).offset;
    });
  });
  kernel.finish();
}

std::string nest_text(const GemmProblem& problem) {
  const GemmTile& tile = problem.tile;
  const GemmView& view = problem.view;
  std::string text = fmt::format(
      "product of {} x {} by {} x {}, {} of them\n"
      "blocks of {} x {} results ({} x {} x {}), {} threads of {} x {} in registers\n"
      "  for {} panels of {} steps, {} in {} bytes of shared memory\n",
      view.rows(), view.depth(), view.depth(), view.columns(), view.batch(), tile.rows,
      tile.columns, tiles_of(view.columns(), tile.columns), tiles_of(view.rows(), tile.rows),
      view.batch() * tile.parts, tile.threads(), tile.thread_rows, tile.thread_columns,
      tiles_of(problem.panels(), tile.parts), tile.depth, tile.stages, tile.shared_bytes(view));
  if (tile.parts > 1) text += fmt::format("then one thread a result adds {} sums\n", tile.parts);
  return text;
}

void add_launches(const GemmProblem& problem, KernelResult& result) {
  using Memory = LaunchArgument::Memory;
  const GemmTile& tile = problem.tile;
  std::vector<LaunchArgument> arguments;
  for (int i = 0; i < problem.parameters(); ++i) arguments.push_back({Memory::parameter, i});
  if (tile.parts > 1) arguments.push_back({Memory::scratch, 0});
  result.launches.push_back(
      {problem.request.symbol + "_0",
       {tiles_of(problem.view.columns(), tile.columns), tiles_of(problem.view.rows(), tile.rows),
        problem.view.batch() * tile.parts},
       {tile.threads(), 1, 1},
       0,
       arguments});
  if (tile.parts == 1) return;
  result.scratch_bytes = problem.results() * tile.parts * static_cast<int64_t>(sizeof(float));
  result.launches.push_back({problem.request.symbol + "_1",
                             {tiles_of(problem.results(), kJoiningThreads), 1, 1},
                             {kJoiningThreads, 1, 1},
                             0,
                             arguments});
}

}  // namespace

KernelResult gemm(const KernelRequest& request) {
  const GemmTile tile = GemmTile::from(Schedule::parse(request.schedule));
  const std::optional<GemmView> view =
      GemmView::of(parse(request.text, request.symbol + ".ag"), request.operands, request.results);
  if (!view) {
    throw CompileError(fmt::format("schedule: {} wants one product of f32, f16 or bf16 with "
                                   "elementwise ops around it",
                                   kGemm))
        .help("schedule this kernel with contraction_plain");
  }
  if (const std::string reason = tile.problem(*view); !reason.empty())
    throw CompileError(fmt::format("schedule: {}: {}", request.schedule, reason));
  const GemmProblem problem{request, *view, tile};
  KernelResult result;
  DeviceModule module(request.symbol, find_target(request.target));
  SumKernel(module, problem, request.symbol + "_0").generate();
  if (tile.parts > 1) generate_joining(module, problem, request.symbol + "_1");
  add_launches(problem, result);
  result.ptx = module.ptx();
  if (request.explain) result.loop_nest = nest_text(problem);
  return result;
}

}  // namespace ag::nvptx
