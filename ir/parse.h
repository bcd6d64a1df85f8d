// The text form read back: parse() is the inverse of print() (ir/print.h).
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace ag {

struct ParseOptions {
  // Nodes without a location comment are located at their own line of the text.
  bool locate_in_text = false;
};

// Reads one graph. `file_name` stands in error messages. Declared types are checked against the
// shape rules. Throws CompileError with file, line, column and the line's text; whatever the text,
// nothing else is thrown, no memory beyond a small multiple of the text's length is used, and
// nothing is read or written elsewhere.
Graph parse(std::string_view text, std::string_view file_name = "text.ag",
            ParseOptions options = {});

// "f32[8,64,56,56]{aBcd16b}" alone, the inverse of to_string.
TensorType parse_type(std::string_view text, std::string_view file_name = "type");

}  // namespace ag
