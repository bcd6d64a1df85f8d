#include "ir/location.h"

#include <string_view>

namespace ag {

Location::Location(const std::source_location& where, std::string scope)
    : line(static_cast<int>(where.line())), scope(std::move(scope)) {
  std::string_view path = where.file_name();
  file = path.substr(path.find_last_of('/') + 1);
}

std::string Location::text() const {
  if (!known()) return {};
  std::string text = file + ":" + std::to_string(line);
  return scope.empty() ? text : text + " " + scope;
}

}  // namespace ag
