#include <cstdarg>
#include <cstdio>

#include "runtime/instance.h"

namespace ag::rt {

int fail(char* message, int code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, ARGENT_MESSAGE_BYTES, format, arguments);
  va_end(arguments);
  return code;
}

}  // namespace ag::rt
