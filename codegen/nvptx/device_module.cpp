#include "codegen/nvptx/device_module.h"

#include <llvm/IR/IntrinsicsNVPTX.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetOptions.h>

#include "ir/internal_error.h"

namespace ag::nvptx {
namespace {

constexpr const char* kTriple = "nvptx64-nvidia-cuda";

// One module of text holds kernels of Halide's too, under one head: the same levels of PTX.
struct Level {
  const char *processor, *features;
};
Level level_of(const Target& target) {
  if (target.compute_capability < 86) return {"sm_80", "+ptx70"};
  return {"sm_86", "+ptx71"};
}

std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  std::string error;
  const llvm::Target* backend = llvm::TargetRegistry::lookupTarget(kTriple, error);
  if (!backend) internal_error("LLVM has no backend for {}: {}", kTriple, error);
  const Level level = level_of(target);
  std::unique_ptr<llvm::TargetMachine> machine(
      backend->createTargetMachine(kTriple, level.processor, level.features, {}, std::nullopt,
                                   std::nullopt, llvm::CodeGenOptLevel::Default));
  if (!machine) internal_error("LLVM makes no target machine for {}", level.processor);
  return machine;
}

// What is written here is unrolled where it should be; ptxas does the rest.
void optimize(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopUnrolling = tuning.LoopVectorization = tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager calls;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(calls);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, calls, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
}

}  // namespace

DeviceModule::DeviceModule(const std::string& name, const Target& target)
    : machine_(make_machine(target)), module_(std::make_unique<llvm::Module>(name, context_)) {
  module_->setTargetTriple(kTriple);
  module_->setDataLayout(machine_->createDataLayout());
}

DeviceModule::~DeviceModule() = default;

std::string DeviceModule::ptx() {
  std::string complaint;
  llvm::raw_string_ostream complaints(complaint);
  if (llvm::verifyModule(*module_, &complaints)) internal_error("bad kernel: {}", complaint);
  optimize(*module_, *machine_);
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine_->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    internal_error("LLVM cannot emit PTX");
  passes.run(*module_);
  return {bytes.data(), bytes.size()};
}

DeviceKernel::DeviceKernel(DeviceModule& module, const std::string& name,
                           const std::vector<bool>& exclusive, int64_t threads)
    : at(module.context()), module_(module) {
  llvm::LLVMContext& context = module.context();
  const std::vector<llvm::Type*> types(exclusive.size(), at.getPtrTy(kGlobal));
  function_ = llvm::Function::Create(llvm::FunctionType::get(at.getVoidTy(), types, false),
                                     llvm::GlobalValue::ExternalLinkage, name, module.module());
  function_->setCallingConv(llvm::CallingConv::PTX_Kernel);
  for (unsigned i = 0; i < exclusive.size(); ++i)
    if (exclusive[i]) function_->addParamAttr(i, llvm::Attribute::NoAlias);
  const auto note = [&](const char* key, int64_t value) {
    llvm::Metadata* entry[] = {
        llvm::ValueAsMetadata::get(function_), llvm::MDString::get(context, key),
        llvm::ConstantAsMetadata::get(at.getInt32(static_cast<uint32_t>(value)))};
    module.module()
        .getOrInsertNamedMetadata("nvvm.annotations")
        ->addOperand(llvm::MDNode::get(context, entry));
  };
  note("kernel", 1);
  note("maxntidx", threads);
  // A large block may use all registers there are: ptxas spills where it hopes to fit more of them.
  // In small ones it then loads ahead until registers run out, and so it does with many operands.
  constexpr size_t kFewParameters = 16;
  constexpr int64_t kLargeBlock = 256;
  if (threads >= kLargeBlock && exclusive.size() <= kFewParameters) note("minctasm", 1);
  at.SetInsertPoint(llvm::BasicBlock::Create(context, "entry", function_));
  llvm::FastMathFlags contracts;
  contracts.setAllowContract();
  at.setFastMathFlags(contracts);
}

llvm::Value* DeviceKernel::call(llvm::Intrinsic::ID intrinsic,
                                llvm::ArrayRef<llvm::Value*> arguments) {
  return at.CreateIntrinsic(intrinsic, {}, arguments);
}

llvm::Value* DeviceKernel::thread() { return call(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x); }

llvm::Value* DeviceKernel::block(int axis) {
  constexpr llvm::Intrinsic::ID kBlocks[] = {llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x,
                                             llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_y,
                                             llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_z};
  return call(kBlocks[axis]);
}

llvm::Value* DeviceKernel::real(double value) {
  return llvm::ConstantFP::get(at.getFloatTy(), value);
}

llvm::Type* DeviceKernel::stored_type(DType dtype) {
  if (dtype == DType::f32) return at.getFloatTy();
  return size_of(dtype) == 2 ? at.getInt16Ty() : at.getInt8Ty();
}

llvm::Value* DeviceKernel::computed(llvm::Value* stored, DType dtype) {
  if (dtype == DType::boolean) return at.CreateICmpNE(stored, at.getInt8(0));
  if (dtype == DType::f16)
    return at.CreateFPExt(at.CreateBitCast(stored, at.getHalfTy()), at.getFloatTy());
  if (dtype != DType::bf16) return stored;
  llvm::Value* bits = at.CreateShl(at.CreateZExt(stored, at.getInt32Ty()), at.getInt32(16));
  return at.CreateBitCast(bits, at.getFloatTy());
}

llvm::Value* DeviceKernel::stored(llvm::Value* value, DType dtype) {
  if (dtype == DType::f32) return value;
  llvm::Type* half = dtype == DType::f16 ? at.getHalfTy() : at.getBFloatTy();
  return at.CreateBitCast(at.CreateFPTrunc(value, half), at.getInt16Ty());
}

llvm::Value* DeviceKernel::shared_array(const std::string& name, DType dtype, int64_t elements) {
  llvm::Type* type = llvm::ArrayType::get(stored_type(dtype), static_cast<uint64_t>(elements));
  auto* array = new llvm::GlobalVariable(
      module_.module(), type, false, llvm::GlobalValue::InternalLinkage,
      llvm::UndefValue::get(type), name, nullptr, llvm::GlobalValue::NotThreadLocal, kShared);
  array->setAlignment(llvm::Align(16));
  return array;
}

llvm::Value* DeviceKernel::element(llvm::Value* array, DType dtype, llvm::Value* index) {
  return at.CreateGEP(stored_type(dtype), array, index);
}

llvm::Value* DeviceKernel::load_stored(llvm::Value* array, DType dtype, llvm::Value* index,
                                       int64_t count) {
  llvm::Type* type = stored_type(dtype);
  if (count > 1) type = llvm::FixedVectorType::get(type, static_cast<unsigned>(count));
  return at.CreateAlignedLoad(type, element(array, dtype, index),
                              llvm::Align(size_of(dtype) * static_cast<uint64_t>(count)));
}

std::vector<llvm::Value*> DeviceKernel::load(llvm::Value* array, DType dtype, llvm::Value* index,
                                             int64_t count) {
  llvm::Value* stored = load_stored(array, dtype, index, count);
  if (count == 1) return {computed(stored, dtype)};
  std::vector<llvm::Value*> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(computed(at.CreateExtractElement(stored, static_cast<uint64_t>(i)), dtype));
  return values;
}

llvm::Value* DeviceKernel::load(llvm::Value* array, DType dtype, llvm::Value* index) {
  return load(array, dtype, index, 1)[0];
}

void DeviceKernel::store(llvm::Value* value, llvm::Value* array, DType dtype, llvm::Value* index) {
  at.CreateStore(stored(value, dtype), element(array, dtype, index));
}

llvm::AllocaInst* DeviceKernel::variable(llvm::Type* type, const std::string& name) {
  llvm::BasicBlock& entry = function_->getEntryBlock();
  llvm::IRBuilder<> first(&entry, entry.begin());
  return first.CreateAlloca(type, nullptr, name);
}

void DeviceKernel::barrier() { call(llvm::Intrinsic::nvvm_barrier0); }

void DeviceKernel::copy_async(llvm::Value* to, llvm::Value* from, int64_t bytes,
                              llvm::Value* exists) {
  const llvm::Intrinsic::ID copy =
      bytes == 16  ? llvm::Intrinsic::nvvm_cp_async_cg_shared_global_16_s
      : bytes == 8 ? llvm::Intrinsic::nvvm_cp_async_ca_shared_global_8_s
                   : llvm::Intrinsic::nvvm_cp_async_ca_shared_global_4_s;
  call(copy, {to, from, at.CreateSelect(exists, number(bytes), number(0))});
}

void DeviceKernel::commit_copies() { call(llvm::Intrinsic::nvvm_cp_async_commit_group); }

void DeviceKernel::wait_for_copies(int64_t groups) {
  call(llvm::Intrinsic::nvvm_cp_async_wait_group, {number(groups)});
}

llvm::Value* DeviceKernel::both(llvm::Value* a, llvm::Value* b) {
  if (!a || !b) return a ? a : b;
  return at.CreateAnd(a, b);
}

void DeviceKernel::loop(llvm::Value* begin, llvm::Value* end,
                        const std::function<void(llvm::Value*)>& body) {
  llvm::LLVMContext& context = module_.context();
  llvm::AllocaInst* counter = variable(at.getInt32Ty(), "counter");
  auto* test = llvm::BasicBlock::Create(context, "test", function_);
  auto* inside = llvm::BasicBlock::Create(context, "inside", function_);
  auto* behind = llvm::BasicBlock::Create(context, "behind", function_);
  at.CreateStore(begin, counter);
  at.CreateBr(test);
  at.SetInsertPoint(test);
  llvm::Value* index = at.CreateLoad(at.getInt32Ty(), counter);
  at.CreateCondBr(at.CreateICmpSLT(index, end), inside, behind);
  at.SetInsertPoint(inside);
  body(index);
  at.CreateStore(at.CreateAdd(index, number(1)), counter);
  at.CreateBr(test);
  at.SetInsertPoint(behind);
}

void DeviceKernel::where(llvm::Value* condition, const std::function<void()>& body) {
  if (!condition) return body();
  llvm::LLVMContext& context = module_.context();
  auto* inside = llvm::BasicBlock::Create(context, "inside", function_);
  auto* behind = llvm::BasicBlock::Create(context, "behind", function_);
  at.CreateCondBr(condition, inside, behind);
  at.SetInsertPoint(inside);
  body();
  at.CreateBr(behind);
  at.SetInsertPoint(behind);
}

}  // namespace ag::nvptx
