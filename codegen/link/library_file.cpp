#include "codegen/link/library_file.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <llvm/Object/ELFObjectFile.h>

#include "codegen/target.h"
#include "ir/diagnostics.h"
#include "ir/file.h"

namespace ag {
namespace {

[[noreturn]] void cannot_load(const std::string& path, const std::string& reason) {
  throw CompileError(fmt::format("{} is no library that Argent made: {}", path, reason))
      .help("make one with: argent compile MODEL -o NAME.so");
}

// Throws unless the file is a library for this machine's architecture; returns the size of its
// code.
uint64_t code_bytes_of(const std::string& path, const std::vector<std::byte>& bytes) {
  const llvm::StringRef text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto file = llvm::object::ObjectFile::createObjectFile({text, path});
  if (!file) cannot_load(path, llvm::toString(file.takeError()));
  const llvm::Triple::ArchType here = llvm::Triple(std::string(host_target().triple)).getArch();
  if ((*file)->getArch() != here) {
    throw CompileError(fmt::format("{} is made for {}, this machine is {}", path,
                                   llvm::Triple::getArchTypeName((*file)->getArch()).str(),
                                   llvm::Triple::getArchTypeName(here).str()))
        .help("use it on such a machine, or compile the network for this one");
  }
  uint64_t code = 0;
  for (const auto& section : (*file)->sections())
    if (section.isText()) code += section.getSize();
  return code;
}

}  // namespace

LibraryFile open_library_file(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  const uint64_t code_bytes = code_bytes_of(path, bytes);
  // Without a slash dlopen would search the system's folders. Never closed: worker threads may be
  // in the library.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) cannot_load(path, dlerror());
  void* symbol = dlsym(handle, "argent_model");
  if (!symbol) cannot_load(path, "it has no function argent_model");
  const auto* library = reinterpret_cast<const argent_library* (*)()>(symbol)();
  if (library->abi_version != ARGENT_ABI_VERSION) {
    cannot_load(path, fmt::format("its ABI version is {}, this Argent's is {}",
                                  library->abi_version, ARGENT_ABI_VERSION));
  }
  return {library, bytes.size(), code_bytes};
}

}  // namespace ag
