// The tables of runtime/image.h as constants of the driver module. Internal to codegen/link.
#pragma once

#include <string>
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

// Bytes that a module refers to and another object defines.
struct BlobSymbol {
  std::string name;
  std::string_view bytes;
};

// What an object is linked into.
enum class LinkedInto {
  file,    // a library, archive or program
  memory,  // this process, which defines kBlobSymbols
};

// The bytes of a program's storages, as symbols of a module. In files equal ones are there once,
// whichever programs have them; in memory each storage has bytes of its own.
class BlobTable {
 public:
  BlobTable(llvm::Module& module, LinkedInto place) : module_(module), place_(place) {}
  LinkedInto place() const { return place_; }
  // Pointer to the bytes of storage kBlobSymbols[index], which are not empty and outlive the table.
  llvm::Constant* pointer(size_t index, std::string_view bytes);
  const std::vector<BlobSymbol>& symbols() const { return symbols_; }

 private:
  llvm::Module& module_;
  LinkedInto place_;
  std::vector<BlobSymbol> symbols_;
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
