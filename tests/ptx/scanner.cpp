#include "tests/ptx/scanner.h"

#include <fmt/format.h>

#include <cctype>

#include "tests/ptx/program.h"

namespace ag::ptx {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$' ||
         c == '%';
}

// Where the comment that starts here ends; the place itself when none does.
size_t comment_end(std::string_view text, size_t at) {
  if (text.substr(at, 2) == "//") return std::min(text.find('\n', at), text.size());
  if (text.substr(at, 2) != "/*") return at;
  const size_t end = text.find("*/", at + 2);
  return end == std::string_view::npos ? text.size() : end + 2;
}

size_t token_end(std::string_view text, size_t at) {
  if (text[at] == '"') return std::min(text.find('"', at + 1), text.size() - 1) + 1;
  size_t end = at;
  while (end < text.size() && is_word(text[end])) ++end;
  return end == at ? at + 1 : end;
}

}  // namespace

Scanner::Scanner(std::string_view text) : text_(text) {
  int line = 1;
  for (size_t at = 0; at < text.size() && text[at] != 0;) {
    if (std::isspace(static_cast<unsigned char>(text[at]))) {
      line += text[at++] == '\n';
      continue;
    }
    size_t end = comment_end(text, at);
    if (end == at) {
      end = token_end(text, at);
      tokens_.push_back({text.substr(at, end - at), line});
    }
    for (; at < end; ++at) line += text[at] == '\n';
  }
  tokens_.push_back({text.substr(text.size()), line});
}

Token Scanner::next() {
  const Token token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Scanner::accept(std::string_view text) {
  if (peek().text != text) return false;
  next();
  return true;
}

void Scanner::expect(std::string_view text) {
  if (!accept(text)) fail(fmt::format("'{}' expected before '{}'", text, peek().text));
}

void Scanner::skip_line() {
  const int line = peek().line;
  while (!ended() && peek().line == line) next();
}

std::string Scanner::between(const Token& first, const Token& last) const {
  const auto length = static_cast<size_t>(last.text.data() - first.text.data());
  std::string text;
  for (const char c : text_.substr(static_cast<size_t>(first.text.data() - text_.data()), length)) {
    const bool blank = std::isspace(static_cast<unsigned char>(c));
    if (!blank)
      text += c;
    else if (!text.empty() && text.back() != ' ')
      text += ' ';
  }
  return text;
}

void Scanner::fail(const std::string& what) const {
  throw PtxError(fmt::format("PTX line {}: {}", peek().line, what));
}

}  // namespace ag::ptx
