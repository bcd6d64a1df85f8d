// Libraries of device functions, as LLVM's bitcode.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ag::nvptx {

// `library` without the functions that neither `caller` nor the functions named `roots` reach.
std::string with_what_is_called(std::string_view library, std::string_view caller,
                                std::span<const std::string_view> roots);

}  // namespace ag::nvptx
