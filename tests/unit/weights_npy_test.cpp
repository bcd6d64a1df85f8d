#include <doctest/doctest.h>
#include <zlib.h>

#include "frontend/weights/npy.h"
#include "frontend/weights/npz.h"
#include "frontend/weights/zip_archive.h"

using namespace ag;

namespace {

std::vector<std::byte> to_bytes(const std::string& text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

// A version-1 file with the given header dict and data.
std::vector<std::byte> npy(const std::string& header, const std::string& data,
                           const std::string& version = std::string("\1\0", 2)) {
  std::string length{static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  if (version[0] != 1) length += std::string(2, '\0');
  return to_bytes("\x93NUMPY" + version + length + header + data);
}

Array parse(const std::vector<std::byte>& bytes) { return parse_npy(bytes, "x.npy"); }

void refuses(const std::vector<std::byte>& bytes, const char* reason) {
  CHECK_THROWS_WITH_AS(parse(bytes), doctest::Contains(reason), CompileError);
}

Array counting(DType dtype, Shape shape) {
  Array array(dtype, std::move(shape));
  for (int64_t i = 0; i < array.count(); ++i) {
    is_float(dtype) ? array.set_double(i, 0.5 * static_cast<double>(i))
                    : array.set_int(i, dtype == DType::boolean ? i % 2 : i);
  }
  return array;
}

// A raw deflate stream inside a minimal zip with one entry that claims `claimed` unpacked bytes.
std::vector<std::byte> deflated_zip(const std::string& name, const std::string& content,
                                    uint32_t claimed) {
  std::string packed(compressBound(content.size()) + 32, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const auto crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())));
  const auto number = [](uint64_t value, int width) {
    return std::string(reinterpret_cast<const char*>(&value), static_cast<size_t>(width));
  };
  const std::string common = number(20, 2) + number(0, 2) + number(8, 2) + number(0, 4) +
                             number(crc, 4) + number(packed.size(), 4) + number(claimed, 4) +
                             number(name.size(), 2) + number(0, 2);
  const std::string local = "PK\3\4" + common + name + packed;
  const std::string central =
      "PK\1\2" + number(20, 2) + common + number(0, 8) + number(0, 6) + name;
  return to_bytes(local + central + "PK\5\6" + number(0, 4) + number(1, 2) + number(1, 2) +
                  number(central.size(), 4) + number(local.size(), 4) + number(0, 2));
}

}  // namespace

TEST_CASE("every element type and rank comes back as it was written") {
  for (int i = 0; i < kDTypeCount; ++i) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{3, 0, 2}, Shape{2, 1, 3, 4}}) {
      const Array array = counting(static_cast<DType>(i), shape);
      INFO(to_string(array.type()));
      const auto bytes = npy_bytes(array);
      CHECK(parse(bytes) == array);
      CHECK((bytes.size() - array.size_bytes()) % 64 == 0);
    }
  }
}

TEST_CASE("the header is what NumPy writes") {
  const auto bytes = npy_bytes(counting(DType::f32, {3}));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  CHECK(text.substr(0, 10) == std::string("\x93NUMPY\1\0v\0", 10));
  CHECK(text.substr(10, 57) == "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
  CHECK(text[127] == '\n');
}

TEST_CASE("Fortran order, big-endian numbers, versions 2 and 3, odd spacing") {
  const std::string six("\0\1\0\2\0\3\0\4\0\5\0\6", 12);
  const Array fortran =
      parse(npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", six));
  CHECK(fortran.shape() == Shape{2, 3});
  std::vector<int64_t> values;
  for (int64_t i = 0; i < 6; ++i) values.push_back(fortran.get_int(i));
  CHECK(values == std::vector<int64_t>{1, 3, 5, 2, 4, 6});
  for (const char version : {'\2', '\3'}) {
    const Array array = parse(npy("{\"shape\":(12L,),'fortran_order':False,'descr':'|u1'}\n", six,
                                  std::string{version, '\0'}));
    CHECK(array.get_int(11) == 6);
  }
  const Array bools = parse(
      npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", std::string("\0\x80", 2)));
  CHECK(bools.get_int(0) == 0);
  CHECK(bools.get_int(1) == 1);
}

TEST_CASE("damaged and hostile headers are refused") {
  const auto with = [](const std::string& shape, const std::string& descr = "<f4") {
    return npy("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + "}",
               std::string(24, 'x'));
  };
  CHECK(parse(with("(2, 3)")).count() == 6);
  refuses(with("(2, 4)"), "needs 32 bytes of data, but 24 are there");
  refuses(with("(2, 2)"), "needs 16 bytes of data, but 24 are there");
  refuses(with("(-6,)"), "negative extent -6");
  refuses(with("(4294967296, 4294967296)"), "too large");
  refuses(with("(0, 4294967296, 4294967296)"), "too large");
  refuses(with("(9223372036854775808,)"), "expected an extent");
  refuses(with("(2, 3"), "expected ','");
  refuses(with("6"), "expected '('");
  refuses(with("(" + std::string(33 * 2, '1').replace(1, 1, ",") + ")"), "extent");
  refuses(with("(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,6)"), "rank 33");
  refuses(with("(6,)", "<c8"), "'<c8' is not supported");
  refuses(with("(6,)", "O"), "'O' is not supported");
  refuses(with("(6,)", ""), "'' is not supported");
  refuses(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", ""),
          "structured");
  refuses(npy("{'descr': '<f4', 'shape': (6,)}", std::string(24, 'x')), "lacks");
  refuses(npy("{'descr': '<f4', 'descr': '<f4'}", ""), "repeated key 'descr'");
  refuses(npy("{'descr': '<f4', 'fortran_order': Maybe}", ""), "neither True nor False");
  refuses(npy("__import__('os')", ""), "expected '{'");
  refuses(npy("{}", "", std::string("\4\0", 2)), "version 4");
  refuses(to_bytes("\x93NUMPY\2" + std::string("\0\xff\xff\xff\xff", 5)), "the limit is 65536");
  refuses(to_bytes("\x93NUMPX"), "the magic is missing");
  const auto whole = with("(6,)");
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK_THROWS_AS(parse_npy(std::span(whole).first(size), "x"), CompileError);
  }
}

TEST_CASE("an .npz holds several arrays, stored or deflated") {
  const WeightMap weights{{"a/b.weight", counting(DType::f32, {4, 5})},
                          {"flag", counting(DType::boolean, {3})},
                          {"half", counting(DType::f16, {2, 2})}};
  const auto bytes = npz_bytes(weights);
  CHECK(parse_npz(bytes, "w.npz") == weights);
  CHECK(npz_bytes(weights) == bytes);  // no clock in the archive
  const auto entry = npy_bytes(counting(DType::f64, {100}));
  const std::string content(reinterpret_cast<const char*>(entry.data()), entry.size());
  const auto deflated = deflated_zip("x.npy", content, static_cast<uint32_t>(content.size()));
  CHECK(deflated.size() < content.size());
  CHECK(parse_npz(deflated, "w.npz").at("x") == counting(DType::f64, {100}));
}

TEST_CASE("archives that lie about their sizes are refused before memory is taken") {
  const auto refuses_zip = [](const std::vector<std::byte>& bytes, const char* reason) {
    ExpansionLimit limit{.floor = 1 << 20, .factor = 20};
    CHECK_THROWS_WITH_AS(parse_npz(bytes, "w.npz", limit), doctest::Contains(reason), CompileError);
  };
  const std::string zeros(4 << 20, '\0');
  refuses_zip(deflated_zip("x.npy", zeros, 4 << 20), "unpacks to more than");
  refuses_zip(deflated_zip("x.npy", zeros, 0xfffffffe), "unpacks to more than");
  refuses_zip(deflated_zip("x.npy", zeros, 1000), "more than 1000 bytes");
  refuses_zip(deflated_zip("x.npy", "short", 1000), "fewer than 1000 bytes");
  refuses_zip(deflated_zip("x.txt", "text", 4), "is no .npy");
  refuses_zip(to_bytes("PK\5\6"), "not a valid zip archive");
  refuses_zip(to_bytes(""), "not a valid zip archive");
  auto corrupt = npz_bytes({{"a", counting(DType::f32, {64})}});
  corrupt[200] ^= std::byte{1};
  refuses_zip(corrupt, "CRC");
}
