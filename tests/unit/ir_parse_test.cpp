#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "ir/ops/all_ops.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/suggestion.h"

using namespace ag;

namespace {

std::string error_of(const std::string& text) {
  try {
    parse(text, "net.ag");
  } catch (const CompileError& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void check_round_trip(const Graph& graph) {
  std::string text = print(graph);
  CAPTURE(text);
  Graph again = parse(text);
  CHECK(print(again) == text);
  CHECK(again.size() == graph.size());
  CHECK(again.outputs().size() == graph.outputs().size());
}

// A graph with one statement after the inputs %x: f32[2,3] and %y: i32[4].
std::string with_line(const std::string& line) {
  return "graph @g(%x: f32[2,3], %y: i32[4]) {\n  " + line + "\n}\n";
}

const char* const kCanonical = R"(graph @lenet(%image: f32[64,1,28,28], %"3x3": i32[4]) {
  %conv1.weight: f32[6,25] = parameter()  # lenet5.cpp:5 conv1
  %running: f32[6] = state()  # lenet5.cpp:6
  %1: f32[64,784] = reshape(%image)
  %2: f32[64,1,30,32] = pad(%image, low=[0,0,1,2], high=[0,0,1,2], value=-inf)  # lenet5.cpp:7 a.0 c
  %3: f32[2] = constant(data=f32[2]{0.1 -0})
  %4: f32[6] = multiply(%running, %running)
  %5: bool[4] = less(%"3x3", %"3x3")
  return "two words"=%1, b=%2
  update running=%4
  return %5x=%5
}
)";

}  // namespace

TEST_CASE("canonical text prints as it was read") {
  std::string text = kCanonical;
  text.replace(text.find("%5x"), 3, "last");
  CHECK(print(parse(text)) == text);
  Graph graph = parse(text);
  CHECK(graph.name() == "lenet");
  CHECK(graph.node(graph.find_leaf("conv1.weight")).location == Location("lenet5.cpp", 5, "conv1"));
  CHECK(graph.node(4).location == Location());
  CHECK(graph.outputs()[2].updates);
  CHECK(graph.outputs()[3].name == "last");
}

TEST_CASE("built graphs survive print and parse") {
  Graph graph("round trip");
  Tensor x = input(graph, "x", f32(2, 3)), w = parameter(graph, "layer 1.\"w\"\n", f32(2, 3));
  ScopeGuard scope(graph, "layer1");
  Tensor y = tanh(x * w + 0.1) / 3.0;
  Tensor z = transpose(to_layout(y, Layout::blocked(2, 1, 16)), {1, 0});
  graph.add_output("z", z.value());
  graph.add_output("mean", reduce_mean(y, {0, 1}).value());
  graph.add_update("layer 1.\"w\"\n", (w - y).value());
  graph.add_output("after", argmax(y, 1).value());
  check_round_trip(graph);
}

TEST_CASE("constants of every element type keep their bits") {
  for (int kind = 0; kind < kDTypeCount; ++kind) {
    DType dtype = static_cast<DType>(kind);
    Array array(dtype, {2, 3});
    for (int64_t i = 0; i < 6; ++i) {
      if (is_float(dtype))
        array.set_double(i, std::sin(static_cast<double>(i + 1)) * std::pow(10.0, 3 * i - 8));
      else
        array.set_int(i, i % 2 ? -1 - i * 37 : i * 1234567891011);
    }
    if (is_float(dtype)) array.set_double(5, -std::numeric_limits<double>::infinity());
    CAPTURE(name_of(dtype));
    Graph graph;
    graph.add_output("c", constant(graph, array).value());
    Graph again = parse(print(graph));
    CHECK(again.node(0).attributes.array("data") == array);
  }
}

TEST_CASE("numbers and quoted names are different values") {
  Graph graph;
  Tensor one = input(graph, "1", f32(Shape{2}));
  graph.add_output("y", (one * one).value());
  CHECK(contains(print(graph), "%\"1\""));
  check_round_trip(graph);
}

TEST_CASE("hand-written text: any names, comments, free spacing") {
  Graph graph = parse(R"(# a comment: nothing
graph @main(
    %x: f32[2,3]) {
  %hidden: f32[2,3] =   # not a location
      relu(  %x )       # applies relu
  %sum: f32[] = reduce_sum(%hidden,
                           axes=[0, 1])
  return loss = %sum
}  # the end
)");
  CHECK(graph.size() == 3);
  CHECK(graph.output("loss") == Value{2, 0});
  CHECK(!graph.node(1).location.known());
}

TEST_CASE("nodes can be located at the text's own lines") {
  Graph graph = parse(with_line("%1: f32[2,3] = relu(%x)"), "net.ag", {.locate_in_text = true});
  CHECK(graph.node(2).location == Location("net.ag", 2, ""));
}

TEST_CASE("types alone") {
  CHECK(parse_type("f32[8,64]{aB16b}") == f32(8, 64).with_layout(Layout::blocked(2, 1, 16)));
  CHECK(parse_type("bool[]") == tensor_type(DType::boolean, {}));
  CHECK_THROWS_AS(parse_type("f32[8,64] x"), CompileError);
}

TEST_CASE("an error shows file, line, column, the text and a way out") {
  CHECK(error_of(with_line("%1: f32[2,3] = relu(%x %x)")) ==
        "net.ag:2: error: column 26: expected ')', found '%x'\n"
        "    %1: f32[2,3] = relu(%x %x)\n"
        "                           ^");
  CHECK(error_of(with_line("%1: f32[2,3] = rulu(%x)")) ==
        "net.ag:2: error: column 18: there is no op 'rulu'\n"
        "    %1: f32[2,3] = rulu(%x)\n"
        "                   ^\n"
        "help: did you mean 'relu'?");
}

TEST_CASE("mistakes name what was found and what was wanted") {
  struct Case {
    const char* line;
    const char* message;
  };
  const Case cases[] = {
      {"%1: f32[2,4] = relu(%x)", "'%1' is declared f32[2,4], but relu gives f32[2,3]"},
      {"%1: f32[2,3] = relu(%z)", "'%z' is not defined"},
      {"%1: f33[2,3] = relu(%x)", "did you mean 'f32'?"},
      {"%1: f32[2,-3] = relu(%x)", "extent -3 of axis 1 is negative"},
      {"%1: f32[99999999999] = full(value=0)", "extent 99999999999 of axis 0 is above 2147483647"},
      {"%1: f32[2147483647,2147483647] = full(value=0)", "more than 1099511627776 elements"},
      {"%1: f32[2,3]{ab16c} = to_layout(%x)", "no axis 'c'"},
      {"%1: f32[2,3]{ab16b = to_layout(%x)", "no axis ' '"},
      {"%1: f32[2,3] = relu(%x, slope=1)", "relu: unknown attribute 'slope'"},
      {"%1: f32[2] = reduce_sum(%x)", "attribute 'axes' is missing"},
      {"%1: f32[2] = reduce_sum(%x, axes=1)", "'axes' must be a list of integers, not an integer"},
      {"%1: f32[2] = reduce_sum(%x, axes=[1], axes=[1])", "attribute 'axes' is given twice"},
      {"%1: f32[2] = reduce_sum(axes=[1], %x)", "operands stand before attributes"},
      {"%1: f32[2,3] = relu(%x, %x)", "takes 1 operands, got 2"},
      {"%x: f32[2,3] = relu(%x)", "'%x' is defined twice"},
      {"%1: f32[2,3], %2: f32[2,3] = relu(%x)", "relu has 1 results, but 2 are written"},
      {"%1: f32[2,3] = parameter()", "parameter needs a name, not the number '%1'"},
      {"%w: f32[2,3] = input()", "inputs stand in the graph's head"},
      {"%w: f32[2,3] = parameter(%x)", "write %name: type = parameter()"},
      {"%1: f32[2] = constant(data=f32[2]{1})", "f32[2] has 2 elements, but 1 numbers follow"},
      {"%1: i8[1] = constant(data=i8[1]{300})", "300 does not fit in i8"},
      {"%1: i8[1] = constant(data=i8[1]{1.5})", "'1.5' is no integer"},
      {"%1: f32[1] = constant(data=f32[1]{1.5.2})", "'1.5.2' is no number"},
      {"%1: f32[1] = full(value=1e999)", "'1e999' is no number"},
      {"update x=%x", "'x' is no parameter or state"},
      {"return y=%x, y=%x", "two outputs 'y'"},
      {"return \"y=%x", "a string has no end"},
      {"return \"\\q\"=%x", "unknown escape"},
      {"%: f32[2] = relu(%x)", "a name must follow '%'"},
      {"? = relu(%x)", "unexpected character \"?\""},
      {"relu(%x)", "expected a value such as %1, 'return' or 'update', found 'relu'"},
      {"%1: f32[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] = full(value=0)", "has at most 16 axes"},
      {"%1: f32[2,3] = transpose(%x, permutation=[0,99999999999])", "outside [-2147483648,"},
      {"%1: f32[3,2] = add(%x, %y)", "operands are f32 and i32"},
  };
  for (const Case& c : cases) {
    std::string error = error_of(with_line(c.line));
    CAPTURE(error);
    CHECK(contains(error, c.message));
    CHECK(contains(error, "net.ag:2: "));
  }
  CHECK(contains(error_of(""), "net.ag:1: error: column 1: expected 'graph', found the end"));
  CHECK(contains(error_of("graph @g() {"), "found the end of the text"));
  CHECK(contains(error_of("graph @g() {}\nx"), "net.ag:2: error: column 1: expected the end"));
}

TEST_CASE("an error of a located node keeps its place and adds the line of the text") {
  std::string error = error_of(with_line("%1: f32[5,6] = reshape(%x)  # net.cpp:12 layer1"));
  CHECK(contains(error, "net.cpp:12: error: reshape: f32[2,3] has 6 elements, f32[5,6] has 30"));
  CHECK(contains(error, "net.ag:2: note: read from this line"));
}

TEST_CASE("nesting is limited, not the stack") {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "graph @g() { %1: f32[] = full(value=";
  CHECK(contains(error_of(text), "is no number"));
  text.clear();
  for (int i = 0; i < 100000; ++i) text += "graph @g() { %1: f32[] = relu(body=";
  CHECK(contains(error_of(text), "graphs nest deeper than 32"));
}

TEST_CASE("suggestions") {
  CHECK(edit_distance("relu", "relu") == 0);
  CHECK(edit_distance("rleu", "relu") == 1);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("transpos", "transpose") == 1);
  std::vector<std::string> names{"simplify", "cse", "dce", "expand"};
  CHECK(closest_name("simplfy", names) == "simplify");
  CHECK(closest_name("dse", names) == "cse");
  CHECK(closest_name("nothing-like-it", names).empty());
  CHECK(name_help("sce", names, "passes") ==
        "did you mean 'cse'? passes: simplify, cse, dce, expand");
}
