// Tokens of the text form.
#pragma once

#include <string>
#include <string_view>

#include "ir/diagnostics.h"

namespace ag {

enum class TokenKind {
  name,         // relu, conv1.weight, f32
  string,       // "…" with \" \\ \n \t \xNN
  number,       // 12, -0.5, 1e-3, -inf
  value,        // %12: `text` holds the digits
  named_value,  // %conv1.weight, %"…": `text` holds the name
  graph_name,   // @lenet5, @"…"
  punctuation,  // one of ( ) [ ] { } , : =
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // decoded
  size_t offset = 0;
  int line = 1;

  bool is(char punctuation) const {
    return kind == TokenKind::punctuation && text[0] == punctuation;
  }
  bool is(TokenKind wanted, std::string_view wanted_text) const {
    return kind == wanted && text == wanted_text;
  }
};

// Reads tokens one by one, white space and comments ("# …" to the end of the line) skipped.
class Lexer {
 public:
  Lexer(std::string_view text, std::string_view file_name);

  const Token& peek() const { return token_; }
  Token next();
  // The comment between the token just taken and the end of its line, without "#" and outer spaces;
  // empty when there is none.
  std::string_view trailing_comment() const;
  // The text from the current token up to `stop`, which becomes the current token.
  std::string_view raw_until(char stop);

  // An error at a token: file, line, column, the line itself and a caret.
  CompileError error_at(const Token& token, const std::string& message) const;
  Location location_of(const Token& token) const;
  // A token as it is written, shortened: %12, "a string", relu.
  static std::string spelled(const Token& token);
  // How error messages call a token: "')'", "'relu'", "the end of the text".
  static std::string describe(const Token& token);

 private:
  void advance();
  void read_string(size_t at);
  void read_name(TokenKind kind, size_t at);
  void read_number();
  void set(TokenKind kind, std::string text, size_t end);

  std::string_view text_;
  std::string file_name_;
  size_t position_ = 0;      // behind token_
  size_t previous_end_ = 0;  // behind the token taken last
  int line_ = 1;             // of position_
  Token token_;
};

// Whether the printer may write the name without quotes.
bool is_plain_name(std::string_view name);
// "…" with escapes, as the lexer reads it.
std::string quoted(std::string_view text);

}  // namespace ag
