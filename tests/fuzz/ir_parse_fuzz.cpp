// 20,000 random and mutated texts: the parser returns a graph whose print parses to the same print,
// or throws CompileError. Anything else, a crash and a hang above all, is a fault. Seeds are fixed.
#include <doctest/doctest.h>

#include <random>

#include "ir/ops/all_ops.h"
#include "ir/parse.h"
#include "ir/print.h"

using namespace ag;

namespace {

constexpr int kInputs = 20000;

const char* const kSeeds[] = {
    R"(graph @net(%x: f32[2,3], %labels: i32[2]) {
  %w: f32[3,4] = parameter()  # net.cpp:3 layer1
  %mean: f32[4] = state()
  %1: f32[2,3,4] = broadcast(%x, axes=[0,1])
  %2: f32[2,3,4] = broadcast(%w, axes=[1,2])
  %3: f32[2,3,4] = multiply(%1, %2)  # net.cpp:7 layer1.matmul
  %4: f32[2,4] = reduce_sum(%3, axes=[1])
  %5: f32[2,4] = tanh(%4)
  %6: f32[] = reduce_sum(%5, axes=[0,1])
  %7: f32[4] = multiply(%mean, %mean)
  %8: i32[2] = argmax(%5, axis=1)
  return loss=%6, class=%8
  update mean=%7
})",
    R"(graph @views(%x: f32[1,16,5,7], %"a b": u8[3]) {
  %1: f32[1,16,5,7]{aBcd16b} = to_layout(%x)
  %2: f32[1,16,9,11] = pad(%x, low=[0,0,1,2], high=[0,0,3,2], value=-inf)
  %3: f32[1,16,3,2] = slice(%x, start=[0,0,1,2], limit=[1,16,4,6], stride=[1,1,1,2])
  %4: f32[16,35] = reshape(%x)
  %5: f32[35,16] = transpose(%4, permutation=[1,0])
  %6: f32[35,16] = reverse(%5, axes=[0])
  %7: f32[70,16] = concat(%5, %6, axis=0)
  return y=%7, z=%3, "q \"x\"\n"=%2, u=%1
})",
    R"(graph @constants() {
  %1: f16[2,2] = constant(data=f16[2,2]{1 -0.5 inf 0.0009765625})
  %2: i64[2] = constant(data=i64[2]{-9223372036854775808 9223372036854775807})
  %3: u64[1] = constant(data=u64[1]{18446744073709551615})
  %4: bool[2] = constant(data=bool[2]{0 1})
  %5: f64[3] = full(value=1e-300)
  %6: i32[2,3] = iota(axis=1)
  %7: f32[2,3] = cast(%6)
  %8: bool[2] = logical_not(%4)
  return a=%1, b=%2, c=%3, d=%8, e=%5, f=%7
})",
    R"(graph @conv(%x: f32[2,6,9,9], %dy: f32[2,8,5,5]) {
  %w: f32[8,3,3,3] = parameter()
  %1: f32[2,8,5,5] = conv(%x, %w, dims="nC,Oi->nC", groups=2, stride=[2,2], padding=[1,1,1,1])
  %2: f32[2,8,5,5] = relu(%1)
  return y=%2
})",
};

const char* const kPieces[] = {
    "%1",
    "%x",
    "%w",
    "%",
    "@",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "=",
    "\"",
    "#",
    "\n",
    " ",
    "f32[2,3]",
    "f32[]",
    "i8[4]",
    "f32[0]",
    "{aBcd16b}",
    "{ba}",
    "{A4096a}",
    "axes=[0]",
    "0",
    "-1",
    "1",
    "2147483647",
    "2147483648",
    "-2147483648",
    "9223372036854775807",
    "1e308",
    "nan",
    "-inf",
    "1e999",
    "return ",
    "update ",
    "graph @g() {",
    "parameter()",
    "input()",
    "\\x00",
    "\xff",
    "body=graph @b(%a: f32[2]) { return a=%a }",
    "f32[2]{1 2}",
    "u64[1]{-1}",
    "65536",
    "true",
};

using Random = std::mt19937;

size_t below(Random& random, size_t limit) { return limit == 0 ? 0 : random() % limit; }

std::string mutated(std::string text, Random& random) {
  for (size_t edits = 1 + below(random, 4); edits > 0; --edits) {
    size_t at = below(random, text.size() + 1), length = below(random, 12);
    switch (below(random, 6)) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, kPieces[below(random, std::size(kPieces))]); break;
      case 2: text.replace(at, length, kPieces[below(random, std::size(kPieces))]); break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 4: text.insert(at, text.substr(below(random, text.size() + 1), 3 * length)); break;
      default:
        if (at < text.size() && text[at] >= '0' && text[at] <= '9') text[at] = '0' + random() % 10;
    }
  }
  return below(random, 20) == 0 ? text.substr(0, below(random, text.size() + 1)) : text;
}

std::string random_pieces(Random& random) {
  std::string text = below(random, 2) ? "graph @g(%x: f32[2,3]) {\n" : "";
  for (size_t count = below(random, 40); count > 0; --count) {
    if (below(random, 4) == 0)
      text += std::string(all_ops()[below(random, all_ops().size())]->name);
    else
      text += kPieces[below(random, std::size(kPieces))];
  }
  return text;
}

// A statement of a random op: arguments are plausible, rarely right.
std::string random_statement(Random& random) {
  const OpDef& op = *all_ops()[below(random, all_ops().size())];
  const char* operands[] = {"%x", "%y", "%b", "%v"};
  const char* types[] = {"f32[2,3]", "f32[4,3]", "i32[4]", "bool[2,3]", "f32[]", "f32[1,4,6,6]"};
  const char* numbers[] = {"0", "1", "2", "-1", "3", "2147483647", "-2147483648", "1073741824"};
  auto number = [&] { return std::string(numbers[below(random, std::size(numbers))]); };
  std::string text =
      "graph @g(%x: f32[2,3], %y: i32[4], %b: bool[2,3], %v: f32[1,4,6,6]) {\n  %1: ";
  text += std::string(types[below(random, std::size(types))]) + " = " + std::string(op.name) + "(";
  std::string separator;
  size_t count = std::min<size_t>(op.arity.max, op.arity.min + below(random, 2));
  for (; count > 0; --count) {
    text += separator + operands[below(random, std::size(operands))];
    separator = ", ";
  }
  for (const AttributeSpec& spec : op.attributes) {
    if (spec.kind == AttributeKind::type || (!spec.required && below(random, 2))) continue;
    text += separator + std::string(spec.name) + "=";
    separator = ", ";
    if (spec.kind == AttributeKind::string)
      text += below(random, 2) ? "\"nc,oi->nc\"" : "\"nC,Oi->nC\"";
    else if (spec.kind == AttributeKind::boolean)
      text += "true";
    else if (spec.kind == AttributeKind::array)
      text += "f32[2]{1 2}";
    else if (spec.kind == AttributeKind::graph)
      text += "graph @b(%a: f32[2]) { return a=%a }";
    else if (spec.kind != AttributeKind::integers)
      text += number();
    else {
      text += "[" + number();
      for (size_t more = below(random, 4); more > 0; --more) text += "," + number();
      text += "]";
    }
  }
  return text + ")\n  return y=%1\n}\n";
}

bool parses(const std::string& text) {
  std::string printed;
  try {
    printed = print(parse(text));
  } catch (const CompileError& error) {
    if (std::string_view(error.what()).empty()) FAIL("an error without a text");
    return false;
  }
  std::string again = print(parse(printed));
  if (printed != again) FAIL("print and parse differ for:\n" << text << "\n" << printed << again);
  return true;
}

}  // namespace

TEST_CASE("the seeds parse") {
  for (const char* seed : kSeeds) CHECK_NOTHROW(parse(seed));
}

TEST_CASE("mutated and random texts") {
  int accepted = 0;
  for (int i = 0; i < kInputs; ++i) {
    Random random(static_cast<unsigned>(i));
    std::string text = i % 4 == 0   ? random_statement(random)
                       : i % 4 == 1 ? random_pieces(random)
                                    : mutated(kSeeds[i % std::size(kSeeds)], random);
    INFO("input " << i << ":\n" << text);
    try {
      accepted += parses(text);
    } catch (const std::exception& error) {
      FAIL("input " << i << ": " << error.what() << "\n" << text);
    }
  }
  MESSAGE(accepted << " of " << kInputs << " texts were graphs");
  CHECK(accepted > kInputs / 50);
  CHECK(accepted < kInputs);
}
