// Where tests find public data sets.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace ag {

// A file or folder below $ARGENT_DATA (laid out as scripts/test_data.sh says). Without it, prints
// why the test is skipped and returns nothing; the caller then returns.
inline std::optional<std::filesystem::path> test_data(const std::string& name) {
  const char* root = std::getenv("ARGENT_DATA");
  if (root == nullptr || *root == '\0') {
    std::printf("skipped: needs the data set %s, and ARGENT_DATA is not set\n", name.c_str());
    return std::nullopt;
  }
  std::filesystem::path path = std::filesystem::path(root) / name;
  if (std::filesystem::exists(path)) return path;
  std::printf("skipped: needs the data set %s, which ARGENT_DATA=%s lacks\n", name.c_str(), root);
  return std::nullopt;
}

}  // namespace ag
