#include "codegen/link/memory_code.h"

#include <fmt/format.h>
#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/Support/MemoryBuffer.h>

#include <cstring>
#include <set>

#include "codegen/link/check_program.h"
#include "codegen/link/driver_module.h"
#include "codegen/link/machine_code.h"
#include "codegen/link/perf_map.h"
#include "codegen/link/runtime_symbols.h"
#include "codegen/target.h"
#include "ir/diagnostics.h"
#include "ir/internal_error.h"
#include "runtime/instance.h"

namespace ag {
namespace {

using namespace llvm::orc;

template <class T>
T expect(llvm::Expected<T> value, const char* action) {
  if (value) return std::move(*value);
  internal_error("linking in memory: {}: {}", action, llvm::toString(value.takeError()));
}

void expect(llvm::Error error, const char* action) {
  if (error) internal_error("linking in memory: {}: {}", action, llvm::toString(std::move(error)));
}

std::unique_ptr<LLJIT> make_jit(const Target& target, const plan::Program& program) {
  make_target_machine(target);  // registers LLVM's backends
  JITTargetMachineBuilder machine{llvm::Triple(std::string(target.triple))};
  machine.setCPU(std::string(target.cpu));
  return expect(LLJITBuilder()
                    .setJITTargetMachineBuilder(std::move(machine))
                    .setPlatformSetUp(setUpInactivePlatform)
                    .setObjectLinkingLayerCreator(
                        [&](ExecutionSession& session,
                            const llvm::Triple&) -> llvm::Expected<std::unique_ptr<ObjectLayer>> {
                          auto layer = std::make_unique<ObjectLinkingLayer>(session);
                          add_perf_map(*layer, program);
                          return layer;
                        })
                    .create(),
                "starting");
}

void add_object(LLJIT& jit, const std::string& bytes, const std::string& name) {
  expect(jit.addObjectFile(llvm::MemoryBuffer::getMemBuffer(bytes, name, false)), "an object");
}

void define_symbols(LLJIT& jit, const std::vector<const uint8_t*>& blobs) {
  SymbolMap symbols;
  auto define = [&](const char* name, const void* address) {
    symbols[jit.mangleAndIntern(name)] = {ExecutorAddr::fromPtr(address),
                                          llvm::JITSymbolFlags::Exported};
  };
  for (const RuntimeSymbol& symbol : runtime_symbols()) define(symbol.name, symbol.address);
  for (size_t i = 0; i < blobs.size(); ++i) {
    if (blobs[i]) define(kBlobSymbols[i], blobs[i]);
  }
  expect(jit.getMainJITDylib().define(absoluteSymbols(std::move(symbols))), "the runtime");
}

}  // namespace

void MemoryCode::FreeStorage::operator()(uint8_t* storage) const { rt::free_storage(storage); }

MemoryCode::MemoryCode(const plan::Program& program) {
  const Target& target = find_target(program.target);
  require_runnable(target);
  check_program(program);
  const std::string driver = driver_object({&program, 1}, LinkedInto::memory).bytes;
  jit_ = make_jit(target, program);
  std::vector<const uint8_t*> addresses;
  for (const plan::Blob& blob : blobs_of(program)) {
    const size_t size = blob ? blob->size() : 0;
    blobs_.emplace_back(size ? rt::allocate_storage(size) : nullptr);
    if (size && !blobs_.back()) {
      throw CompileError(fmt::format("{}: no memory for {} bytes of weights", program.name, size));
    }
    if (size) std::memcpy(blobs_.back().get(), blob->data(), size);
    addresses.push_back(blobs_.back().get());
  }
  define_symbols(*jit_, addresses);
  // One object may define several kernels.
  std::set<const std::string*> added;
  for (const auto& [symbol, object] : program.kernels) {
    if (added.insert(object.get()).second) add_object(*jit_, *object, symbol);
  }
  add_object(*jit_, driver, "driver");
  const auto model = expect(jit_->lookup(model_symbol(program)), "looking up the program");
  library_ = model.toPtr<const argent_library*()>()();
}

MemoryCode::~MemoryCode() = default;

}  // namespace ag
