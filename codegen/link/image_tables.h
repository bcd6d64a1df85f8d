// The tables of runtime/image.h as constants of the driver module. Internal to codegen/link.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "codegen/plan/program.h"
#include "codegen/target.h"

namespace llvm {
class Constant;
class Function;
class GlobalVariable;
class Module;
}  // namespace llvm

namespace ag {

// Where the program's bytes come from.
enum class Blobs {
  embedded,  // constants of the module
  external,  // the symbols kBlobSymbols, defined by whoever loads the object
};

// Bytes in a module: equal ones are there once, whichever programs have them.
class BlobTable {
 public:
  BlobTable(llvm::Module& module, Blobs source) : module_(module), source_(source) {}
  bool are_embedded() const { return source_ == Blobs::embedded; }
  // Pointer to the bytes of storage kBlobSymbols[index].
  llvm::Constant* pointer(size_t index, std::string_view bytes);

 private:
  llvm::Module& module_;
  Blobs source_;
  std::map<std::string_view, llvm::Constant*> embedded_;
};

// In the order state, parameters, constants, prepared.
inline constexpr const char* kBlobSymbols[] = {"argent_state_blob", "argent_parameter_blob",
                                               "argent_constant_blob", "argent_prepared_blob"};
std::vector<plan::Blob> blobs_of(const plan::Program& program);

// The driver functions the tables point to.
struct DriverFunctions {
  std::vector<llvm::Function*> entries;
  llvm::Function* prepare = nullptr;  // null when nothing is to be prepared
};

// An rt::Image that describes the program.
llvm::GlobalVariable* add_image(llvm::Module& module, const plan::Program& program,
                                const Target& target, const DriverFunctions& functions,
                                BlobTable& blobs);

}  // namespace ag
