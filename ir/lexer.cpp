#include "ir/lexer.h"

#include <fmt/format.h>

#include <algorithm>

namespace ag {
namespace {

// Independent of the process's locale, unlike the functions of <cctype>.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_char(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '/';
}
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

constexpr std::string_view kPunctuation = "()[]{},:=";

}  // namespace

bool is_plain_name(std::string_view name) {
  return !name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), is_name_char);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (c == '\n')
      out += "\\n";
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out + "\"";
}

Lexer::Lexer(std::string_view text, std::string_view file_name)
    : text_(text), file_name_(file_name) {
  advance();
}

Token Lexer::next() {
  Token taken = std::move(token_);
  previous_end_ = position_;
  advance();
  return taken;
}

std::string_view Lexer::trailing_comment() const {
  size_t at = previous_end_;
  while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
  if (at == text_.size() || text_[at] != '#') return {};
  size_t end = std::min(text_.find('\n', at), text_.size());
  std::string_view comment = text_.substr(at + 1, end - at - 1);
  while (!comment.empty() && is_space(comment.front())) comment.remove_prefix(1);
  while (!comment.empty() && is_space(comment.back())) comment.remove_suffix(1);
  return comment;
}

std::string_view Lexer::raw_until(char stop) {
  size_t start = token_.offset, end = text_.find(stop, start);
  if (end == std::string_view::npos)
    throw error_at(token_, fmt::format("'{}' is missing behind this", stop));
  std::string_view raw = text_.substr(start, end - start);
  line_ = token_.line + static_cast<int>(std::count(raw.begin(), raw.end(), '\n'));
  position_ = end;
  advance();
  return raw;
}

void Lexer::set(TokenKind kind, std::string text, size_t end) {
  token_.kind = kind;
  token_.text = std::move(text);
  position_ = end;
}

void Lexer::advance() {
  while (position_ < text_.size()) {
    if (text_[position_] == '#')
      position_ = std::min(text_.find('\n', position_), text_.size());
    else if (is_space(text_[position_]))
      line_ += text_[position_++] == '\n';
    else
      break;
  }
  token_ = {TokenKind::end, {}, position_, line_};
  if (position_ == text_.size()) return;
  char c = text_[position_];
  if (kPunctuation.find(c) != std::string_view::npos)
    set(TokenKind::punctuation, std::string(1, c), position_ + 1);
  else if (c == '"')
    read_string(position_);
  else if (c == '%')
    read_name(TokenKind::named_value, position_ + 1);
  else if (c == '@')
    read_name(TokenKind::graph_name, position_ + 1);
  else if (is_letter(c))
    read_name(TokenKind::name, position_);
  else if (is_digit(c) || c == '-')
    read_number();
  else
    throw error_at(token_, fmt::format("unexpected character {}", quoted({&c, 1})));
}

void Lexer::read_string(size_t at) {
  std::string out;
  size_t i = at + 1;
  for (; i < text_.size() && text_[i] != '"' && text_[i] != '\n'; ++i) {
    if (text_[i] != '\\') {
      out += text_[i];
      continue;
    }
    char escaped = ++i < text_.size() ? text_[i] : '\0';
    if (escaped == '"' || escaped == '\\') {
      out += escaped;
    } else if (escaped == 'n') {
      out += '\n';
    } else if (escaped == 't') {
      out += '\t';
    } else if (escaped == 'x' && i + 2 < text_.size() && hex_digit(text_[i + 1]) >= 0 &&
               hex_digit(text_[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text_[i + 1]) * 16 + hex_digit(text_[i + 2]));
      i += 2;
    } else {
      throw error_at(token_, "a string has an unknown escape")
          .help("escapes are \\\" \\\\ \\n \\t and \\x with two small hexadecimal digits");
    }
  }
  if (i >= text_.size() || text_[i] != '"') throw error_at(token_, "a string has no end");
  set(TokenKind::string, std::move(out), i + 1);
}

void Lexer::read_name(TokenKind kind, size_t at) {
  if (at < text_.size() && text_[at] == '"') {
    read_string(at);
    token_.kind = kind;
    return;
  }
  size_t end = at;
  while (end < text_.size() && is_name_char(text_[end])) ++end;
  std::string_view name = text_.substr(at, end - at);
  bool numbered = kind == TokenKind::named_value && !name.empty() &&
                  std::all_of(name.begin(), name.end(), is_digit);
  if (!numbered && !is_plain_name(name)) {
    throw error_at(token_, fmt::format("a name must follow '{}'", text_[token_.offset]))
        .help("names start with a letter or _; put others in quotes: %\"3x3\"");
  }
  set(numbered ? TokenKind::value : kind, std::string(name), end);
}

void Lexer::read_number() {
  size_t end = position_ + 1;
  auto continues = [&](char c) {
    bool after_exponent = text_[end - 1] == 'e' || text_[end - 1] == 'E';
    return is_digit(c) || is_letter(c) || c == '.' || ((c == '-' || c == '+') && after_exponent);
  };
  while (end < text_.size() && continues(text_[end])) ++end;
  set(TokenKind::number, std::string(text_.substr(position_, end - position_)), end);
}

Location Lexer::location_of(const Token& token) const { return {file_name_, token.line, {}}; }

CompileError Lexer::error_at(const Token& token, const std::string& message) const {
  size_t offset = std::min(token.offset, text_.size());
  size_t start = offset == 0 ? std::string_view::npos : text_.rfind('\n', offset - 1);
  start = start == std::string_view::npos ? 0 : start + 1;
  size_t end = std::min(text_.find('\n', offset), text_.size());
  size_t column = offset - start;

  // A window of the line around the column; bytes that are no plain characters become '?'.
  constexpr size_t kBefore = 60, kWidth = 90;
  size_t from = column > kBefore ? offset - kBefore : start;
  std::string shown(text_.substr(from, std::min(end - from, kWidth)));
  for (char& c : shown) {
    if (c == '\t') c = ' ';
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  CompileError error(fmt::format("column {}: {}", column + 1, message));
  error.at(location_of(token));
  if (!shown.empty()) error.excerpt(shown + "\n  " + std::string(offset - from, ' ') + "^");
  return error;
}

std::string Lexer::spelled(const Token& token) {
  constexpr size_t kLongest = 40;
  std::string shown = token.text.substr(0, kLongest);
  std::string name = is_plain_name(shown) ? shown : quoted(shown);
  switch (token.kind) {
    case TokenKind::string: return quoted(shown);
    case TokenKind::value: return "%" + shown;
    case TokenKind::named_value: return "%" + name;
    case TokenKind::graph_name: return "@" + name;
    default: return shown;
  }
}

std::string Lexer::describe(const Token& token) {
  if (token.kind == TokenKind::end) return "the end of the text";
  return token.kind == TokenKind::string ? spelled(token) : "'" + spelled(token) + "'";
}

}  // namespace ag
