// One file for several levels of processors: the highest that the machine has is taken.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "codegen/link/bake.h"
#include "codegen/link/share_weights.h"
#include "deploy/compile.h"
#include "frontend/weights/npy.h"
#include "frontend/zoo/zoo.h"

using namespace ag;

namespace {

namespace fs = std::filesystem;

constexpr const char* kLevels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
constexpr const char* kAllLevels = "x86-64-v4,x86-64-v2,x86-64-v3";  // in any order

struct Folder {
  Folder() : path(fs::temp_directory_path() / fmt::format("argent-deploy-levels-{}", getpid())) {
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  fs::path path;
};

// ARGENT_CPU for as long as this lives; each library reads it once, when it is loaded.
struct Limit {
  explicit Limit(const char* level) { setenv("ARGENT_CPU", level, 1); }
  ~Limit() { unsetenv("ARGENT_CPU"); }
};

Model lenet() {
  Model model = zoo_model("lenet5", 2);
  model.initialize(1);
  return model;
}

Array image_of(const Model& model) {
  const TensorType type = model.inputs()[0].type;
  Array image(type.dtype, type.shape);
  for (int64_t i = 0; i < image.count(); ++i)
    image.set_double(i, static_cast<double>(i * 7919 % 2003) / 1001.5 - 1);
  return image;
}

double difference(const Array& a, const Array& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (int64_t i = 0; i < a.count(); ++i) {
    const double gap = std::fabs(a.get_double(i) - b.get_double(i));
    worst = std::isnan(gap) ? INFINITY : std::max(worst, gap);
  }
  return worst;
}

bool x86_here() { return host_target().architecture == Architecture::x86_64; }

std::string error_of_loading(const std::string& path) {
  try {
    LoadedProgram::from_file(path);
  } catch (const CompileError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a library of several levels takes the highest that the processor has") {
  if (!x86_here()) return;
  const Folder folder;
  const Model model = lenet();
  const Array image = image_of(model);
  compile(model, folder.file("net.so"), {.target = kAllLevels});
  const Array wanted =
      LoadedProgram::from_file(folder.file("net.so"))->instance(1).run(0, {&image, 1})[0];
  for (const char* level : kLevels) {
    if (!is_runnable(find_target(level))) continue;
    CAPTURE(std::string(level));
    const std::string copy = folder.file(fmt::format("net_{}.so", level));
    fs::copy_file(folder.file("net.so"), copy);
    const Limit limit(level);
    auto loaded = LoadedProgram::from_file(copy);
    CHECK(std::string(loaded->library().target) == level);
    CHECK(difference(loaded->instance(2).run(0, {&image, 1})[0], wanted) < 1e-5);
  }
}

TEST_CASE("where no level fits, the library says so") {
  if (!x86_here()) return;
  const Folder folder;
  compile(lenet(), folder.file("high.so"), {.target = "x86-64-v3,x86-64-v4"});
  fs::copy_file(folder.file("high.so"), folder.file("odd.so"));
  {
    const Limit limit("x86-64-v2");
    CHECK(error_of_loading(folder.file("high.so")) ==
          "error: high: compiled for x86-64-v3, which is above what the environment variable "
          "ARGENT_CPU=x86-64-v2 leaves of this processor");
  }
  const Limit limit("pentium");
  CHECK(error_of_loading(folder.file("odd.so")).find("ARGENT_CPU is 'pentium'") !=
        std::string::npos);
}

TEST_CASE("weights that levels store alike are in the file once") {
  const Model model = lenet();
  std::vector<plan::Program> levels;
  size_t apart = 0;
  for (const char* level : kLevels) {
    levels.push_back(bake_weights(compile_program(model, {.target = level}).program));
  }
  auto bytes = [](const plan::Program& program) {
    return (program.parameters ? program.parameters->size() : 0) +
           (program.prepared ? program.prepared->size() : 0);
  };
  for (const plan::Program& level : levels) apart += bytes(level);
  const std::vector<plan::Program> shared = share_weights(levels);
  for (const plan::Program& level : shared) {
    CHECK(level.parameters == shared[0].parameters);
    // A level above this machine's is not baked: it prepares its weights when it is opened.
    if (level.prepared) CHECK(level.prepared == shared[0].prepared);
  }
  MESSAGE("weights of three levels: " << apart << " bytes apart, " << bytes(shared[0])
                                      << " together");
  CHECK(bytes(shared[0]) * 2 < apart);  // the wide layers are matrices, which no level rearranges
}

TEST_CASE("a program of several levels runs on processors without AVX-512, and without AVX") {
  if (!x86_here() || std::system("qemu-x86_64 --version >/dev/null 2>&1") != 0) {
    MESSAGE("skipped: needs qemu-x86_64");
    return;
  }
  const Folder folder;
  const Model model = lenet();
  const Array image = image_of(model);
  compile(model, folder.file("net"), {.target = kAllLevels});
  write_npy(folder.file("in.npy"), image);
  auto output_on = [&](const std::string& runner) {
    const std::string command = fmt::format("{} {} {} {} 2>/dev/null", runner, folder.file("net"),
                                            folder.file("in.npy"), folder.file("out.npy"));
    CAPTURE(command);
    REQUIRE(std::system(command.c_str()) == 0);
    return read_npy(folder.file("out.npy"));
  };
  const Array here = output_on("");
  CHECK(difference(output_on("qemu-x86_64 -cpu Haswell"), here) < 1e-5);
  CHECK(difference(output_on("qemu-x86_64 -cpu Nehalem"), here) < 1e-5);
  CHECK(std::system(
            fmt::format("qemu-x86_64 -cpu core2duo {} --bench >/dev/null 2>&1", folder.file("net"))
                .c_str()) != 0);
}

TEST_CASE("levels that cannot be in one file are refused") {
  CHECK_THROWS_WITH_AS(find_targets("x86-64-v3,aarch64"),
                       doctest::Contains("one file cannot hold code for x86-64-v3 and for aarch64"),
                       CompileError);
  CHECK_THROWS_WITH_AS(find_targets("x86-64-v3,x86-64-v9"),
                       doctest::Contains("unknown target 'x86-64-v9'"), CompileError);
  CHECK_THROWS_WITH_AS(find_targets("x86-64-v3,"), doctest::Contains("unknown target ''"),
                       CompileError);
}
