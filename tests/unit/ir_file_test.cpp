#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "ir/diagnostics.h"
#include "ir/file.h"

using namespace ag;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("argent_file_test_{}", getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
  size_t entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

std::string text_of(const std::string& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("what is written is read back, empty files too") {
  Folder folder;
  write_file(folder / "a", std::string("one\0two", 7));
  CHECK(text_of(folder / "a") == std::string("one\0two", 7));
  write_file(folder / "a", std::string());
  CHECK(read_file(folder / "a").empty());
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file that is not committed leaves the old one whole and nothing beside it") {
  Folder folder;
  write_file(folder / "a", std::string("old"));
  {
    AtomicFile file(folder / "a");
    file.write("new", 3);
    CHECK(folder.entries() == 2);
  }
  CHECK(text_of(folder / "a") == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("errors name the file and the reason") {
  Folder folder;
  CHECK_THROWS_WITH_AS(read_file("no/such/file"),
                       doctest::Contains("cannot read no/such/file: No such file or directory"),
                       CompileError);
  write_file(folder / "network.ag", std::string("graph"));
  CHECK_THROWS_WITH_AS(read_file(folder / "netwrk.ag"),
                       doctest::Contains("help: did you mean 'network.ag'?"), CompileError);
  CHECK_THROWS_WITH_AS(read_file(folder / "x/network.ag"), doctest::Contains("is no folder"),
                       CompileError);
  fs::remove(folder.path / "network.ag");
  CHECK_THROWS_WITH_AS(read_file(folder.path.string()), doctest::Contains("it is a directory"),
                       CompileError);
  CHECK_THROWS_WITH_AS(write_file("no/such/folder/x", std::string("x")),
                       doctest::Contains("cannot write no/such/folder/x: No such file"),
                       CompileError);
  fs::create_directories(folder.path / "taken" / "inside");
  CHECK_THROWS_WITH_AS(write_file(folder / "taken", std::string("x")),
                       doctest::Contains("cannot replace"), CompileError);
  CHECK(folder.entries() == 1);
}

TEST_CASE("a device is written in place, never replaced") {
  write_file("/dev/null", std::string("gone"));
  CHECK(fs::is_character_file("/dev/null"));
}
