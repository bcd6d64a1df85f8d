#include "passes/pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "ir/lexer.h"
#include "ir/suggestion.h"
#include "passes/check.h"

namespace ag {
namespace {

template <class Row>
std::vector<std::string> names_of(std::span<const Row> rows) {
  std::vector<std::string> names;
  for (const Row& row : rows) names.emplace_back(row.name);
  return names;
}

class PipelineParser {
 public:
  PipelineParser(std::string_view text, std::span<const Pass> passes)
      : lexer_(text, "--passes"), passes_(passes) {}

  std::vector<PassCall> pipeline() {
    std::vector<PassCall> calls;
    if (lexer_.peek().kind == TokenKind::end) return calls;
    do {
      if (accept_default())
        for (PassCall& call : parse_pipeline(kDefaultPipeline, passes_))
          calls.push_back(std::move(call));
      else
        calls.push_back(call());
    } while (accept(','));
    if (lexer_.peek().kind != TokenKind::end) fail_expected("',' between passes");
    return calls;
  }

 private:
  bool accept(char punctuation) {
    if (!lexer_.peek().is(punctuation)) return false;
    lexer_.next();
    return true;
  }

  bool accept_default() {
    if (!lexer_.peek().is(TokenKind::name, "default")) return false;
    lexer_.next();
    return true;
  }

  [[noreturn]] void fail_expected(std::string_view what) {
    throw lexer_.error_at(
        lexer_.peek(), fmt::format("expected {}, found {}", what, Lexer::describe(lexer_.peek())));
  }

  PassCall call() {
    if (lexer_.peek().kind != TokenKind::name) fail_expected("the name of a pass");
    Token name = lexer_.next();
    const auto found = std::ranges::find(passes_, name.text, &Pass::name);
    if (found == passes_.end()) {
      throw lexer_.error_at(name, fmt::format("there is no pass '{}'", name.text))
          .help(name_help(name.text, names_of(passes_), "passes"));
    }
    PassCall call{&*found, {}};
    if (!accept('{') || accept('}')) return call;
    do parameter(call);
    while (accept(','));
    if (!accept('}')) fail_expected("',' or '}'");
    return call;
  }

  void parameter(PassCall& call) {
    if (lexer_.peek().kind != TokenKind::name) fail_expected("the name of a parameter");
    Token name = lexer_.next();
    std::vector<std::string> known = names_of(call.pass->parameters);
    if (std::find(known.begin(), known.end(), name.text) == known.end()) {
      throw lexer_
          .error_at(name, fmt::format("{} has no parameter '{}'", call.pass->name, name.text))
          .help(name_help(name.text, known, fmt::format("parameters of {}", call.pass->name)));
    }
    if (!accept('=')) fail_expected("'='");
    std::vector<std::string> values;
    if (!accept('[')) {
      values.push_back(word());
    } else if (!accept(']')) {
      do values.push_back(word());
      while (accept(','));
      if (!accept(']')) fail_expected("',' or ']'");
    }
    call.options.set(name.text, std::move(values));
  }

  std::string word() {
    TokenKind kind = lexer_.peek().kind;
    if (kind != TokenKind::name && kind != TokenKind::string && kind != TokenKind::number)
      fail_expected("a value: a word, a number or a string");
    return lexer_.next().text;
  }

  Lexer lexer_;
  std::span<const Pass> passes_;
};

}  // namespace

std::string PassOptions::text(std::string_view name, std::string_view otherwise) const {
  auto found = values_.find(name);
  if (found == values_.end()) return std::string(otherwise);
  if (found->second.size() != 1) {
    throw CompileError(
        fmt::format("parameter '{}' takes one value, {} are given", name, found->second.size()))
        .help(fmt::format("write {}=VALUE", name));
  }
  return found->second[0];
}

int64_t PassOptions::integer(std::string_view name, int64_t otherwise) const {
  if (!has(name)) return otherwise;
  std::string given = text(name, "");
  int64_t value = 0;
  auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
  if (error != std::errc() || end != given.data() + given.size()) {
    throw CompileError(fmt::format("parameter '{}' is '{}', not an integer", name, given))
        .help(fmt::format("write {}={}", name, otherwise));
  }
  return value;
}

bool PassOptions::flag(std::string_view name, bool otherwise) const {
  if (!has(name)) return otherwise;
  std::string given = text(name, "");
  if (given == "true" || given == "false") return given == "true";
  throw CompileError(fmt::format("parameter '{}' is '{}', not true or false", name, given));
}

std::vector<std::string> PassOptions::list(std::string_view name) const {
  auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::vector<PassCall> parse_pipeline(std::string_view text, std::span<const Pass> passes) {
  return PipelineParser(text, passes).pipeline();
}

Graph run_pipeline(const Graph& graph, std::span<const PassCall> pipeline,
                   const PipelineOptions& options) {
  using Clock = std::chrono::steady_clock;
  Graph current = graph;
  for (size_t i = 0; i < pipeline.size(); ++i) {
    const PassCall& call = pipeline[i];
    Clock::time_point start = Clock::now();
    Graph next = call.pass->run(current, call.options);
    std::chrono::duration<double> seconds = Clock::now() - start;
    if (options.check_invariants) check_invariants(next, call.pass->name);
    if (options.check_semantics && call.pass->keeps_outputs)
      check_semantics(current, next, call.pass->name);
    if (options.after_each) options.after_each(static_cast<int>(i), call, next, seconds.count());
    current = std::move(next);
  }
  return current;
}

}  // namespace ag
