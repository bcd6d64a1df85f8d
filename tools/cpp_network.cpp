#include "tools/cpp_network.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <regex>
#include <vector>

#include "ir/diagnostics.h"
#include "ir/file.h"
#include "ir/suggestion.h"

extern char** environ;

namespace ag {
namespace {

namespace fs = std::filesystem;

// A folder that is removed, with what is in it, at the end.
class ScratchFolder {
 public:
  ScratchFolder() : path_((fs::temp_directory_path() / "argent-XXXXXX").string()) {
    if (!mkdtemp(path_.data()))
      throw CompileError(fmt::format("cannot make a folder {}: {}", path_, std::strerror(errno)))
          .help("set TMPDIR to a folder you may write to");
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The folder with include/argent/argent.h and lib/libargent.so: the program's own in a build tree,
// the one above it in an installed prefix.
fs::path installation() {
  fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  for (const fs::path& root : {program, program.parent_path()}) {
    if (fs::exists(root / "include/argent/argent.h")) return root;
  }
  throw CompileError(
      fmt::format("include/argent/argent.h is neither in {} nor above it", program.string()))
      .help("install Argent with its headers (cmake --install), or use a graph in text form");
}

fs::path library_folder(const fs::path& root) {
  for (const char* name : {"lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"}) {
    if (fs::exists(root / name / "libargent.so")) return root / name;
  }
  throw CompileError(fmt::format("libargent.so is not in {}", (root / "lib").string()))
      .help("install Argent as a whole (cmake --install)");
}

// What the network's file is wrapped in. Model functions are called, others traced.
constexpr std::string_view kEntry = R"(
#include <type_traits>
#include <argent/argent.h>

template <class Function>
ag::Model* argent_made(Function function, const ag::TraceOptions* options) {{
  if constexpr (std::is_invocable_r_v<ag::Model, Function>)
    return new ag::Model(function());
  else
    return options ? new ag::Model(ag::trace(function, *options)) : nullptr;
}}

extern "C" __attribute__((visibility("default"))) ag::Model* argent_traced_model(
    const ag::TraceOptions* options) {{
  return argent_made({}, options);
}}
)";

// Runs a program with its output in `log`; returns its exit code.
int run(const std::vector<std::string>& words, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = 0;
  int failure = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure) {
    throw CompileError(fmt::format("cannot run {}: {}", words[0], std::strerror(failure)))
        .help("install a C++ compiler, or name one with the environment variable CXX");
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

std::string text_of(const std::string& path) {
  std::vector<std::byte> bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Functions of a C++ text that give a network; a sketch, not a parser.
std::vector<std::string> network_functions(const std::string& text) {
  static const std::regex kFunction(R"(\b(?:Model|Tensor)\s+(\w+)\s*\()");
  std::vector<std::string> names;
  for (std::sregex_iterator found(text.begin(), text.end(), kFunction), end; found != end; ++found)
    names.push_back((*found)[1]);
  return names;
}

// Why the network's file and its wrapping do not compile: the file by itself, or the function.
[[noreturn]] void does_not_compile(std::vector<std::string> words, const std::string& file,
                                   const std::string& function, const ScratchFolder& scratch) {
  const std::string both = text_of(scratch.file("log"));
  write_file(scratch.file("entry.cpp"),
             fmt::format("#include \"{}\"\n", fs::absolute(file).string()));
  words.insert(words.begin() + 1, "-fsyntax-only");
  if (run(words, scratch.file("log")) == 0) {
    const std::vector<std::string> names = network_functions(text_of(file));
    if (std::find(names.begin(), names.end(), function) == names.end()) {
      throw CompileError(
          fmt::format("{} has no function '{}' that gives a network", file, function))
          .help(names.empty()
                    ? fmt::format("define `Model {0}()` or `Tensor {0}(Tensor)` in it", function)
                    : fmt::format("name one as {}:FUNCTION; {}", file,
                                  name_help(function, names, "functions")));
    }
  }
  throw CompileError(fmt::format("{} does not compile:\n{}", file, both))
      .help(fmt::format("the file must define `Model {0}()` or `Tensor {0}(Tensor)`; another "
                        "function is named as {1}:function",
                        function, file));
}

void compile_library(const std::string& file, const std::string& function,
                     const ScratchFolder& scratch) {
  const fs::path root = installation();
  std::string entry =
      fmt::format("#include \"{}\"", fs::absolute(file).string()) + fmt::format(kEntry, function);
  write_file(scratch.file("entry.cpp"), entry);
  const char* compiler = std::getenv("CXX");
  std::vector<std::string> words{compiler && *compiler ? compiler : "c++",
                                 "-std=c++20",
                                 "-shared",
                                 "-fPIC",
                                 "-fvisibility=hidden",
                                 "-I" + (root / "include").string(),
                                 "-I" + (root / "include/argent").string(),
                                 scratch.file("entry.cpp"),
                                 "-o",
                                 scratch.file("network.so"),
                                 "-L" + library_folder(root).string(),
                                 "-largent"};
  if (run(words, scratch.file("log")) != 0) does_not_compile(words, file, function, scratch);
}

using Entry = Model* (*)(const TraceOptions*);

Entry open_library(const std::string& path, const std::string& file) {
  // Never closed: the model keeps calling the function.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = library ? dlsym(library, "argent_traced_model") : nullptr;
  if (!symbol) throw CompileError(fmt::format("{} cannot be opened: {}", file, dlerror()));
  return reinterpret_cast<Entry>(symbol);
}

Shape parsed_shape(const std::string& text) {
  Shape shape;
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at <= end;) {
    int64_t extent = 0;
    auto [next, failure] = std::from_chars(at, end, extent);
    if (failure != std::errc() || extent < 1 || (next != end && *next != ',')) {
      throw CompileError(fmt::format("'{}' is no shape", text))
          .help("write extents above 0 with commas between them: 1,3,32,32");
    }
    shape.push_back(extent);
    at = next + 1;
  }
  return shape;
}

}  // namespace

Model load_cpp_network(const std::string& file, const std::string& function,
                       const std::string& shape) {
  read_file(file);  // says what is wrong with its name
  std::optional<TraceOptions> options;
  if (!shape.empty()) options = TraceOptions{.image = f32(parsed_shape(shape)), .name = function};
  ScratchFolder scratch;
  compile_library(file, function, scratch);
  Entry entry = open_library(scratch.file("network.so"), file);
  std::unique_ptr<Model> model(entry(options ? &*options : nullptr));
  if (!model) {
    throw CompileError(
        fmt::format("{}: {} is a function of a tensor, whose shape is not given", file, function))
        .help(
            "give it as --input-shape 1,3,32,32, or return trace(...) from a function without "
            "arguments");
  }
  return std::move(*model);
}

}  // namespace ag
