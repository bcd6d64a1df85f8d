#include "codegen/nvptx/gemm_panels.h"

#include "codegen/nvptx/gemm_steps.h"

namespace ag::nvptx {

using llvm::Value;

std::vector<bool> GemmProblem::exclusive() const {
  std::vector<bool> all(static_cast<size_t>(parameters()) + (tile.parts > 1 ? 1 : 0), true);
  for (size_t i = 0; i < request.in_place.size(); ++i) {
    if (request.in_place[i] < 0) continue;
    all[request.in_place[i]] = false;
    all[request.operands.size() + i] = false;
  }
  return all;
}

GemmPanels::GemmPanels(DeviceKernel& kernel, const GemmProblem& problem, Side side, Value* first,
                       const std::vector<AddressPart>& batch)
    : kernel_(kernel), problem_(problem), side_(std::move(side)), batch_(batch) {
  if (side_.operand.is_stored()) accesses_ = {side_.operand.access};
  for (const GemmStep& step : side_.operand.steps)
    if (step.kind == GemmStep::Kind::load) accesses_.push_back(step.access);
  memory_ = kernel.shared_array(problem.request.symbol + side_.name, dtype(),
                                problem.tile.stages * panel_elements());
  share_out();
  const int64_t extent = problem.view.extent(side_.index);
  for (Value* local : across_) {
    Value* number = kernel.at.CreateAdd(first, local);
    Value* exists = extent % side_.width == 0
                        ? nullptr
                        : kernel.at.CreateICmpULT(number, kernel.number(extent));
    const DigitValues digits = digits_of(kernel, problem.view, side_.index, number);
    lines_.push_back({local, parts_of(digits), exists});
  }
}

std::vector<AddressPart> GemmPanels::parts_of(const DigitValues& digits) {
  std::vector<AddressPart> parts;
  for (const int access : accesses_)
    parts.push_back(part_of(kernel_, problem_.view.accesses[access], digits));
  return parts;
}

// Neighbouring threads copy neighbours along one side of the panel: its fast one.
void GemmPanels::share_out() {
  llvm::IRBuilder<>& at = kernel_.at;
  const int64_t threads = problem_.tile.threads(), depth = problem_.tile.depth;
  const int64_t fast_copies = (side_.by_depth ? depth : side_.width) / side_.copy;
  const int64_t slow_extent = side_.by_depth ? side_.width : depth;
  auto& fast = side_.by_depth ? deep_ : across_;
  auto& slow = side_.by_depth ? across_ : deep_;
  Value *thread = kernel_.thread(), *width = kernel_.number(side_.copy);
  if (threads < fast_copies) {
    for (int64_t i = 0; i < fast_copies; i += threads)
      fast.push_back(at.CreateMul(at.CreateAdd(thread, kernel_.number(i)), width));
    for (int64_t i = 0; i < slow_extent; ++i) slow.push_back(kernel_.number(i));
    return;
  }
  if (fast_copies * slow_extent < threads)
    takes_part_ = at.CreateICmpULT(thread, kernel_.number(fast_copies * slow_extent));
  fast.push_back(at.CreateMul(at.CreateURem(thread, kernel_.number(fast_copies)), width));
  Value* row = at.CreateUDiv(thread, kernel_.number(fast_copies));
  for (int64_t i = 0; i < slow_extent; i += threads / fast_copies)
    slow.push_back(at.CreateAdd(row, kernel_.number(i)));
}

void GemmPanels::start_copy(Value* panel, Value* slot, Value* end) {
  pending_.clear();
  kernel_.where(is_asynchronous() ? takes_part_ : nullptr, [&] { start_each(panel, slot, end); });
}

void GemmPanels::start_each(Value* panel, Value* slot, Value* end) {
  llvm::IRBuilder<>& at = kernel_.at;
  Value* base = at.CreateMul(slot, kernel_.number(panel_elements()));
  Value* first = at.CreateMul(panel, kernel_.number(problem_.tile.depth));
  for (Value* local : deep_) {
    Value* step = at.CreateAdd(first, local);
    Value* in_depth = kernel_.both(takes_part_, at.CreateICmpULT(step, end));
    const std::vector<AddressPart> deep =
        parts_of(digits_of(kernel_, problem_.view, GemmIndex::depth, step));
    Value* row = at.CreateAdd(base, at.CreateMul(local, kernel_.number(side_.pitch)));
    for (const Line& line : lines_) {
      std::vector<ElementPlace> places;
      Value* exists = kernel_.both(in_depth, line.exists);
      for (size_t i = 0; i < accesses_.size(); ++i) {
        const GemmAccess& access = problem_.view.accesses[accesses_[i]];
        places.push_back(
            place_of(kernel_, access, {&batch_[accesses_[i]], &line.parts[i], &deep[i]}));
        exists = kernel_.both(exists, places.back().exists);
      }
      start(places, exists, at.CreateAdd(row, line.local));
    }
  }
}

void GemmPanels::start(const std::vector<ElementPlace>& places, Value* exists, Value* place) {
  llvm::IRBuilder<>& at = kernel_.at;
  Pending pending{{}, exists, place};
  for (size_t i = 0; i < accesses_.size(); ++i) {
    const GemmAccess& access = problem_.view.accesses[accesses_[i]];
    Value* source = kernel_.parameter(access.parameter);
    Value* from = at.CreateSelect(exists, places[i].offset, kernel_.number(0));
    if (is_asynchronous()) {
      return kernel_.copy_async(kernel_.element(memory_, dtype(), place),
                                kernel_.element(source, dtype(), from), bytes(), exists);
    }
    Value* elements = kernel_.load_stored(source, access.dtype, from, side_.copy);
    if (side_.operand.is_stored()) elements = or_zeros(exists, elements);
    pending.elements.push_back(elements);
  }
  pending_.push_back(std::move(pending));
}

Value* GemmPanels::finished(const Pending& pending) {
  if (side_.operand.is_stored()) return pending.elements[0];
  size_t next = 0;
  const auto load = [&](const GemmStep& step) {
    return kernel_.computed(pending.elements[next++], problem_.view.accesses[step.access].dtype);
  };
  return or_zeros(pending.exists,
                  values_of(kernel_, problem_.view, side_.operand.steps, nullptr, load).back());
}

Value* GemmPanels::or_zeros(Value* exists, Value* elements) {
  return kernel_.at.CreateSelect(exists, elements,
                                 llvm::Constant::getNullValue(elements->getType()));
}

// Neighbours along the depth stand below each other in a panel.
void GemmPanels::finish_copy() {
  llvm::IRBuilder<>& at = kernel_.at;
  if (pending_.empty()) return;
  kernel_.where(takes_part_, [&] {
    for (const Pending& pending : pending_) {
      Value* value = finished(pending);
      for (int64_t i = 0; i < side_.copy; ++i) {
        Value* element =
            side_.copy == 1 ? value : at.CreateExtractElement(value, static_cast<uint64_t>(i));
        Value* place = at.CreateAdd(pending.place, kernel_.number(i * side_.pitch));
        at.CreateStore(element, kernel_.element(memory_, dtype(), place));
      }
    }
  });
  pending_.clear();
}

std::vector<Value*> GemmPanels::read(Value* slot, int64_t step, Value* first, int64_t groups,
                                     int64_t apart) {
  llvm::IRBuilder<>& at = kernel_.at;
  Value* base = at.CreateAdd(at.CreateMul(slot, kernel_.number(panel_elements())), first);
  std::vector<Value*> values;
  for (int64_t g = 0; g < groups; ++g) {
    Value* index = at.CreateAdd(base, kernel_.number(step * side_.pitch + g * apart));
    for (Value* value : kernel_.load(memory_, dtype(), index, kGroup)) values.push_back(value);
  }
  return values;
}

}  // namespace ag::nvptx
