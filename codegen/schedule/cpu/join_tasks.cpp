#include "codegen/schedule/cpu/join_tasks.h"

#include <vector>

namespace ag::schedule {

using namespace Halide::Internal;
using Halide::Expr;

namespace {

// The parallel loop that a Func's production consists of, and the values that are named around it.
struct TaskLoop {
  const For* loop = nullptr;
  std::vector<const LetStmt*> lets;  // outermost first
};

TaskLoop task_loop(const ProducerConsumer* node) {
  TaskLoop found;
  Stmt body = node->body;
  while (const LetStmt* let = body.as<LetStmt>()) {
    found.lets.push_back(let);
    body = let->body;
  }
  const For* loop = body.as<For>();
  if (loop && loop->for_type == ForType::Parallel) found.loop = loop;
  return found;
}

class FindTasks : public IRVisitor {
 public:
  FindTasks(const std::string& first, const std::string& second) : names_{first, second} {}

  TaskLoop first, second;
  bool are_alike() const {
    return first.loop && second.loop && equal(first.loop->min, second.loop->min) &&
           equal(first.loop->extent, second.loop->extent);
  }

 private:
  using IRVisitor::visit;
  void visit(const ProducerConsumer* node) override {
    if (node->is_producer && node->name == names_[0]) first = task_loop(node);
    if (node->is_producer && node->name == names_[1] && first.loop) second = task_loop(node);
    IRVisitor::visit(node);
  }
  const std::string names_[2];
};

class Join : public IRMutator {
 public:
  explicit Join(const FindTasks& tasks) : tasks_(tasks) {}

 private:
  using IRMutator::visit;
  Stmt visit(const For* loop) override {
    const TaskLoop& first = tasks_.first;
    if (loop == first.loop) return Evaluate::make(0);
    if (loop != tasks_.second.loop) return IRMutator::visit(loop);
    Stmt before =
        substitute(first.loop->name, Variable::make(Halide::Int(32), loop->name), first.loop->body);
    for (auto let = first.lets.rbegin(); let != first.lets.rend(); ++let)
      before = LetStmt::make((*let)->name, (*let)->value, before);
    return For::make(loop->name, loop->min, loop->extent, loop->for_type, loop->partition_policy,
                     loop->device_api, Block::make(before, loop->body));
  }
  const FindTasks& tasks_;
};

}  // namespace

Stmt JoinTasks::mutate(const Stmt& pipeline) {
  FindTasks tasks(first_, second_);
  pipeline.accept(&tasks);
  return tasks.are_alike() ? Join(tasks).mutate(pipeline) : pipeline;
}

}  // namespace ag::schedule
