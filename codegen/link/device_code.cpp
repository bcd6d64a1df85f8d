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

std::string_view last_word(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && !is_word(text[end - 1])) --end;
  size_t begin = end;
  while (begin > 0 && is_word(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

// "f" of ".func (.param .b64 r) f(…)", "t" of ".global .align 4 .b8 t[4] = {…}": the name that a
// statement of a module gives; empty for a kernel, whose name is its own already.
std::string_view name_given_by(std::string_view statement) {
  if (statement.find(".entry") != statement.npos) return {};
  const size_t function = statement.find(".func");
  if (function == statement.npos)
    return last_word(statement.substr(0, statement.find_first_of("[=")));
  const size_t results = statement.find_first_not_of(" \t\n", function + 5);
  const bool has_results = results != statement.npos && statement[results] == '(';
  const size_t begin = has_results ? statement.find(')', results) + 1 : function + 5;
  return last_word(statement.substr(0, statement.find('(', begin)));
}

std::string without_comments(const std::string& ptx) {
  std::string text;
  for (size_t at = 0; at < ptx.size(); ++at) {
    if (ptx.compare(at, 2, "//") == 0) at = std::min(ptx.find('\n', at), ptx.size() - 1);
    text += ptx[at];
  }
  return text;
}

// The end of the braces that begin at `open`.
size_t behind_braces(const std::string& text, size_t open) {
  int depth = 0;
  for (size_t at = open; at < text.size(); ++at) {
    depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
    if (depth == 0) return at + 1;
  }
  internal_error("a kernel's PTX has a brace without an end");
}

// Functions and variables of a module, without its kernels.
std::set<std::string> names_of_module(const std::string& ptx) {
  const std::string text = without_comments(ptx);
  std::set<std::string> names;
  for (size_t begin = 0, end; (end = text.find_first_of(";{", begin)) != text.npos; begin = end) {
    const std::string_view statement = std::string_view(text).substr(begin, end - begin);
    if (const std::string_view name = name_given_by(statement); !name.empty()) names.emplace(name);
    end = text[end] == '{' ? behind_braces(text, end) : end + 1;
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
  for (const std::string& name : names_of_module(body)) rename(body, name, symbol + name);
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
