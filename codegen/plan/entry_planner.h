// The planner's working parts. Internal to codegen/plan.
#pragma once

#include <map>
#include <set>

#include "codegen/plan/arena.h"
#include "codegen/plan/buffer_form.h"
#include "codegen/plan/planner.h"
#include "passes/storage.h"

namespace ag::plan {

// A stored value: its buffer in the program and how it lies there.
struct Placement {
  int buffer = -1;
  BufferForm form;
};

// What the entries of a program have in common: tensors of one name, prepared values, kernels.
class SharedPlan {
 public:
  SharedPlan(ProgramPlan& plan, const Target& target, std::span<const EntryGraph> entries);

  const Target& target() const { return target_; }
  ProgramPlan& plan() { return plan_; }
  Program& program() { return plan_.program; }

  // Whether some entry writes a new value to the leaf of this name.
  bool is_updated(const std::string& name) const { return updated_.contains(name); }
  // The tensor of a parameter or state, made at its first use.
  int leaf_tensor(const Graph& graph, Value leaf);
  Placement leaf_placement(const Graph& graph, Value leaf);

  int add_tensor(Tensor tensor);
  int add_buffer(Storage storage, int64_t offset, const BufferForm& form, int tensor = -1);
  // Appends to storage `prepared`.
  int64_t reserve_prepared(int64_t bytes);
  // Remembers the request if it is new; returns its symbol.
  std::string add_request(KernelRequest request);

  // Buffers of prepare steps already planned, by kernel and operand buffers.
  std::map<std::string, std::vector<Placement>> prepared;

 private:
  ProgramPlan& plan_;
  const Target& target_;
  std::set<std::string> updated_;
  std::map<std::string, int> leaf_tensors_;
  std::set<std::string> symbols_;
  int64_t state_bytes_ = 0, parameter_bytes_ = 0;
};

// A buffer of the arena whose halo was zeroed, and that nobody has written over since.
struct ZeroedHalo {
  int64_t begin, end;
  BufferForm form;
};

class EntryPlanner {
 public:
  EntryPlanner(SharedPlan& shared, const EntryGraph& entry);
  void run();

 private:
  void find_slices();
  void find_halos();
  void find_uses();
  void find_prepared();
  void place_inputs();
  void place_outputs();
  void place_update(const Output& output);
  void place_temporaries();
  // Lifetimes of the values in the arena, or in that of the prepare steps, by the value they are
  // stored in.
  std::map<Value, Lifetime> lifetimes(bool prepare) const;
  int64_t place_in_arena(const std::map<Value, Lifetime>& lifetimes, int64_t& bytes);
  // Claims the memory of a value that is about to be written; returns whether its halo still holds
  // the zeros of one that lay in its place, since kernels write tensors and not their halos.
  bool claim_zero_halo(Value value);
  // Gives the value, and all that is stored in it, their buffers.
  void place(Value value, Storage storage, int64_t offset, int tensor = -1);
  bool is_empty(int node) const;
  void emit_kernel(int node);
  bool may_read_wide(int node) const;
  void emit_final_copies();
  Step kernel_step(int node, const std::string& symbol) const;

  const Node& node(int i) const { return graph_.node(i); }
  bool is_kernel(int i) const { return graph_.node(i).op->kind == OpKind::kernel; }
  // Whether a kernel only says that values are stored in each other (passes/storage.h).
  bool is_view(int i) const;
  // Whether the value is another's bytes in another shape.
  bool is_reshape(Value value) const;
  Value whole_of(Value value) const;
  BufferForm form(Value value) const;
  // Whether the new value may be written over the leaf's old one by its own kernel.
  bool can_overwrite(Value fresh, Value leaf) const;
  std::vector<int64_t> in_place_operands(int node) const;

  SharedPlan& shared_;
  const Graph& graph_;
  Entry entry_;
  std::map<Value, StoredSlice> slices_;
  std::map<Value, std::vector<Value>> parts_;  // stored in the value
  std::map<Value, Halo> halos_;
  std::vector<int64_t> live_bytes_;  // of the arena while a node's kernel runs; then the outputs'
  std::map<Value, int> last_use_;
  std::vector<bool> is_prepare_;
  std::map<Value, bool> used_outside_prepare_;
  std::map<Value, Placement> placements_;
  std::map<Value, Value> overwrites_;                // fresh value -> leaf
  std::vector<ZeroedHalo> zeroed_;                   // in the arena, apart from each other
  std::vector<std::pair<Value, int>> final_copies_;  // value -> buffer
};

}  // namespace ag::plan
