#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "frontend/weights/weights.h"
#include "ir/file.h"
#include "tests/test_data.h"

using namespace ag;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("argent_weights_test_{}", getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

const WeightMap kWeights{{"conv.weight", Array::of<float>({2, 2}, {1, 2, 3, 4})},
                         {"steps", Array::of<int64_t>({}, {9})}};

}  // namespace

TEST_CASE("the format is told by content on reading and by the ending on writing") {
  const Folder folder;
  for (const char* name : {"w.safetensors", "w.npz"}) {
    save_weights(folder / name, kWeights);
    CHECK(load_weights(folder / name) == kWeights);
    fs::rename(folder.path / name, folder.path / "renamed");
    CHECK(load_weights(folder / "renamed") == kWeights);
  }
  save_weights(folder / "conv.npy", {{"anything", kWeights.at("conv.weight")}});
  CHECK(load_weights(folder / "conv.npy") == WeightMap{{"conv", kWeights.at("conv.weight")}});
  CHECK_THROWS_WITH_AS(save_weights(folder / "w.npy", kWeights),
                       doctest::Contains("holds one tensor, but there are 2"), CompileError);
  CHECK_THROWS_WITH_AS(save_weights(folder / "w.pth", kWeights),
                       doctest::Contains("end the name in .safetensors, .npz or .npy"),
                       CompileError);
  // The same before there are weights.
  CHECK_NOTHROW(check_weights_file("w.npz", 2));
  CHECK_NOTHROW(check_weights_file("w.npy", 1));
  CHECK_THROWS_WITH_AS(check_weights_file("w.npy", 2),
                       doctest::Contains("holds one tensor, but there are 2"), CompileError);
  CHECK_THROWS_AS(check_weights_file("w.pth", 2), CompileError);
  write_file(folder / "text", std::string("conv.weight = 3"));
  CHECK_THROWS_WITH_AS(load_weights(folder / "text"), doctest::Contains("not a weights file"),
                       CompileError);
  CHECK_THROWS_WITH_AS(load_weights(folder / "absent"), doctest::Contains("No such file"),
                       CompileError);
}

TEST_CASE("a common prefix is taken off, a prefix of some is kept") {
  const Folder folder;
  const Array one(DType::f32, {1});
  save_weights(folder / "w.npz", {{"module.a", one}, {"module.b", one}});
  CHECK(load_weights(folder / "w.npz") == WeightMap{{"a", one}, {"b", one}});
  CHECK(load_weights(folder / "w.npz", {.strip_prefix = ""}).contains("module.a"));
  save_weights(folder / "w.npz", {{"module.a", one}, {"b", one}});
  CHECK(load_weights(folder / "w.npz").contains("module.a"));
}

TEST_CASE("conversion between formats keeps names and values") {
  const Folder folder;
  save_weights(folder / "a.npz", kWeights);
  save_weights(folder / "b.safetensors", load_weights(folder / "a.npz"));
  save_weights(folder / "c.npz", load_weights(folder / "b.safetensors"));
  CHECK(read_file(folder / "a.npz") == read_file(folder / "c.npz"));
}

TEST_CASE("SqueezeNet's published .npz loads") {
  const auto data = test_data("squeezenet_v1.0_f32.npz");
  if (!data) return;
  const WeightMap weights = load_weights(data->string());
  CHECK(weights.at("conv1.weight").shape() == Shape{96, 3, 7, 7});
  int64_t parameters = 0;
  for (const auto& entry : weights) parameters += entry.second.count();
  CHECK(parameters == 1248424);
}
