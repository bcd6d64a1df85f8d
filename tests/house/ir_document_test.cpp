// docs/ir.md names every op and every pass, and its graphs are graphs.
#include <doctest/doctest.h>

#include "ir/file.h"
#include "ir/ops/all_ops.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "passes/pass.h"

using namespace ag;

namespace {

std::string document() {
  std::vector<std::byte> bytes = read_file(ARGENT_SOURCE_DIR "/docs/ir.md");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool names(const std::string& text, std::string_view word) {
  return text.find("`" + std::string(word) + "`") != std::string::npos;
}

}  // namespace

TEST_CASE("every op and every pass is in the document") {
  std::string text = document();
  for (const OpDef* op : all_ops()) CHECK_MESSAGE(names(text, op->name), op->name);
  for (const Pass& pass : all_passes()) CHECK_MESSAGE(names(text, pass.name), pass.name);
}

TEST_CASE("the document's graphs are printed text") {
  std::string text = document();
  const std::string kOpen = "```ag\n", kClose = "```\n";
  int found = 0;
  for (size_t at = 0; (at = text.find(kOpen, at)) != std::string::npos; ++found) {
    at += kOpen.size();
    std::string graph = text.substr(at, text.find(kClose, at) - at);
    CHECK(print(parse(graph, "ir.md")) == graph);
  }
  CHECK(found > 0);
}
