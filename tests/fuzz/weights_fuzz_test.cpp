// 20,000 random and mutated files for each reader of weights: each must load or throw CompileError.
#include <doctest/doctest.h>

#include "frontend/weights/npy.h"
#include "frontend/weights/npz.h"
#include "frontend/weights/safetensors.h"
#include "frontend/weights/torch_file.h"
#include "frontend/weights/weights.h"
#include "tests/fuzz/mutate.h"
#include "tests/unit/torch_fixture.h"

using namespace ag;
using namespace ag::test;

namespace {

constexpr size_t kInputs = 20'000;
constexpr ExpansionLimit kLimit{.floor = 1 << 20, .factor = 20};

using Read = void (*)(const FuzzBytes&);

bool loads(Read read, const FuzzBytes& bytes) {
  try {
    read(bytes);
    return true;
  } catch (const CompileError& error) {
    CHECK(error.message().starts_with("fuzz"));  // names the file
    return false;
  }
}

// Both outcomes must be seen, or the inputs are too tame or too wild to say anything.
void fuzz(Read read, const std::vector<FuzzBytes>& seeds) {
  for (const FuzzBytes& seed : seeds) REQUIRE(loads(read, seed));
  size_t loaded = 0;
  for (size_t i = 0; i < kInputs; ++i) {
    CAPTURE(i);
    Mutator mutator(i);
    const FuzzBytes& seed = seeds[mutator.below(seeds.size())];
    loaded += loads(read, i % 5 == 0 ? mutator.random_bytes(seed) : mutator.mutated(seed, seeds));
  }
  CHECK(loaded > kInputs / 100);
  CHECK(loaded < kInputs);
}

Array counting(DType dtype, Shape shape) {
  Array array(dtype, std::move(shape));
  for (size_t i = 0; i < array.size_bytes(); ++i) array.data()[i] = static_cast<std::byte>(i & 1);
  return array;
}

WeightMap some_weights() {
  return {{"conv1.weight", counting(DType::f32, {2, 3, 2})},
          {"flag", counting(DType::boolean, {3})},
          {"steps", counting(DType::i64, {})}};
}

}  // namespace

TEST_CASE(".npy") {
  FuzzBytes fortran = npy_bytes(counting(DType::f32, {2, 3, 2}));
  const std::string_view text(reinterpret_cast<const char*>(fortran.data()), fortran.size());
  const size_t at = text.find("False");
  std::memcpy(fortran.data() + at, "True ", 5);
  fuzz([](const FuzzBytes& bytes) { parse_npy(bytes, "fuzz.npy"); },
       {npy_bytes(counting(DType::f16, {5})), npy_bytes(counting(DType::boolean, {})), fortran});
}

TEST_CASE(".npz") {
  fuzz([](const FuzzBytes& bytes) { parse_npz(bytes, "fuzz.npz", kLimit); },
       {npz_bytes(some_weights()), npz_bytes({{"a", counting(DType::u8, {4, 4})}})});
}

TEST_CASE(".safetensors") {
  fuzz([](const FuzzBytes& bytes) { parse_safetensors(bytes, "fuzz.safetensors"); },
       {safetensors_bytes(some_weights()),
        safetensors_bytes({{"a", counting(DType::bf16, {4, 4})}}, {{"format", "pt"}})});
}

TEST_CASE("PyTorch's zip files") {
  fuzz([](const FuzzBytes& bytes) { parse_torch_zip(bytes, "fuzz.pth", kLimit); },
       {torch_zip(state_dict_pickle(small_tensors()), small_storages()),
        torch_zip("}(" + str("state_dict") + state_dict_pickle(small_tensors()) + "u",
                  small_storages())});
}

// The zip's CRC stops most changes to the pickle, so the pickle is changed inside a whole archive.
TEST_CASE("PyTorch's pickles in whole archives") {
  const auto body = [](const std::string& text) { return to_bytes(text); };
  fuzz(
      [](const FuzzBytes& bytes) {
        const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        parse_torch_zip(torch_zip(text, small_storages()), "fuzz.pth", kLimit);
      },
      {body(state_dict_pickle(small_tensors())),
       body("}(" + str("epoch") + integer(1000) + str("state_dict") +
            state_dict_pickle(small_tensors()) + "u")});
}

TEST_CASE("PyTorch's files of old") {
  fuzz([](const FuzzBytes& bytes) { parse_torch_legacy(bytes, "fuzz.pth", kLimit); },
       {torch_legacy(state_dict_pickle(small_tensors(), true), small_storages()),
        torch_legacy("}(" + str("state_dict") + state_dict_pickle(small_tensors(), true) + "u",
                     small_storages())});
}

TEST_CASE("any weights file, told by its content") {
  fuzz([](const FuzzBytes& bytes) { parse_weights(bytes, "fuzz", {.limit = kLimit}); },
       {npy_bytes(counting(DType::f32, {3})), npz_bytes(some_weights()),
        safetensors_bytes(some_weights()),
        torch_zip(state_dict_pickle(small_tensors()), small_storages()),
        torch_legacy(state_dict_pickle(small_tensors(), true), small_storages())});
}
