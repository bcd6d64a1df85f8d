#include "tools/named_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/link/loaded_program.h"
#include "ir/diagnostics.h"

namespace ag {
namespace {

// The name in front of '='; empty for a file alone. A path with '=' behind a '/' is no name.
std::string name_in(const std::string& word) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos || word.find('/') < equals) return {};
  return word.substr(0, equals);
}

void assign(std::string& place, const std::string& file, const std::string& name,
            const std::string& what) {
  if (!place.empty()) {
    throw CompileError(fmt::format("{} '{}' has two files, {} and {}", what, name, place, file));
  }
  place = file;
}

}  // namespace

std::string file_in(const std::string& word) {
  const std::string name = name_in(word);
  return name.empty() ? word : word.substr(name.size() + 1);
}

std::string listed(std::span<const argent_tensor_info* const> tensors) {
  std::string text;
  for (const argent_tensor_info* tensor : tensors) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", tensor->name,
                        to_string(type_of(*tensor)));
  }
  return text.empty() ? "none" : text;
}

std::vector<std::string> files_of(std::span<const argent_tensor_info* const> tensors,
                                  std::span<const std::string> words, const std::string& what) {
  std::vector<std::string> files(tensors.size());
  std::vector<std::string> unnamed;
  for (const std::string& word : words) {
    const std::string name = name_in(word);
    if (name.empty()) {
      unnamed.push_back(word);
      continue;
    }
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const auto* tensor) { return name == tensor->name; });
    if (found == tensors.end()) {
      throw CompileError(fmt::format("there is no {} '{}'", what, name))
          .help(fmt::format("the {}s are {}", what, listed(tensors)));
    }
    assign(files[static_cast<size_t>(found - tensors.begin())], file_in(word), name, what);
  }
  size_t next = 0;
  for (const std::string& file : unnamed) {
    while (next < files.size() && !files[next].empty()) ++next;
    if (next == files.size()) {
      throw CompileError(
          fmt::format("{} {}s are expected, but {} are given", files.size(), what, words.size()))
          .help(fmt::format("the {}s are {}", what, listed(tensors)));
    }
    files[next] = file;
  }
  return files;
}

}  // namespace ag
