#include "passes/pass.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "ir/ops/pointwise.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "passes/check.h"
#include "passes/copy.h"

using namespace ag;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

template <class Error = CompileError>
std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const char* const kSmall = R"(graph @small(%x: f32[4]) {
  %1: f32[4] = tanh(%x)
  %2: f32[4] = tanh(%x)
  %3: f32[4] = multiply(%1, %2)
  %4: f32[] = reduce_sum(%3, axes=[0])
  return loss=%4
}
)";

// A wrong "pass": subtract for multiply.
Graph break_multiply(const Graph& graph, const PassOptions&) {
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.is(ops::multiply))
      copy.replace({i, 0}, copy.tensor(node.operands[0]) - copy.tensor(node.operands[1]));
    else
      copy.node(i);
  }
  return copy.finish();
}

}  // namespace

TEST_CASE("a pipeline's text") {
  CHECK(parse_pipeline("").empty());
  std::vector<PassCall> calls =
      parse_pipeline("cse, grad{of=loss,with_respect_to=[x,\"a b\"]},dce{}");
  REQUIRE(calls.size() == 3);
  CHECK(calls[1].pass->name == "grad");
  CHECK(calls[1].options.text("of", "") == "loss");
  CHECK(calls[1].options.list("with_respect_to") == std::vector<std::string>{"x", "a b"});
  CHECK(!calls[0].options.has("of"));
  CHECK(parse_pipeline("grad,default").size() == 1 + parse_pipeline(kDefaultPipeline).size());
}

TEST_CASE("mistakes in a pipeline name their column") {
  CHECK(contains(error_of([] { parse_pipeline("cse,dse"); }), "column 5: there is no pass 'dse'"));
  CHECK(contains(error_of([] { parse_pipeline("cse,dse"); }), "did you mean 'cse'?"));
  CHECK(contains(error_of([] { parse_pipeline("cse{axis=1}"); }), "cse has no parameter 'axis'"));
  CHECK(contains(error_of([] { parse_pipeline("cse dce"); }), "expected ',' between passes"));
  CHECK(contains(error_of([] { parse_pipeline("grad{of}"); }), "expected '='"));
  CHECK(contains(error_of([] { parse_pipeline("grad{of=[a}"); }), "expected ',' or ']'"));
  CHECK(contains(error_of([] { parse_pipeline("grad{of=a"); }), "the end of the text"));
  CHECK(contains(error_of([] { parse_pipeline("cse,"); }), "expected the name of a pass"));
}

TEST_CASE("parameters of passes are read with their kind") {
  PassOptions options;
  options.set("axis", {"-3"});
  options.set("on", {"true"});
  options.set("names", {"a", "b"});
  CHECK(options.integer("axis", 0) == -3);
  CHECK(options.integer("absent", 7) == 7);
  CHECK(options.flag("on", false));
  CHECK(options.list("names").size() == 2);
  CHECK(contains(error_of([&] { options.text("names", ""); }), "takes one value, 2 are given"));
  CHECK(contains(error_of([&] { options.integer("on", 1); }), "is 'true', not an integer"));
  CHECK(contains(error_of([&] { options.flag("axis", true); }), "is '-3', not true or false"));
}

TEST_CASE("a pipeline reports every pass and keeps the input") {
  Graph graph = parse(kSmall);
  std::vector<std::string> seen;
  PipelineOptions options{.check_invariants = true, .check_semantics = true};
  options.after_each = [&](int index, const PassCall& call, const Graph& after, double seconds) {
    seen.push_back(fmt::format("{} {} {}", index, call.pass->name, after.size()));
    CHECK(seconds >= 0);
  };
  run_pipeline(graph, parse_pipeline("cse,grad{with_respect_to=x},dce"), options);
  CHECK(seen.size() == 3);
  CHECK(seen[0] == "0 cse 4");
  CHECK(print(graph) == kSmall);
}

TEST_CASE("a pass that changes the meaning is named with the output and both values") {
  Graph graph = parse(kSmall);
  Pass broken{"broken", "", break_multiply};
  PassCall call{&broken, {}};
  std::string error = error_of<InternalError>([&] {
    run_pipeline(graph, {&call, 1}, {.check_semantics = true});
  });
  CHECK(contains(error, "pass broken changes the meaning: output 'loss' has "));
  CHECK(contains(error, " before and 0 after in element 0"));
}

TEST_CASE("semantics are compared by name, with tolerance for floats alone") {
  Graph graph = parse("graph @g(%x: f32[2], %i: i32[2]) { return x=%x, i=%i }");
  Graph other = parse("graph @g(%x: f32[2], %i: i32[2]) { return i=%i }");
  CHECK_NOTHROW(check_semantics(other, graph, "p"));
  CHECK(contains(error_of<InternalError>([&] { check_semantics(graph, other, "p"); }),
                 "output 'x' is gone"));
  std::vector<ReferenceTensor> a = interpret(graph, sample_bindings(graph)), b = a;
  b[0].floats[0] += 1e-9;
  CHECK(first_difference(graph, a, graph, b).empty());
  b[0].floats[0] += 1e-3;
  CHECK(contains(first_difference(graph, a, graph, b), "output 'x' has"));
  b = a;
  b[1].integers[1] ^= 1;
  CHECK(contains(first_difference(graph, a, graph, b), "output 'i' has"));
}

TEST_CASE("the interpreter is not asked for the impossible") {
  Graph graph = parse(
      "graph @big(%x: f32[2147483647]) { %1: f32[2147483647] = tanh(%x) %2: f32[2147483647] ="
      " tanh(%1) return y=%2 }");
  std::string error = error_of([&] { check_semantics(graph, graph, "p"); });
  CHECK(contains(error, "the interpreter would need"));
  CHECK(contains(error, "help: use a smaller batch"));
}
