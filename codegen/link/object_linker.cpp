#include "codegen/link/object_linker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <lld/Common/Driver.h>
#include <llvm/BinaryFormat/Magic.h>
#include <llvm/ObjCopy/ConfigManager.h>
#include <llvm/ObjCopy/ObjCopy.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Object/Binary.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "codegen/link/embedded.h"
#include "ir/diagnostics.h"
#include "ir/internal_error.h"

LLD_HAS_DRIVER(elf)

namespace ag {
namespace {

namespace fs = std::filesystem;

// What lld reads and writes; removed at the end.
class WorkFolder {
 public:
  WorkFolder() {
    std::error_code error;
    const fs::path parent = fs::temp_directory_path(error);
    std::string pattern = ((error ? fs::path("/tmp") : parent) / "argent-link-XXXXXX").string();
    if (!mkdtemp(pattern.data())) {
      throw CompileError(fmt::format("cannot make a folder for linking: {}", pattern))
          .help("set TMPDIR to a folder that can be written");
    }
    path_ = pattern;
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }

  std::string add(const std::string& name, const std::vector<std::string_view>& pieces) const {
    std::ofstream file(path(name), std::ios::binary);
    size_t size = 0;
    for (std::string_view bytes : pieces) {
      file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      size += bytes.size();
    }
    file.close();
    if (!file) {
      throw CompileError(fmt::format("cannot write {} bytes for linking to {}", size, path(name)))
          .help("make room there, or set TMPDIR to another folder");
    }
    return path(name);
  }

  std::string read(const std::string& name) const {
    auto buffer = llvm::MemoryBuffer::getFile(path(name));
    if (!buffer) internal_error("lld left no {}", name);
    return (*buffer)->getBuffer().str();
  }

 private:
  fs::path path_;
};

std::vector<std::string> add_all(const WorkFolder& folder, const std::vector<ObjectFile>& objects) {
  std::vector<std::string> paths;
  for (size_t i = 0; i < objects.size(); ++i) {
    paths.push_back(folder.add(fmt::format("{}.o", i), objects[i].pieces));
  }
  return paths;
}

std::string names_of(const std::vector<ObjectFile>& objects) {
  std::string names;
  for (size_t i = 0; i < objects.size(); ++i) {
    names += fmt::format("{}{}.o is {}", i ? ", " : "", i, objects[i].name);
  }
  return names;
}

// Runs lld and writes what it says to `pipe`; the process ends with its code.
[[noreturn]] void lld_process(const std::vector<const char*>& arguments, int pipe) {
  std::string output;
  llvm::raw_string_ostream stream(output);
  const lld::Result result = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  const std::string& text = stream.str();
  const ssize_t written = write(pipe, text.data(), text.size());
  _exit(written < 0 ? 1 : result.retCode);
}

std::string read_pipe(int pipe) {
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(pipe, buffer, sizeof buffer)) != 0;) {
    if (got > 0) text.append(buffer, static_cast<size_t>(got));
    if (got < 0 && errno != EINTR) break;
  }
  return text;
}

// Each link is a process of its own: lld 19 keeps pointers of one link in globals and uses them in
// the next (a relocatable link after a final one crashes).
void run_lld(const std::vector<std::string>& arguments, const std::vector<ObjectFile>& objects) {
  std::vector<const char*> pointers = {"ld.lld"};
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) internal_error("lld: no pipe: {}", std::strerror(errno));
  const pid_t child = fork();
  if (child == 0) lld_process(pointers, ends[1]);
  const int fork_error = errno;
  close(ends[1]);
  const std::string output = child < 0 ? std::strerror(fork_error) : read_pipe(ends[0]);
  close(ends[0]);
  int status = 1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) {
    internal_error("lld ended with status {}: {} ({})", status, output, names_of(objects));
  }
}

const char* emulation(const Target& target) {
  return target.architecture == Architecture::x86_64 ? "elf_x86_64" : "aarch64linux";
}

template <class T>
T expect(llvm::Expected<T> value, const char* action) {
  if (value) return std::move(*value);
  internal_error("{}: {}", action, llvm::toString(value.takeError()));
}

// The matcher refers to the symbol's text.
void add_name(llvm::objcopy::NameMatcher& matcher, llvm::StringRef symbol) {
  auto pattern = llvm::objcopy::NameOrPattern::create(symbol, llvm::objcopy::MatchStyle::Literal,
                                                      [](llvm::Error error) { return error; });
  if (auto error = matcher.addMatcher(std::move(pattern))) {
    internal_error("objcopy: {}", llvm::toString(std::move(error)));
  }
}

std::string objcopy(std::string_view bytes, llvm::objcopy::ConfigManager& config) {
  config.Common.InputFilename = config.Common.OutputFilename = "object";
  const auto buffer =
      llvm::MemoryBuffer::getMemBuffer({bytes.data(), bytes.size()}, "object", false);
  const auto binary = expect(llvm::object::createBinary(*buffer), "reading an object");
  llvm::SmallVector<char, 0> result;
  llvm::raw_svector_ostream stream(result);
  if (auto error = llvm::objcopy::executeObjcopyOnBinary(config, *binary, stream)) {
    internal_error("objcopy: {}", llvm::toString(std::move(error)));
  }
  return std::string(result.data(), result.size());
}

std::string localize(const std::string& bytes, const std::vector<std::string>& global_symbols) {
  llvm::objcopy::ConfigManager config;
  for (const std::string& symbol : global_symbols) {
    add_name(config.Common.SymbolsToKeepGlobal, symbol);
  }
  return objcopy(bytes, config);
}

// GCC's objects name this symbol without a need, and lld 19 crashes on it in a relocatable link.
constexpr const char* kGotSymbol = "_GLOBAL_OFFSET_TABLE_";

bool names_got_symbol(const ObjectFile& object) {
  return std::any_of(object.pieces.begin(), object.pieces.end(), [](std::string_view bytes) {
    return bytes.find(kGotSymbol) != std::string_view::npos;
  });
}

std::string without_got_symbol(const ObjectFile& object) {
  std::string bytes;
  for (std::string_view piece : object.pieces) bytes += piece;
  llvm::objcopy::ConfigManager config;
  add_name(config.Common.SymbolsToRemove, kGotSymbol);
  return objcopy(bytes, config);
}

// Options of a final link; the stand-ins for libc and libm come last, each needed only if used.
std::vector<std::string> final_options(const Target& target, const WorkFolder& folder,
                                       const std::string& symbol, const std::string& alias) {
  std::vector<std::string> options = {"-m",
                                      emulation(target),
                                      "-o",
                                      folder.path("out"),
                                      "-z",
                                      "defs",
                                      "-z",
                                      "relro",
                                      "-z",
                                      "now",
                                      "-z",
                                      "noexecstack",
                                      "--hash-style=gnu",
                                      "--build-id=fast",
                                      "--gc-sections",
                                      "--threads=1"};
  if (!alias.empty()) options.push_back(fmt::format("--defsym={}={}", alias, symbol));
  return options;
}

void add_libraries(std::vector<std::string>& options, const WorkFolder& folder,
                   const EmbeddedRuntime& runtime) {
  options.push_back("--as-needed");
  options.push_back(folder.add("libc.so.6", {runtime.libc}));
  options.push_back(folder.add("libm.so.6", {runtime.libm}));
}

}  // namespace

std::string merge_objects(const Target& target, const std::vector<ObjectFile>& objects,
                          const std::vector<std::string>& global_symbols) {
  const WorkFolder folder;
  std::vector<std::string> options = {"-m", emulation(target),  "-r",
                                      "-o", folder.path("out"), "--threads=1"};
  for (size_t i = 0; i < objects.size(); ++i) {
    const std::string name = fmt::format("{}.o", i);
    options.push_back(names_got_symbol(objects[i])
                          ? folder.add(name, {without_got_symbol(objects[i])})
                          : folder.add(name, objects[i].pieces));
  }
  run_lld(options, objects);
  return localize(folder.read("out"), global_symbols);
}

std::string link_shared(const Target& target, const std::vector<ObjectFile>& objects,
                        const std::string& soname, const std::string& symbol,
                        const std::string& alias) {
  const WorkFolder folder;
  std::vector<std::string> options = final_options(target, folder, symbol, alias);
  options.insert(options.end(), {"-shared", "-soname", soname});
  for (const std::string& path : add_all(folder, objects)) options.push_back(path);
  add_libraries(options, folder, embedded_runtime(target));
  run_lld(options, objects);
  return folder.read("out");
}

std::string link_executable(const Target& target, const std::vector<ObjectFile>& objects,
                            const std::string& symbol, const std::string& alias) {
  const WorkFolder folder;
  const bool x86 = target.architecture == Architecture::x86_64;
  std::vector<std::string> options = final_options(target, folder, symbol, alias);
  options.insert(options.end(),
                 {"-pie", "-e", "_start", "--dynamic-linker",
                  x86 ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux-aarch64.so.1"});
  for (const std::string& path : add_all(folder, objects)) options.push_back(path);
  add_libraries(options, folder, embedded_runtime(target));
  run_lld(options, objects);
  return folder.read("out");
}

std::string make_archive(std::string_view object, const std::string& member) {
  const auto buffer =
      llvm::MemoryBuffer::getMemBuffer({object.data(), object.size()}, member, false);
  std::vector<llvm::NewArchiveMember> members;
  members.emplace_back(buffer->getMemBufferRef());
  auto archive =
      expect(llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NormalSymtab,
                                        llvm::object::Archive::K_GNU, /*Deterministic=*/true,
                                        /*Thin=*/false),
             "making an archive");
  return archive->getBuffer().str();
}

}  // namespace ag
