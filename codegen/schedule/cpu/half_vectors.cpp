#include "codegen/schedule/cpu/half_vectors.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

namespace ag::schedule {

using namespace Halide::Internal;
using Halide::Expr;

namespace {

// select(ramp(a, 1, lanes) < broadcast(b), …, 0) with b − a of half the lanes at most.
bool keeps_first_half(const Select* select) {
  const LT* test = select->condition.as<LT>();
  const Ramp* ramp = test ? test->a.as<Ramp>() : nullptr;
  const Broadcast* end = test ? test->b.as<Broadcast>() : nullptr;
  if (!ramp || !end || !is_const_one(ramp->stride) || !is_const_zero(select->false_value)) {
    return false;
  }
  const std::optional<int64_t> first = as_const_int(ramp->base), last = as_const_int(end->value);
  return first && last && ramp->lanes % 2 == 0 && *last - *first <= ramp->lanes / 2;
}

Expr slice_of_first_half(const Expr& e) {
  return Shuffle::make_slice(e, 0, 1, e.type().lanes() / 2);
}

// The first half of a vector's lanes, computed as such wherever that can be seen through.
class FirstHalf : public IRMutator {
 public:
  Expr mutate(const Expr& e) override {
    if (e.type().is_scalar()) return e;
    switch (e.node_type()) {
      case IRNodeType::Add:
      case IRNodeType::Sub:
      case IRNodeType::Mul:
      case IRNodeType::Div:
      case IRNodeType::Min:
      case IRNodeType::Max:
      case IRNodeType::LT:
      case IRNodeType::LE:
      case IRNodeType::Select:
      case IRNodeType::Ramp:
      case IRNodeType::Broadcast:
      case IRNodeType::Load:
      case IRNodeType::Shuffle: return IRMutator::mutate(e);
      default: return slice_of_first_half(e);
    }
  }

 private:
  using IRMutator::visit;

  Expr visit(const Ramp* ramp) override {
    if (!ramp->base.type().is_scalar()) return slice_of_first_half(ramp);
    return Ramp::make(ramp->base, ramp->stride, ramp->lanes / 2);
  }

  Expr visit(const Broadcast* broadcast) override {
    if (!broadcast->value.type().is_scalar()) return slice_of_first_half(broadcast);
    return Broadcast::make(broadcast->value, broadcast->lanes / 2);
  }

  Expr visit(const Load* load) override {
    return Load::make(load->type.with_lanes(load->type.lanes() / 2), load->name,
                      mutate(load->index), load->image, load->param, mutate(load->predicate),
                      load->alignment);
  }

  Expr visit(const Shuffle* shuffle) override {
    const size_t lanes = shuffle->indices.size() / 2;
    const std::vector<int> indices(shuffle->indices.begin(),
                                   shuffle->indices.begin() + static_cast<int64_t>(lanes));
    std::vector<int> all(lanes);
    std::iota(all.begin(), all.end(), 0);
    const Expr& first = shuffle->vectors[0];
    if (indices == all && first.type().lanes() == static_cast<int>(lanes)) return first;
    return Shuffle::make(shuffle->vectors, indices);
  }
};

std::optional<int64_t> constant_base(const Expr& index) {
  const Ramp* ramp = index.as<Ramp>();
  return ramp && is_const_one(ramp->stride) ? as_const_int(ramp->base) : std::nullopt;
}

// How one allocation is accessed: the vectors of which first halves alone are read.
class Accesses : public IRVisitor {
 public:
  explicit Accesses(const Allocate* allocation) : name_(allocation->name) {
    allocation->body.accept(this);
  }

  std::set<int64_t> halves() const {
    std::set<int64_t> halves;
    for (int64_t base : half_) {
      const bool apart = std::none_of(all_.begin(), all_.end(), [&](int64_t other) {
        return other != base && std::abs(other - base) < lanes_;
      });
      if (known_ && apart && !whole_.contains(base)) halves.insert(base);
    }
    return halves;
  }

 private:
  using IRVisitor::visit;

  void visit(const Select* select) override {
    if (!keeps_first_half(select)) return IRVisitor::visit(select);
    const bool before = in_half_;
    in_half_ = true;
    select->true_value.accept(this);
    in_half_ = before;
  }

  void visit(const Load* load) override {
    IRVisitor::visit(load);
    if (load->name != name_) return;
    const std::optional<int64_t> base = note(load->index);
    if (!base || base == stored_) return;  // a sum reads what it writes
    (in_half_ ? half_ : whole_).insert(*base);
  }

  void visit(const Store* store) override {
    if (store->name != name_) return IRVisitor::visit(store);
    stored_ = note(store->index);
    store->value.accept(this);
    stored_.reset();
  }

  std::optional<int64_t> note(const Expr& index) {
    const std::optional<int64_t> base = constant_base(index);
    const int lanes = index.type().lanes();
    known_ = known_ && base && (lanes_ == 0 || lanes == lanes_);
    lanes_ = lanes;
    if (base) all_.insert(*base);
    return base;
  }

  const std::string& name_;
  bool known_ = true, in_half_ = false;
  int lanes_ = 0;
  std::optional<int64_t> stored_;
  std::set<int64_t> all_, half_, whole_;
};

// Stores to the halves of one allocation, and what is selected from them, in half vectors.
class Narrow : public IRMutator {
 public:
  Narrow(const std::string& name, const std::set<int64_t>& halves) : name_(name), halves_(halves) {}

 private:
  using IRMutator::visit;

  Expr visit(const Select* select) override {
    if (!keeps_first_half(select)) return IRMutator::visit(select);
    const Expr half = simplify(FirstHalf().mutate(Expr(select)));
    return Shuffle::make_concat({half, make_zero(half.type())});
  }

  Stmt visit(const Store* store) override {
    const std::optional<int64_t> base = constant_base(store->index);
    if (store->name != name_ || !base || !halves_.contains(*base)) return IRMutator::visit(store);
    FirstHalf half;
    return Store::make(store->name, half.mutate(store->value), half.mutate(store->index),
                       store->param, half.mutate(store->predicate), store->alignment);
  }

  const std::string& name_;
  const std::set<int64_t>& halves_;
};

}  // namespace

Stmt HalfVectors::visit(const Allocate* allocation) {
  const std::set<int64_t> halves = Accesses(allocation).halves();
  if (halves.empty()) return IRMutator::visit(allocation);
  // Halide gives allocations of one type the same stack, one after the other. LLVM would see both
  // widths in it and keep whole vectors.
  const Halide::Type own = allocation->type.with_code(halide_type_int);
  return Allocate::make(allocation->name, own, allocation->memory_type, allocation->extents,
                        allocation->condition,
                        Narrow(allocation->name, halves).mutate(allocation->body),
                        allocation->new_expr, allocation->free_function, allocation->padding);
}

}  // namespace ag::schedule
