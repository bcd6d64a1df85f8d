// Splits PTX text into words, punctuation and strings, comments left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ag::ptx {

struct Token {
  std::string_view text;  // "ld.global.b32", "%r1", "[", "\"nounroll\""; empty: the end
  int line = 0;
};

class Scanner {
 public:
  explicit Scanner(std::string_view text);

  const Token& peek(size_t ahead = 0) const {
    return tokens_[at_ + ahead < tokens_.size() ? at_ + ahead : tokens_.size() - 1];
  }
  Token next();
  bool accept(std::string_view text);  // takes the token if it is this one
  void expect(std::string_view text);
  void skip_line();  // to the first token of another line
  size_t position() const { return at_; }
  void go_to(size_t position) { at_ = position; }
  bool ended() const { return peek().text.empty(); }
  // Text of the source from one token to before another, blanks made one.
  std::string between(const Token& first, const Token& last) const;
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

}  // namespace ag::ptx
