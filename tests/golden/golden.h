// Golden files: text compared with a file of the tree. With ARGENT_UPDATE_GOLDEN=1 in the
// environment the files are rewritten instead; look at the difference before you commit it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "ir/file.h"

namespace ag {

inline bool updating_golden() {
  const char* value = std::getenv("ARGENT_UPDATE_GOLDEN");
  return value && std::string(value) == "1";
}

inline std::string golden_folder(const std::string& name) {
  return std::string(ARGENT_SOURCE_DIR) + "/tests/golden/" + name;
}

inline std::string read_text_file(const std::string& path) {
  std::vector<std::byte> bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Files of a folder and the folders below it that end with `extension`, sorted.
inline std::vector<std::string> golden_files(const std::string& folder,
                                             const std::string& extension) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(golden_folder(folder))) {
    if (entry.path().extension() == extension) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Compares `found` with the file's text, or writes it.
inline void check_golden(const std::string& path, const std::string& found) {
  if (updating_golden()) {
    if (!std::filesystem::exists(path) || read_text_file(path) != found) write_file(path, found);
    return;
  }
  INFO("golden file " << path << "; ARGENT_UPDATE_GOLDEN=1 rewrites it");
  CHECK(read_text_file(path) == found);
}

}  // namespace ag
