// Code for CUDA devices through LLVM: a module of kernels, and what a kernel has besides plain
// code.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "codegen/target.h"
#include "ir/dtype.h"

namespace ag::nvptx {

// Address spaces of NVPTX.
enum Space : unsigned { kGlobal = 1, kShared = 3 };

// Owns what LLVM builds.
class DeviceModule {
 public:
  DeviceModule(const std::string& name, const Target& target);
  ~DeviceModule();

  // Optimises, and gives the text. Call once.
  std::string ptx();
  llvm::LLVMContext& context() { return context_; }
  llvm::Module& module() { return *module_; }

 private:
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::TargetMachine> machine_;
  std::unique_ptr<llvm::Module> module_;
};

// A kernel under construction: its parameters are addresses in global memory. `at` appends.
class DeviceKernel {
 public:
  // `exclusive[i]`: nothing else reaches the memory of parameter i.
  DeviceKernel(DeviceModule& module, const std::string& name, const std::vector<bool>& exclusive,
               int64_t threads);

  llvm::IRBuilder<> at;

  llvm::Value* parameter(int index) { return function_->getArg(static_cast<unsigned>(index)); }
  llvm::Value* thread();         // in its block; blocks are lines of threads
  llvm::Value* block(int axis);  // x, y, z
  llvm::Value* number(int64_t value) { return at.getInt32(static_cast<uint32_t>(value)); }
  llvm::Value* real(double value);

  // What memory holds of an element: f32, or the bits of an f16 or bf16, or a truth's byte.
  llvm::Type* stored_type(DType dtype);
  // Its value: a number in f32, a truth as one bit; and a number as it is stored, rounded to
  // nearest even.
  llvm::Value* computed(llvm::Value* stored, DType dtype);
  llvm::Value* stored(llvm::Value* value, DType dtype);

  // An array of the block in shared memory.
  llvm::Value* shared_array(const std::string& name, DType dtype, int64_t elements);
  // The address of element `index` of an array.
  llvm::Value* element(llvm::Value* array, DType dtype, llvm::Value* index);
  // `count` neighbours from there, as they are stored and as numbers: for more than one they start
  // at a multiple of their size.
  llvm::Value* load_stored(llvm::Value* array, DType dtype, llvm::Value* index, int64_t count);
  std::vector<llvm::Value*> load(llvm::Value* array, DType dtype, llvm::Value* index,
                                 int64_t count);
  llvm::Value* load(llvm::Value* array, DType dtype, llvm::Value* index);
  void store(llvm::Value* value, llvm::Value* array, DType dtype, llvm::Value* index);
  // A variable of one thread: mem2reg makes it a register.
  llvm::AllocaInst* variable(llvm::Type* type, const std::string& name);

  void barrier();
  // Copies 4, 8 or 16 bytes to shared memory while the thread goes on; zeros where they do not
  // exist.
  void copy_async(llvm::Value* to, llvm::Value* from, int64_t bytes, llvm::Value* exists);
  void commit_copies();                  // those since the last commit become a group
  void wait_for_copies(int64_t groups);  // until at most so many of the latest groups are under way

  llvm::Value* both(llvm::Value* a, llvm::Value* b);  // null counts as true
  void loop(llvm::Value* begin, llvm::Value* end, const std::function<void(llvm::Value*)>& body);
  // Runs `body` where the condition holds; always, where it is null.
  void where(llvm::Value* condition, const std::function<void()>& body);
  void finish() { at.CreateRetVoid(); }

 private:
  llvm::Value* call(llvm::Intrinsic::ID intrinsic, llvm::ArrayRef<llvm::Value*> arguments = {});

  DeviceModule& module_;
  llvm::Function* function_;
};

}  // namespace ag::nvptx
