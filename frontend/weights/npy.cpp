#include "frontend/weights/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "frontend/weights/byte_reader.h"
#include "frontend/weights/strided.h"
#include "ir/file.h"
#include "ir/internal_error.h"

namespace ag {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr uint32_t kLongestHeader = 64 * 1024;  // NumPy itself stops at 10,000 characters

struct TypeCode {
  std::string_view code;  // kind and bytes, as NumPy writes them
  DType dtype;
};
constexpr TypeCode kTypeCodes[] = {
    {"f8", DType::f64},     {"f4", DType::f32}, {"f2", DType::f16}, {"V2", DType::bf16},
    {"i8", DType::i64},     {"i4", DType::i32}, {"i2", DType::i16}, {"i1", DType::i8},
    {"u8", DType::u64},     {"u4", DType::u32}, {"u2", DType::u16}, {"u1", DType::u8},
    {"b1", DType::boolean},
};

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

// The Python dict literal of the header: three keys, whose values are a string, a bool and a tuple.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const ByteReader& reader) : text_(text), reader_(reader) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      value(key, header);
      if (accept('}')) break;
      expect(',');
    }
    skip_space();
    if (at_ != text_.size()) fail("text behind the closing brace");
    if (!header.descr || !header.fortran_order || !header.shape) {
      fail("it lacks 'descr', 'fortran_order' or 'shape'");
    }
    return header;
  }

 private:
  void value(std::string_view key, Header& header) {
    if (key == "descr" && !header.descr) {
      header.descr = std::string(quoted());
    } else if (key == "fortran_order" && !header.fortran_order) {
      header.fortran_order = boolean();
    } else if (key == "shape" && !header.shape) {
      header.shape = tuple();
    } else {
      fail(fmt::format("unknown or repeated key '{}'", key.substr(0, 40)));
    }
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("expected '{}' at character {}", c, at_));
  }
  std::string_view quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote == '[') fail("structured arrays have no counterpart here");
    if (quote != '\'' && quote != '"') fail(fmt::format("expected a string at character {}", at_));
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a string has no end");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return inside;
  }
  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return value;
    }
    fail("'fortran_order' is neither True nor False");
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      shape.push_back(integer());
      accept('L');  // Python 2 wrote 64-bit extents so
      if (accept(')')) break;
      expect(',');
    }
    return shape;
  }
  int64_t integer() {
    skip_space();
    int64_t value = 0;
    const char* end = text_.data() + text_.size();
    const auto result = std::from_chars(text_.data() + at_, end, value);
    if (result.ec != std::errc()) fail(fmt::format("expected an extent at character {}", at_));
    at_ = static_cast<size_t>(result.ptr - text_.data());
    return value;
  }
  [[noreturn]] void fail(const std::string& reason) const {
    reader_.fail("bad header: {}", reason);
  }

  std::string_view text_;
  const ByteReader& reader_;
  size_t at_ = 0;
};

DType dtype_of(std::string_view descr, const ByteReader& reader) {
  const std::string_view code = descr.substr(std::min<size_t>(1, descr.size()));
  const auto row = std::ranges::find(kTypeCodes, code, &TypeCode::code);
  const bool known_order =
      !descr.empty() && std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
  if (!known_order || row == std::end(kTypeCodes)) {
    throw CompileError(
        fmt::format("{}: element type '{}' is not supported", reader.what(), descr.substr(0, 40)))
        .help("store floats, integers or booleans: array.astype('float32') in NumPy");
  }
  return row->dtype;
}

uint32_t header_length(ByteReader& reader) {
  const auto major = reader.number<uint8_t>("the version");
  reader.number<uint8_t>("the version");
  if (major < 1 || major > 3) reader.fail("version {} is not 1, 2 or 3", major);
  const uint32_t length = major == 1 ? reader.number<uint16_t>("the header's length")
                                     : reader.number<uint32_t>("the header's length");
  if (length > kLongestHeader) {
    reader.fail("the header claims {} bytes, the limit is {}", length, kLongestHeader);
  }
  return length;
}

void swap_bytes(Array& array) {
  const size_t width = size_of(array.dtype());
  for (size_t i = 0; i < array.size_bytes(); i += width) {
    std::reverse(array.data() + i, array.data() + i + width);
  }
}

Shape fortran_strides(const Shape& shape) {
  Shape strides;
  int64_t stride = 1;
  for (const int64_t extent : shape) {
    strides.push_back(stride);
    stride *= std::max<int64_t>(extent, 1);
  }
  return strides;
}

}  // namespace

Array parse_npy(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name + ": not a valid .npy file");
  if (reader.text(kMagic.size(), "the magic") != kMagic) reader.fail("the magic is missing");
  const uint32_t length = header_length(reader);
  const Header header = HeaderParser(reader.text(length, "the header"), reader).parse();
  const DType dtype = dtype_of(*header.descr, reader);
  const uint64_t expected = checked_tensor_bytes(*header.shape, dtype, reader.what());
  if (expected != reader.remaining()) {
    reader.fail("{}{} needs {} bytes of data, but {} are there", name_of(dtype),
                to_string(*header.shape), expected, reader.remaining());
  }
  const auto data = reader.take(expected, "the data");
  Array array = *header.fortran_order
                    ? gather_strided(dtype, *header.shape, fortran_strides(*header.shape), 0, data,
                                     reader.what())
                    : dense_array(dtype, *header.shape, data, reader.what());
  if (header.descr->front() == '>') swap_bytes(array);
  return array;
}

Array read_npy(const std::string& path) { return parse_npy(read_file(path), path); }

std::vector<std::byte> npy_bytes(const Array& array) {
  const auto row = std::ranges::find(kTypeCodes, array.dtype(), &TypeCode::dtype);
  const Shape& shape = array.shape();
  const std::string extents = shape.size() == 1 ? fmt::format("({},)", shape[0])
                                                : fmt::format("({})", fmt::join(shape, ", "));
  std::string text = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': {}, }}",
                                 size_of(array.dtype()) == 1 ? '|' : '<', row->code, extents);
  constexpr size_t kPrefix = 10;  // magic, version, length; the data start at a multiple of 64
  text.resize((kPrefix + text.size() + 1 + 63) / 64 * 64 - kPrefix, ' ');
  text.back() = '\n';
  if (text.size() > UINT16_MAX) internal_error("an .npy header of {} characters", text.size());
  std::string start(kMagic);
  start += {'\1', '\0', static_cast<char>(text.size() & 255), static_cast<char>(text.size() >> 8)};
  start += text;
  const auto head = std::as_bytes(std::span(start));
  std::vector<std::byte> bytes(head.begin(), head.end());
  bytes.insert(bytes.end(), array.data(), array.data() + array.size_bytes());
  return bytes;
}

void write_npy(const std::string& path, const Array& array) { write_file(path, npy_bytes(array)); }

}  // namespace ag
