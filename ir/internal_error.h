// Throwing an InternalError with its text. Not for users' headers, which do without fmt.
#pragma once

#include <fmt/format.h>

#include "ir/diagnostics.h"

namespace ag {

template <class... Args>
[[noreturn]] void internal_error(fmt::format_string<Args...> format, Args&&... args) {
  throw InternalError(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ag
