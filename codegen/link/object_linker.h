// lld and LLVM's objcopy inside this process. Internal to codegen/link.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codegen/target.h"

namespace ag {

struct ObjectFile {
  std::string name;                      // for messages
  std::vector<std::string_view> pieces;  // of its bytes, in order
};

// One relocatable object from several, in which only the named symbols are still global.
std::string merge_objects(const Target& target, const std::vector<ObjectFile>& objects,
                          const std::vector<std::string>& global_symbols);

// A shared library that exports the objects' global symbols, and `alias` (when not empty) as
// another name of `symbol`. Needs libc and libm at most.
std::string link_shared(const Target& target, const std::vector<ObjectFile>& objects,
                        const std::string& soname, const std::string& symbol,
                        const std::string& alias);

// A position-independent program that begins at _start.
std::string link_executable(const Target& target, const std::vector<ObjectFile>& objects,
                            const std::string& symbol, const std::string& alias);

// An archive of one object, with a symbol table, without dates or owners.
std::string make_archive(std::string_view object, const std::string& member);

}  // namespace ag
