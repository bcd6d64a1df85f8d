// A schedule as data: the name of a template and its parameters. The tuner searches the parameters;
// the text form is part of a kernel's cache key.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ag {

struct Schedule {
  std::string name;                       // of the template: "conv_direct"
  std::map<std::string, int64_t> values;  // "tile_x" -> 14

  // CompileError when the template asks for a parameter that is not there.
  int64_t at(std::string_view parameter) const;
  // "conv_direct{tile_k=2,tile_x=14}"
  std::string text() const;
  // Inverse of text(). Throws CompileError.
  static Schedule parse(std::string_view text);

  bool operator==(const Schedule&) const = default;
};

}  // namespace ag
