#include "codegen/link/device_code.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <llvm/Support/Program.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "ir/diagnostics.h"
#include "ir/file.h"
#include "ir/internal_error.h"

namespace ag {
namespace {

namespace fs = std::filesystem;

// {7, 0} of ".version 7.0", {80, 0} of ".target sm_80".
std::pair<int, int> directive(const std::string& ptx, const char* pattern) {
  const std::string_view name(pattern, std::string_view(pattern).find(' '));
  const size_t at = ptx.find(name);
  std::pair<int, int> value{};
  if (at == ptx.npos || std::sscanf(ptx.c_str() + at, pattern, &value.first, &value.second) < 1)
    internal_error("a kernel's PTX has no {}", name);
  return value;
}

// Where the head ends: behind the line of the address size.
size_t end_of_head(const std::string& ptx) {
  const size_t size = ptx.find(".address_size 64");
  if (size == ptx.npos) internal_error("a kernel's PTX is not for addresses of 64 bits");
  return std::min(ptx.find('\n', size), ptx.size());
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }

// "f" of ".func (.param .b64 r) f(" and of ".func f(", defined or declared.
std::set<std::string> function_names(const std::string& body) {
  std::set<std::string> names;
  for (size_t at = body.find(".func"); at != body.npos; at = body.find(".func", at + 1)) {
    size_t begin = body.find_first_not_of(" \t\n", at + 5);
    if (begin != body.npos && body[begin] == '(')
      begin = body.find_first_not_of(" \t\n", body.find(')', begin) + 1);
    size_t end = begin;
    while (end < body.size() && is_word(body[end])) ++end;
    if (end == begin) internal_error("a kernel's PTX has a function without a name");
    names.insert(body.substr(begin, end - begin));
  }
  return names;
}

// Whole words alone: what begins with the name is the function's own.
void rename(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at)) {
    const size_t end = at + from.size();
    const bool whole =
        (at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]));
    if (whole) text.replace(at, from.size(), to);
    at += whole ? to.size() : from.size();
  }
}

// A file that is there while this lives.
class TemporaryFile {
 public:
  explicit TemporaryFile(const char* ending)
      : path_((fs::temp_directory_path() / ("argent-XXXXXX" + std::string(ending))).string()) {
    const int file = mkstemps(path_.data(), static_cast<int>(std::string_view(ending).size()));
    if (file < 0) {
      throw CompileError(fmt::format("cannot make a file like {}", path_))
          .help("set TMPDIR to a folder that can be written");
    }
    close(file);
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  std::string text() const {
    const std::vector<std::byte> bytes = read_file(path_);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::string path_;
};

}  // namespace

std::string ptx_head(const plan::Program& program) {
  std::pair<int, int> version{}, target{};
  for (const auto& [symbol, kernel] : program.device_kernels) {
    version = std::max(version, directive(kernel->ptx, ".version %d.%d"));
    target = std::max(target, directive(kernel->ptx, ".target sm_%d"));
  }
  return fmt::format(".version {}.{}\n.target sm_{}\n.address_size 64\n", version.first,
                     version.second, target.first);
}

std::string ptx_body(const std::string& symbol, const plan::DeviceKernel& kernel) {
  std::string body = kernel.ptx.substr(end_of_head(kernel.ptx));
  for (const std::string& name : function_names(body)) rename(body, name, symbol + name);
  return body;
}

std::string ptx_module(const plan::Program& program) {
  std::string text = ptx_head(program);
  for (const auto& [symbol, kernel] : program.device_kernels) {
    text += ptx_body(symbol, *kernel);
    text += '\n';
  }
  return text;
}

std::optional<std::string> find_ptxas() {
  if (const char* named = std::getenv("ARGENT_PTXAS")) {
    return *named ? std::optional<std::string>(named) : std::nullopt;
  }
  const auto found = llvm::sys::findProgramByName("ptxas");
  return found ? std::optional<std::string>(*found) : std::nullopt;
}

std::string assemble_ptx(const std::string& ptxas, const std::string& ptx, int capability) {
  const TemporaryFile source(".ptx"), cubin(".cubin"), said(".txt");
  write_file(source.path(), ptx);
  const std::string architecture = fmt::format("-arch=sm_{}", capability);
  const llvm::StringRef arguments[] = {ptxas, architecture, source.path(), "-o", cubin.path()};
  const std::optional<llvm::StringRef> streams[] = {llvm::StringRef(""), said.path(), said.path()};
  std::string error;
  const int code = llvm::sys::ExecuteAndWait(ptxas, arguments, std::nullopt, streams, 0, 0, &error);
  if (code != 0) {
    throw CompileError(fmt::format("{} for sm_{}: {}{}", ptxas, capability, error, said.text()))
        .help(
            "name another ptxas in the environment variable ARGENT_PTXAS, or none: without one "
            "the library carries PTX, which the driver compiles");
  }
  return cubin.text();
}

}  // namespace ag
