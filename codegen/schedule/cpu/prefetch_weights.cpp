#include "codegen/schedule/cpu/prefetch_weights.h"

#include <map>
#include <vector>

namespace ag::schedule {

using namespace Halide::Internal;
using Halide::Expr;

namespace {

// Whether a loop has loops inside, and the vectors of the weights that it reads, in terms of what
// is known outside.
class LoopBody : public IRVisitor {
 public:
  LoopBody(const For* loop, const std::string& weights) : weights_(weights) {
    loop->body.accept(this);
  }

  struct Vector {
    Halide::Type type;
    Expr index;
  };
  bool is_innermost = true;
  std::vector<Vector> vectors;

 private:
  using IRVisitor::visit;

  void visit(const For* loop) override {
    is_innermost = false;
    IRVisitor::visit(loop);
  }
  void visit(const Let* let) override { visit_let(let); }
  void visit(const LetStmt* let) override { visit_let(let); }

  template <class Node>
  void visit_let(const Node* let) {
    let->value.accept(this);
    lets_[let->name] = substitute(lets_, let->value);
    let->body.accept(this);
  }

  void visit(const Load* load) override {
    IRVisitor::visit(load);
    if (load->name != weights_ || !load->index.as<Ramp>()) return;
    const Expr index = substitute(lets_, load->index);
    for (const Vector& known : vectors) {
      if (equal(known.index, index)) return;
    }
    vectors.push_back({load->type, index});
  }

  const std::string& weights_;
  std::map<std::string, Expr> lets_;
};

}  // namespace

Stmt PrefetchWeights::visit(const For* loop) {
  const LoopBody body(loop, weights_);
  if (!body.is_innermost || body.vectors.empty()) return IRMutator::visit(loop);
  Stmt asking = loop->body;
  const Expr buffer = Variable::make(Halide::Handle(), weights_), one = 1;
  for (const LoopBody::Vector& vector : body.vectors) {
    const Ramp* ramp = vector.index.as<Ramp>();
    const Expr ahead = simplify(ramp->base + ahead_ * ramp->lanes);
    const Expr ask = Call::make(vector.type.element_of(), Call::prefetch, {buffer, ahead, one, one},
                                Call::Intrinsic);
    asking = Block::make(Evaluate::make(ask), asking);
  }
  return For::make(loop->name, loop->min, loop->extent, loop->for_type, loop->partition_policy,
                   loop->device_api, asking);
}

}  // namespace ag::schedule
