#include <doctest/doctest.h>

#include "frontend/weights/torch_file.h"
#include "frontend/weights/weights.h"
#include "tests/test_data.h"
#include "tests/unit/torch_fixture.h"

using namespace ag;
using namespace ag::test;

namespace {

std::vector<float> floats(const Array& array) {
  const auto values = array.as<float>();
  return {values.begin(), values.end()};
}

void check_small(const WeightMap& weights) {
  REQUIRE(weights.size() == 3);
  CHECK(weights.at("w").shape() == Shape{2, 3});
  CHECK(floats(weights.at("w")) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(weights.at("t").shape() == Shape{3, 2});
  CHECK(floats(weights.at("t")) == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(weights.at("n").shape() == Shape{});
  CHECK(weights.at("n").get_int(0) == -7);
}

void refuses(const std::vector<std::byte>& bytes, const char* reason) {
  CHECK_THROWS_WITH_AS(parse_weights(bytes, "net.pth"), doctest::Contains(reason), CompileError);
}

void refuses_pickle(const std::string& body, const char* reason) {
  refuses(torch_zip(body, {}), reason);
  refuses(torch_legacy(body, {}), reason);
}

}  // namespace

TEST_CASE("a state dict loads from both containers, views made contiguous, module. taken off") {
  check_small(parse_weights(torch_zip(state_dict_pickle(small_tensors()), small_storages()), "a"));
  check_small(
      parse_weights(torch_legacy(state_dict_pickle(small_tensors(), true), small_storages()), "a"));
  LoadWeights keep;
  keep.strip_prefix = "";
  CHECK(parse_weights(torch_zip(state_dict_pickle(small_tensors()), small_storages()), "a", keep)
            .contains("module.w"));
}

TEST_CASE("the state dict of a checkpoint is taken, nested dicts are joined by dots") {
  const std::string state = state_dict_pickle(small_tensors());
  const std::string epoch = str("epoch") + integer(12) + str("best_prec1") + "G" +
                            std::string("\x40\x56\xf1\xeb\x85\x1e\xb8\x52");
  check_small(parse_weights(
      torch_zip("}(" + epoch + str("state_dict") + state + "u", small_storages()), "a"));
  const WeightMap nested = parse_weights(
      torch_zip("}(" + str("net") + "}" + str("enc") + state + "s" + integer(3) + state + "u",
                small_storages()),
      "a");
  CHECK(nested.size() == 6);
  CHECK(nested.contains("net.enc.module.t"));
  CHECK(nested.contains("3.module.n"));
}

TEST_CASE("a parameter and every storage class load") {
  const std::string body = "}(" + str("p") + global("torch._utils", "_rebuild_parameter") + "(" +
                           tensor_pickle({"", "BoolStorage", "0", 4, 1, {3}, {1}}, false) + "\x88" +
                           empty_ordered_dict() + "tR" + str("h") +
                           tensor_pickle({"", "BFloat16Storage", "0", 2, 0, {2}, {1}}, false) + "u";
  const WeightMap weights =
      parse_weights(torch_zip(body, {{"0", std::string("\x00\x01\x00\x7f", 4), 4}}), "a");
  CHECK(weights.at("p").dtype() == DType::boolean);
  CHECK(weights.at("p").get_int(0) == 1);
  CHECK(weights.at("p").get_int(1) == 0);
  CHECK(weights.at("p").get_int(2) == 1);  // any other byte is true
  CHECK(weights.at("h").dtype() == DType::bf16);
  CHECK(weights.at("h").as<uint16_t>()[0] == 0x0100);
}

TEST_CASE("a pickle that calls functions is refused by name and nothing runs") {
  refuses_pickle(global("os", "system") + "(" + str("touch owned") + "tR", "'os system'");
  refuses_pickle(global("posix", "system") + str("x") + "\x85R", "'posix system'");
  refuses_pickle(str("builtins") + str("eval") + "\x93" + str("1") + "\x85R", "'builtins eval'");
  refuses_pickle(global("torch", "FloatStorage") + ")R", "may only be named");
  refuses_pickle(global("collections", "OrderedDict") + ")\x81", "opcode 0x81");
  refuses_pickle("I1\n", "opcode 0x49");
  refuses_pickle(str("not a function") + ")R", "calls a str");
}

TEST_CASE("broken pickles say what is wrong") {
  refuses_pickle("", "pops an empty stack");
  refuses_pickle("N", "holds a None");
  refuses_pickle("(a", "pops an empty stack");
  refuses_pickle("}(Ku", "open MARK");
  refuses_pickle("}(N", "open MARK");
  refuses_pickle("}(Nu", "key without a value");
  refuses_pickle("NN\x85s", "no dict on the stack");
  refuses_pickle("u", "lacks a MARK");
  refuses_pickle("h\x05", "memo 5 is used before");
  refuses_pickle("X\xff\xff\xff\x7f", "limit");
  refuses_pickle(
      "]q\x01h\x01"
      "a",
      "holds a list");  // a list that holds itself
}

TEST_CASE("tensors that leave their storage are refused") {
  const auto with = [](TorchTensor t) { return state_dict_pickle({std::move(t)}); };
  const auto refuses_tensor = [&](TorchTensor t, const char* reason) {
    refuses(torch_zip(with(std::move(t)), small_storages()), reason);
  };
  refuses_tensor({"w", "FloatStorage", "0", 6, 0, {7}, {1}}, "reaches element 6");
  refuses_tensor({"w", "FloatStorage", "0", 6, 1, {6}, {1}}, "reaches element 6");
  refuses_tensor({"w", "FloatStorage", "0", 6, -1, {6}, {1}}, "do not describe");
  refuses_tensor({"w", "FloatStorage", "0", 6, 5, {2}, {-1}}, "leave the storage");
  refuses_tensor({"w", "FloatStorage", "0", 6, 0, {2, 3}, {3}}, "do not describe");
  refuses_tensor({"w", "FloatStorage", "0", 6, 0, {-1}, {1}}, "negative extent -1");
  refuses_tensor({"w", "FloatStorage", "0", 6, 0, {2, 2}, {INT64_MAX, INT64_MAX}}, "reaches");
  refuses_tensor({"w", "FloatStorage", "0", 6, 0, {3, 3}, {INT64_MAX, INT64_MAX}}, "leave");
  refuses_tensor({"w", "FloatStorage", "0", 6, 0, {INT64_MAX, INT64_MAX}, {0, 0}}, "too large");
  refuses_tensor({"w", "FloatStorage", "0", 6, 0, {1 << 20, 1 << 20}, {0, 0}},
                 "allowed for a file");
  refuses_tensor({"w", "FloatStorage", "9", 6, 0, {6}, {1}}, "storage '9' is missing");
  refuses_tensor({"w", "DoubleStorage", "0", 6, 0, {6}, {1}}, "the storage holds 3");
}

TEST_CASE("the archive around the pickle is checked") {
  const auto whole = torch_zip(state_dict_pickle(small_tensors()), small_storages());
  for (size_t size = 0; size < whole.size(); size += 7) {
    CHECK_THROWS_AS(parse_weights(std::span(whole).first(size), "a"), CompileError);
  }
  const auto legacy = torch_legacy(state_dict_pickle(small_tensors(), true), small_storages());
  for (size_t size = 0; size < legacy.size(); ++size) {
    CHECK_THROWS_AS(parse_weights(std::span(legacy).first(size), "a"), CompileError);
  }
  auto corrupt = whole;
  const auto text = std::string_view(reinterpret_cast<const char*>(whole.data()), whole.size());
  corrupt[text.find("_rebuild_tensor_v2") + 1] ^= std::byte{1};
  refuses(corrupt, "CRC");
  auto big_endian =
      zip_bytes({{"a/data.pkl", to_bytes(finished("}"))}, {"a/byteorder", to_bytes("big")}});
  refuses(big_endian, "byte order 'big'");
  auto legacy_storages = small_storages();
  legacy_storages[0].elements = INT64_MAX / 2;
  refuses(torch_legacy(state_dict_pickle(small_tensors(), true), legacy_storages), "too large");
  legacy_storages[0].elements = -1;
  refuses(torch_legacy(state_dict_pickle(small_tensors(), true), legacy_storages), "negative");
}

TEST_CASE("the published CIFAR-10 networks load by name") {
  const auto data = test_data("cifar10_resnets");
  if (!data) return;
  const std::string folder = data->string() + "/";
  const WeightMap resnet20 = load_weights(folder + "resnet20-12fca82f.th");
  const WeightMap resnet32 = load_weights(folder + "resnet32-d509ac18.th");
  int64_t parameters = 0;
  for (const auto& [name, array] : resnet20) {
    if (!name.ends_with("running_mean") && !name.ends_with("running_var") &&
        !name.ends_with("num_batches_tracked")) {
      parameters += array.count();
    }
  }
  CHECK(parameters == 269722);  // "0.27M" of the paper
  CHECK(resnet20.at("conv1.weight").shape() == Shape{16, 3, 3, 3});
  CHECK(resnet20.at("layer3.2.conv2.weight").shape() == Shape{64, 64, 3, 3});
  CHECK(resnet20.at("linear.weight").shape() == Shape{10, 64});
  CHECK(resnet32.at("layer1.4.bn2.running_var").shape() == Shape{16});
  // Read independently, by Python's unpickler and numpy.
  struct Row {
    const WeightMap& weights;
    const char* name;
    float first, last;
    double sum;
  };
  const Row rows[] = {
      {resnet20, "conv1.weight", -0.13818146f, 0.3087102f, 1.3100982000032673},
      {resnet20, "bn1.running_var", 2.2049127f, 10.22783f, 76.47960840986343},
      {resnet20, "layer3.2.conv2.weight", 0.023041606f, 0.0028806091f, 1.509974816668091},
      {resnet20, "linear.weight", -1.0598125f, 0.22667697f, -0.04562738863751292},
      {resnet32, "conv1.weight", 0.40355396f, 0.3860053f, 1.961148000027606},
      {resnet32, "layer3.2.conv2.weight", -0.01683648f, -0.00017756423f, -143.77335125482938},
      {resnet32, "linear.bias", 0.17627896f, -0.0862728f, 0.0062164366245269775},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const auto values = row.weights.at(row.name).as<float>();
    CHECK(values.front() == row.first);
    CHECK(values.back() == row.last);
    double sum = 0;
    for (const float value : values) sum += value;
    CHECK(sum == doctest::Approx(row.sum).epsilon(1e-9));
  }
}
