// The C header of a compiled library.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "codegen/plan/program.h"

namespace ag {

// Self-contained: the C ABI (once per translation unit, however many such headers it reads) and
// typed inline calls for each entry: NAME_open(), NAME_forward_b1(instance, image, logits).
std::string header_text(std::span<const plan::Program> levels);

// Whether a file's content is a header_text(), of whatever program.
bool is_header_text(std::span<const std::byte> content);

}  // namespace ag
