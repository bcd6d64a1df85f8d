// `argent compile net.cpp:make_net` and ag::compile(make_net()) are the same compiler.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

// The user's file, as his own program would have it.
#include "examples/out_of_tree/net.cpp"
#include "ir/file.h"

namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() : path(fs::temp_directory_path() / fmt::format("argent-round-trip-{}", getpid())) {
    fs::create_directories(path / "command");
    fs::create_directories(path / "call");
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  fs::path path;
};

std::string text_of(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Array image_of(int64_t batch) {
  Array image(DType::f32, {batch, 1, 16, 16});
  for (int64_t i = 0; i < image.count(); ++i)
    image.set_double(i, static_cast<double>(i * 7919 % 2003) / 1001.5 - 1);
  return image;
}

}  // namespace

TEST_CASE("the command and the call make the same library: outputs, header, bytes") {
  const Folder folder;
  ::unsetenv("ARGENT_CPU");
  compile(make_net(), folder.file("call/net.so"), {.batch = {1, 3}});
  const std::string command = fmt::format(
      "{} compile {}/examples/out_of_tree/net.cpp:make_net --batch 1,3 -o {} >/dev/null",
      ARGENT_COMMAND, ARGENT_SOURCE_DIR, folder.file("command/net.so"));
  REQUIRE(std::system(command.c_str()) == 0);

  auto ours = LoadedProgram::from_file(folder.file("call/net.so"));
  auto theirs = LoadedProgram::from_file(folder.file("command/net.so"));
  for (int64_t batch : {1, 3}) {
    const std::string entry = fmt::format("forward_b{}", batch);
    CAPTURE(entry);
    const Array image = image_of(batch);
    const Array called = ours->instance(1).run(ours->entry_index(entry), {&image, 1})[0];
    const Array commanded = theirs->instance(1).run(theirs->entry_index(entry), {&image, 1})[0];
    REQUIRE(called.shape() == Shape{batch, 10});
    for (int64_t i = 0; i < called.count(); ++i)
      CHECK(called.get_double(i) == commanded.get_double(i));
  }
  CHECK(text_of(folder.file("call/net.h")) == text_of(folder.file("command/net.h")));
  // Everything in the file is a function of the network: kernels, weights, tables, the user's
  // lines.
  CHECK((text_of(folder.file("call/net.so")) == text_of(folder.file("command/net.so"))));
}
