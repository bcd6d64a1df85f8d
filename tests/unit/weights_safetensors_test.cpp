#include <doctest/doctest.h>

#include "frontend/weights/safetensors.h"

using namespace ag;

namespace {

std::vector<std::byte> file(const std::string& header, const std::string& data = {}) {
  uint64_t length = header.size();
  std::string text(reinterpret_cast<const char*>(&length), sizeof length);
  text += header + data;
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

void refuses(const std::vector<std::byte>& bytes, const char* reason) {
  CHECK_THROWS_WITH_AS(parse_safetensors(bytes, "w"), doctest::Contains(reason), CompileError);
}

}  // namespace

TEST_CASE("tensors of every type and metadata come back; the same input gives the same bytes") {
  WeightMap tensors;
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    Array array(dtype, {2, 3});
    for (int64_t k = 0; k < 6; ++k) {
      is_float(dtype) ? array.set_double(k, 0.25 * static_cast<double>(k))
                      : array.set_int(k, dtype == DType::boolean ? k & 1 : k);
    }
    tensors["layer." + std::string(name_of(dtype))] = array;
  }
  tensors["scalar"] = Array(DType::i64, {});
  tensors["empty"] = Array(DType::f32, {0, 4});
  const std::map<std::string, std::string> metadata{{"step", "12"}, {"note", "\"quoted\"\n"}};
  const auto bytes = safetensors_bytes(tensors, metadata);
  const Safetensors read = parse_safetensors(bytes, "w");
  CHECK(read.tensors == tensors);
  CHECK(read.metadata == metadata);
  CHECK(safetensors_bytes(tensors, metadata) == bytes);
  CHECK(parse_safetensors(safetensors_bytes({}), "w").tensors.empty());
}

TEST_CASE("a file as the reference implementation writes it") {
  const Safetensors read = parse_safetensors(
      file(
          R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I32","shape":[],"data_offsets":[8,12]},)"
          R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )",
          std::string("\0\0\x80\x3f\0\0\0\x40\x2a\0\0\0", 12)),
      "w");
  CHECK(read.metadata.at("format") == "pt");
  CHECK(read.tensors.at("a").as<float>()[1] == 2.0f);
  CHECK(read.tensors.at("b").get_int(0) == 42);
}

TEST_CASE("damaged and hostile files are refused") {
  const auto one = [](const std::string& fields) {
    return file("{\"a\":{" + fields + "}}", "12345678");
  };
  CHECK_NOTHROW(parse_safetensors(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), "w"));
  refuses(one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), "needs 12 bytes, but 8");
  refuses(one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "-2 is not a size");
  refuses(one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "2.0 is not a size");
  refuses(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"),
          "too large");
  refuses(one(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8])"),
          "not a size");
  refuses(one(R"("dtype":"F32","shape":"2","data_offsets":[0,8])"), "'shape' is missing or of");
  refuses(one(R"("dtype":"F4","shape":[2],"data_offsets":[0,8])"), "'F4' is not supported");
  refuses(one(R"("dtype":7,"shape":[2],"data_offsets":[0,8])"), "'dtype' is missing or of");
  refuses(one(R"("dtype":"F32","shape":[2])"), "'data_offsets' is missing");
  refuses(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,9])"), "has 3 numbers");
  refuses(one(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "leave the 8 bytes");
  refuses(one(R"("dtype":"F32","shape":[2],"data_offsets":[1,9])"), "leave the 8 bytes");
  refuses(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "4 bytes of data belong to no");
  refuses(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "starts at byte 4");
  refuses(file(R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},)"
               R"("b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}})",
               "12345678"),
          "'b' starts at byte 3 of the data, but the tensor before it ends at 5");
  refuses(file(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
               R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
          "'a' appears twice");
  refuses(file("[1]"), "not a JSON object");
  refuses(file("{\"a\":7}"), "is missing or of another type");
  refuses(file("{\"__metadata__\":7}"), "is not an object");
  refuses(file("{\"__metadata__\":{\"a\":7}}"), "'a' is not a string");
  refuses(file("{\"a\":"), "is not JSON");
  refuses(file("{\"a\":" + std::string(1'000'000, '[')), "nests deeper");
  refuses(file("{\"\xff\":{}}"), "is not JSON");
  auto huge = file("{}");
  for (int i = 0; i < 8; ++i) huge[static_cast<size_t>(i)] = std::byte{0xff};
  refuses(huge, "the limit is 100000000");
  const auto whole = safetensors_bytes({{"a", Array(DType::f32, {3})}}, {{"k", "v"}});
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK_THROWS_AS(parse_safetensors(std::span(whole).first(size), "w"), CompileError);
  }
}

TEST_CASE("names that are not UTF-8 cannot be written") {
  CHECK_THROWS_WITH_AS(safetensors_bytes({{"a\xff", Array(DType::f32, {1})}}),
                       doctest::Contains("cannot write safetensors"), CompileError);
}
