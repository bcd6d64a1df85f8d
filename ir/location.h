// Where in the user's program a node comes from.
#pragma once

#include <source_location>
#include <string>

namespace ag {

struct Location {
  std::string file;  // base name of the user's file; empty when unknown
  int line = 0;
  std::string scope;  // path of layer names, e.g. "layer1.0.conv2"

  Location() = default;
  Location(std::string file, int line, std::string scope)
      : file(std::move(file)), line(line), scope(std::move(scope)) {}
  Location(const std::source_location& where, std::string scope = {});

  bool known() const { return !file.empty(); }
  // "resnet.cpp:42 layer1.0.conv2"; empty when unknown.
  std::string text() const;
  bool operator==(const Location&) const = default;
};

}  // namespace ag
