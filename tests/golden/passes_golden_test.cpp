// tests/golden/passes/*.txt: a pipeline, a graph before, the graph after.
//
//   # passes: simplify,dce
//   graph @g(…) { … }
//   # after
//   graph @g(…) { … }
//
// Each case is also run through the interpreter before and after.
#include <set>

#include "codegen/compile.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "passes/check.h"
#include "passes/pass.h"
#include "passes/rules/rules.h"
#include "tests/golden/golden.h"

using namespace ag;

namespace {

struct GoldenCase {
  std::string pipeline, before;
};

const std::string kHead = "# passes: ", kAfter = "# after\n";

GoldenCase read_case(const std::string& path) {
  std::string text = read_text_file(path);
  REQUIRE_MESSAGE(text.rfind(kHead, 0) == 0, path << " must begin with '" << kHead << "'");
  size_t end = text.find('\n');
  std::string before = text.substr(end + 1);
  return {text.substr(kHead.size(), end - kHead.size()), before.substr(0, before.find(kAfter))};
}

}  // namespace

TEST_CASE("passes: text before and after") {
  for (const std::string& path : golden_files("passes", ".txt")) {
    CAPTURE(path);
    GoldenCase golden = read_case(path);
    Graph before = parse(golden.before, "golden.ag");
    PipelineOptions options{.check_invariants = true, .check_semantics = true};
    Graph after = run_pipeline(before, parse_pipeline(golden.pipeline, compiler_passes()), options);
    check_golden(path, kHead + golden.pipeline + "\n" + golden.before + kAfter + print(after));
  }
}

TEST_CASE("every pass has a golden file") {
  std::set<std::string> covered;
  for (const std::string& path : golden_files("passes", ".txt")) {
    for (const PassCall& call : parse_pipeline(read_case(path).pipeline, compiler_passes()))
      covered.insert(std::string(call.pass->name));
  }
  for (const Pass& pass : compiler_passes()) {
    CAPTURE(pass.name);
    CHECK(covered.count(std::string(pass.name)) == 1);
  }
}

TEST_CASE("every rule of simplify applies in a golden file") {
  std::set<std::string_view> covered;
  for (const std::string& path : golden_files("passes", ".txt")) {
    std::vector<std::string_view> applied;
    rewrite(parse(read_case(path).before, "golden.ag"), simplify_rules(), &applied);
    covered.insert(applied.begin(), applied.end());
  }
  for (const Rule& rule : simplify_rules()) {
    CAPTURE(rule.name);
    CHECK(covered.count(rule.name) == 1);
  }
}
