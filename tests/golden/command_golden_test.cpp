// tests/golden/command/*.txt: what the `argent` command prints, mistakes above all.
//
//   $ argent opt net.ag --passes=simplfy
//   --- net.ag
//   graph @net(…) { … }
//   --- exit 1
//   --passes:1: error: …
//
// Each case runs in an empty directory holding the files between the markers. Standard output and
// standard error are taken together. To add one, write the first lines (up to the last file) and
// run with ARGENT_UPDATE_GOLDEN=1.
#include <sys/wait.h>

#include <cstdio>
#include <memory>
#include <sstream>

#include "tests/golden/golden.h"

using namespace ag;

namespace {

struct TextFile {
  std::string name, text;
};

struct CommandCase {
  std::string command;  // behind "$ "
  std::vector<TextFile> files;

  std::string text() const {
    std::string text = "$ " + command + "\n";
    for (const TextFile& file : files) text += "--- " + file.name + "\n" + file.text;
    return text;
  }
};

CommandCase read_case(const std::string& path) {
  std::istringstream lines(read_text_file(path));
  CommandCase result;
  std::string line;
  while (std::getline(lines, line)) {
    if (line.rfind("--- exit", 0) == 0) break;
    if (line.rfind("$ ", 0) == 0)
      result.command = line.substr(2);
    else if (line.rfind("--- ", 0) == 0)
      result.files.push_back({line.substr(4), ""});
    else if (!result.files.empty())
      result.files.back().text += line + "\n";
  }
  REQUIRE_MESSAGE(result.command.rfind("argent", 0) == 0, path << " must begin with '$ argent'");
  return result;
}

// The address sanitizer remarks once that libHalide, in the kernel worker, has a stack of its own.
void erase_sanitizer_remark(std::string& printed) {
  const size_t remark = printed.find("WARNING: ASan doesn't fully support makecontext");
  if (remark == std::string::npos) return;
  const size_t begin = printed.rfind('\n', remark) + 1;  // 0 where there is none
  printed.erase(begin, printed.find('\n', remark) + 1 - begin);
}

// Runs the case's command line and returns "--- exit N" and all it printed.
std::string run(const CommandCase& golden) {
  std::string pattern = (std::filesystem::temp_directory_path() / "argent-golden-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  std::filesystem::path folder = pattern;
  for (const TextFile& file : golden.files) write_file((folder / file.name).string(), file.text);

  std::string program = std::filesystem::path(ARGENT_COMMAND).parent_path().string();
  std::string line = "cd '" + folder.string() + "' && PATH='" + program + "':$PATH && { " +
                     golden.command + "; } 2>&1 < /dev/null";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(line.c_str(), "r"),
                                                       [](std::FILE*) { return 0; });
  REQUIRE(pipe != nullptr);
  std::string printed;
  char buffer[4096];
  while (size_t got = std::fread(buffer, 1, sizeof buffer, pipe.get())) printed.append(buffer, got);
  int status = pclose(pipe.release());
  std::filesystem::remove_all(folder);
  for (size_t at; (at = printed.find(folder.string() + "/")) != std::string::npos;)
    printed.erase(at, folder.string().size() + 1);
  erase_sanitizer_remark(printed);
  REQUIRE_MESSAGE(WIFEXITED(status), "the command was killed by a signal");
  return "--- exit " + std::to_string(WEXITSTATUS(status)) + "\n" + printed;
}

}  // namespace

TEST_CASE("the command's output, word for word") {
  std::vector<std::string> paths = golden_files("command", ".txt");
  CHECK(paths.size() >= 20);
  for (const std::string& path : paths) {
    CommandCase golden = read_case(path);
    check_golden(path, golden.text() + run(golden));
  }
}
