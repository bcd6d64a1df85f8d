#include "codegen/link/constant_tables.h"

namespace ag {

llvm::Constant* ConstantTables::u32(uint64_t value) const {
  return llvm::ConstantInt::get(llvm::Type::getInt32Ty(module_.getContext()), value);
}

llvm::Constant* ConstantTables::i64(int64_t value) const {
  return llvm::ConstantInt::getSigned(llvm::Type::getInt64Ty(module_.getContext()), value);
}

llvm::Constant* ConstantTables::null() const {
  return llvm::ConstantPointerNull::get(llvm::PointerType::getUnqual(module_.getContext()));
}

llvm::GlobalVariable* ConstantTables::global(const std::string& name, llvm::Constant* value) {
  return new llvm::GlobalVariable(module_, value->getType(), /*isConstant=*/true,
                                  llvm::GlobalValue::InternalLinkage, value, name);
}

llvm::Constant* ConstantTables::text(std::string_view value) {
  if (auto found = texts_.find(value); found != texts_.end()) return found->second;
  auto* bytes =
      llvm::ConstantDataArray::getString(module_.getContext(), {value.data(), value.size()});
  auto* variable = global("text", bytes);
  variable->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  variable->setLinkage(llvm::GlobalValue::PrivateLinkage);
  return texts_.emplace(value, variable).first->second;
}

llvm::Constant* ConstantTables::record(const Constants& fields) const {
  return llvm::ConstantStruct::getAnon(module_.getContext(), fields);
}

llvm::Constant* ConstantTables::array(const std::string& name, const Constants& elements) {
  if (elements.empty()) return null();
  auto* type = llvm::ArrayType::get(elements.front()->getType(), elements.size());
  return global(name, llvm::ConstantArray::get(type, elements));
}

llvm::Constant* ConstantTables::element(llvm::Constant* array, size_t index) const {
  auto* variable = llvm::cast<llvm::GlobalVariable>(array);
  llvm::Constant* const indices[] = {u32(0), u32(index)};
  return llvm::ConstantExpr::getInBoundsGetElementPtr(variable->getValueType(), variable,
                                                      llvm::ArrayRef<llvm::Constant*>(indices));
}

llvm::Constant* ConstantTables::bytes(const std::string& name, std::string_view value,
                                      uint64_t alignment) {
  if (value.empty()) return null();
  auto* variable = global(name, llvm::ConstantDataArray::getRaw(
                                    llvm::StringRef(value.data(), value.size()), value.size(),
                                    llvm::Type::getInt8Ty(module_.getContext())));
  variable->setAlignment(llvm::Align(alignment));
  return variable;
}

llvm::Constant* ConstantTables::external(const std::string& name, bool is_function) {
  llvm::LLVMContext& context = module_.getContext();
  if (is_function) {
    auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), false);
    return llvm::cast<llvm::Constant>(module_.getOrInsertFunction(name, type).getCallee());
  }
  return llvm::cast<llvm::Constant>(
      module_.getOrInsertGlobal(name, llvm::Type::getInt8Ty(context)));
}

}  // namespace ag
