#include "codegen/link/driver_module.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/Target/TargetMachine.h>

#include "codegen/link/constant_tables.h"
#include "codegen/link/cuda_tables.h"
#include "codegen/link/debug_lines.h"
#include "codegen/link/machine_code.h"
#include "ir/diagnostics.h"
#include "ir/internal_error.h"
#include "runtime/halide_abi.h"

namespace ag {
namespace {

// Writes the functions of entries: int32 f(Worker*, halide_buffer_t* buffers, Profile*).
class DriverWriter {
 public:
  DriverWriter(llvm::Module& module, const plan::Program& program, DebugLines& lines)
      : module_(module),
        program_(program),
        lines_(lines),
        tables_(module),
        builder_(module.getContext()) {}

  llvm::Function* write(const std::string& name, const std::vector<plan::Step>& steps) {
    llvm::Type* pointer = builder_.getPtrTy();
    function_ = llvm::Function::Create(
        llvm::FunctionType::get(builder_.getInt32Ty(), {pointer, pointer, pointer}, false),
        llvm::GlobalValue::InternalLinkage, program_.name + "_" + name, module_);
    function_->setDoesNotThrow();
    lines_.enter(*function_, steps.empty() ? Location() : steps.front().location);
    builder_.SetInsertPoint(block("entry"));
    builder_.SetCurrentDebugLocation(lines_.between());
    profiling_ = builder_.CreateIsNotNull(function_->getArg(2));
    failed_ = block("failed");
    failures_.clear();
    for (size_t i = 0; i < steps.size(); ++i) write_step(steps[i], i);
    builder_.SetCurrentDebugLocation(lines_.between());
    builder_.CreateRet(builder_.getInt32(0));
    finish_failures();
    return function_;
  }

 private:
  llvm::BasicBlock* block(const char* name) {
    return llvm::BasicBlock::Create(module_.getContext(), name, function_);
  }

  llvm::Value* buffer(int index) {
    return builder_.CreateConstInBoundsGEP1_64(
        builder_.getInt8Ty(), function_->getArg(1),
        static_cast<uint64_t>(index) * sizeof(halide_buffer_t));
  }

  void write_step(const plan::Step& step, size_t index) {
    builder_.SetCurrentDebugLocation(lines_.at(step.location));
    switch (step.routine) {
      case plan::Routine::none: call_kernel(step, index); break;
      case plan::Routine::zero_boxes:
        call_runtime("argent_rt_zero_boxes", {function_->getArg(0), buffer(step.buffers.at(0)),
                                              boxes(step), builder_.getInt64(step.boxes.size())});
        zeros_wait_ = true;
        break;
      case plan::Routine::copy:
        call_runtime("argent_rt_copy", {buffer(step.buffers.at(0)), buffer(step.buffers.at(1))});
        break;
      case plan::Routine::upload:
      case plan::Routine::download: internal_error("step {} is of a CUDA program", step.name);
    }
    mark_profile(index);
  }

  void call_runtime(const char* name, const std::vector<llvm::Value*>& arguments) {
    std::vector<llvm::Type*> types;
    for (llvm::Value* argument : arguments) types.push_back(argument->getType());
    builder_.CreateCall(module_.getOrInsertFunction(
                            name, llvm::FunctionType::get(builder_.getVoidTy(), types, false)),
                        arguments);
  }

  void call_kernel(const plan::Step& step, size_t index) {
    std::vector<llvm::Value*> arguments = {function_->getArg(0)};
    for (int i : step.buffers) arguments.push_back(buffer(i));
    const std::vector<llvm::Type*> types(arguments.size(), builder_.getPtrTy());
    llvm::Value* result = builder_.CreateCall(
        module_.getOrInsertFunction(step.kernel,
                                    llvm::FunctionType::get(builder_.getInt32Ty(), types, false)),
        arguments);
    llvm::BasicBlock* next = block("next");
    failures_.emplace_back(index + 1, builder_.GetInsertBlock());
    builder_.CreateCondBr(builder_.CreateIsNull(result), next, failed_);
    builder_.SetInsertPoint(next);
    if (zeros_wait_) call_runtime("argent_rt_zero_rest", {function_->getArg(0)});
    zeros_wait_ = false;
  }

  void mark_profile(size_t index) {
    llvm::BasicBlock *mark = block("mark"), *next = block("marked");
    builder_.CreateCondBr(profiling_, mark, next);
    builder_.SetInsertPoint(mark);
    call_runtime("argent_rt_step_done", {function_->getArg(2), builder_.getInt32(index)});
    builder_.CreateBr(next);
    builder_.SetInsertPoint(next);
  }

  // Returns 1 + the index of the step whose call came here.
  void finish_failures() {
    builder_.SetInsertPoint(failed_);
    if (failures_.empty()) {
      failed_->eraseFromParent();
      return;
    }
    auto* step = builder_.CreatePHI(builder_.getInt32Ty(), failures_.size());
    for (auto& [index, from] : failures_) step->addIncoming(builder_.getInt32(index), from);
    builder_.CreateRet(step);
  }

  // An array of BoxRecord.
  llvm::Constant* boxes(const plan::Step& step) {
    Constants records;
    for (const plan::Box& box : step.boxes) {
      Constants dims;
      for (const plan::BufferDim& dim : box.dims) {
        dims.push_back(
            tables_.record({tables_.u32(0), tables_.u32(static_cast<uint32_t>(dim.extent)),
                            tables_.u32(static_cast<uint32_t>(dim.stride)), tables_.u32(0)}));
      }
      records.push_back(tables_.record({tables_.i64(box.offset), tables_.array("box", dims),
                                        tables_.i64(static_cast<int64_t>(dims.size()))}));
    }
    return tables_.array("boxes", records);
  }

  llvm::Module& module_;
  const plan::Program& program_;
  DebugLines& lines_;
  ConstantTables tables_;
  llvm::IRBuilder<> builder_;
  llvm::Function* function_ = nullptr;
  llvm::Value* profiling_ = nullptr;
  llvm::BasicBlock* failed_ = nullptr;
  bool zeros_wait_ = false;  // for the next kernel
  std::vector<std::pair<size_t, llvm::BasicBlock*>> failures_;
};

// The tables of one level.
llvm::GlobalVariable* add_level(llvm::Module& module, const plan::Program& program,
                                DebugLines& lines, BlobTable& blobs) {
  const Target& target = find_target(program.target);
  if (target.is_cuda()) return add_cuda_image(module, program, target, blobs);
  DriverWriter writer(module, program, lines);
  DriverFunctions functions;
  for (const plan::Entry& entry : program.entries) {
    functions.entries.push_back(writer.write(entry.name, entry.steps));
  }
  if (!program.prepare.empty()) functions.prepare = writer.write("prepare", program.prepare);
  return add_image(module, program, target, functions, blobs);
}

// const argent_library* NAME_model()
void add_model_function(llvm::Module& module, const plan::Program& program,
                        const Constants& images) {
  llvm::IRBuilder<> builder(module.getContext());
  auto* function =
      llvm::Function::Create(llvm::FunctionType::get(builder.getPtrTy(), false),
                             llvm::GlobalValue::ExternalLinkage, model_symbol(program), module);
  function->setDoesNotThrow();
  builder.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  if (images.size() == 1) {
    builder.CreateRet(images[0]);
    return;
  }
  ConstantTables tables(module);
  llvm::Constant* table = tables.record(
      {tables.array("levels", images), tables.i64(static_cast<int64_t>(images.size()))});
  const auto choose = module.getOrInsertFunction(
      find_target(program.target).is_cuda() ? "argent_cuda_choose" : "argent_rt_choose",
      llvm::FunctionType::get(builder.getPtrTy(), {builder.getPtrTy()}, false));
  builder.CreateRet(builder.CreateCall(choose, {tables.global(program.name + "_levels", table)}));
}

}  // namespace

std::string model_symbol(const plan::Program& program) { return program.name + "_model"; }

DriverObject driver_object(std::span<const plan::Program> levels, LinkedInto place) {
  const plan::Program& program = levels[0];
  const Target& target = find_target(program.target);
  const std::unique_ptr<llvm::TargetMachine> machine = make_target_machine(target);
  llvm::LLVMContext context;
  llvm::Module module(program.name, context);
  module.setTargetTriple(std::string(target.triple));
  module.setDataLayout(machine->createDataLayout());
  module.setPICLevel(llvm::PICLevel::BigPIC);
  DebugLines lines(module, program.name);
  BlobTable blobs(module, place);
  Constants images;
  for (const plan::Program& level : levels) {
    images.push_back(add_level(module, level, lines, blobs));
  }
  add_model_function(module, program, images);
  lines.finish();
  return {object_bytes(module, *machine), blobs.symbols()};
}

}  // namespace ag
