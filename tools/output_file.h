// Files that a command writes at its end.
#pragma once

#include <initializer_list>
#include <string>

namespace ag {

// Says now, not after the work, that the file cannot be written, or that it is one of `inputs`, the
// files the command reads (others among them do no harm). `option` is how the user names it:
// "-o NAME.so". Throws CompileError.
void check_writable(const std::string& path, const std::string& option,
                    std::initializer_list<std::string> inputs = {});

}  // namespace ag
