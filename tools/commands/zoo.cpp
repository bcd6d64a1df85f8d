// argent zoo: the networks that come with Argent.
#include "frontend/zoo/zoo.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "frontend/analysis.h"
#include "tools/command.h"

namespace ag::commands {
namespace {

struct ZooOptions {
  bool json = false;
};

nlohmann::json row_of(const ZooEntry& entry) {
  Analysis analysis = analyse(zoo_model(entry.name).forward());
  return {{"name", entry.name},       {"input", to_string(f32(entry.shape))},
          {"classes", entry.classes}, {"parameters", analysis.parameters},
          {"macs", analysis.macs},    {"source", entry.source}};
}

int run(const ZooOptions& options) {
  nlohmann::json rows = nlohmann::json::array();
  for (const ZooEntry& entry : zoo_entries()) rows.push_back(row_of(entry));
  if (options.json) {
    fmt::print("{}\n", rows.dump(2));
    return kSuccess;
  }
  fmt::print("{:<16} {:<18} {:>7} {:>12} {:>10}  {}\n", "network", "input", "classes", "parameters",
             "MMACs", "names and weights as in");
  for (const nlohmann::json& row : rows) {
    fmt::print("{:<16} {:<18} {:>7} {:>12} {:>10.2f}  {}\n", row["name"].get<std::string>(),
               row["input"].get<std::string>(), row["classes"].get<int64_t>(),
               row["parameters"].get<int64_t>(),
               static_cast<double>(row["macs"].get<int64_t>()) * 1e-6,
               row["source"].get<std::string>());
  }
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto options = std::make_shared<ZooOptions>();
  command.add_flag("--json", options->json, "prints the table as JSON");
  return [options] { return run(*options); };
}

}  // namespace

const Command zoo{"zoo", "list the networks that come with Argent", add_options,
                  "  argent zoo\n"
                  "  argent zoo --json"};

}  // namespace ag::commands
