// argent: the command. Results go to standard output, everything else to standard error; the exit
// code is 0 for success, 1 for a mistake of the user, 2 for one of ours.
#include <cstdio>
#include <iostream>
#include <new>

#include "ir/diagnostics.h"
#include "ir/suggestion.h"
#include "tools/command.h"

namespace ag {
namespace {

// Alphabetical; `argent --help` prints them in this order.
const Command* const kCommands[] = {
    &commands::inspect,
    &commands::opt,
    &commands::zoo,
};

std::string footer_of(const Command& command) {
  return fmt::format("Examples:\n{}", command.examples);
}

// A word in the place of the sub-command that is none.
void check_command_name(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> names;
  for (const Command* command : kCommands) names.emplace_back(command->name);
  if (std::find(names.begin(), names.end(), argv[1]) != names.end()) return;
  throw CompileError(fmt::format("argent has no command '{}'", argv[1]))
      .help(name_help(argv[1], names, "commands"));
}

int run(int argc, char** argv) {
  CLI::App app("Argent: a neural network in, one native library out.", "argent");
  app.require_subcommand(1);
  app.set_version_flag("--version", ARGENT_VERSION);
  std::vector<std::pair<CLI::App*, CommandAction>> actions;
  for (const Command* command : kCommands) {
    CLI::App* sub = app.add_subcommand(std::string(command->name), std::string(command->summary));
    sub->footer(footer_of(*command));
    actions.emplace_back(sub, command->add_options(*sub));
  }
  check_command_name(argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kUserMistake;
  }
  for (auto& [sub, action] : actions) {
    if (sub->parsed()) return action();
  }
  return kUserMistake;
}

}  // namespace
}  // namespace ag

int main(int argc, char** argv) {
  try {
    return ag::run(argc, argv);
  } catch (const ag::CompileError& error) {
    std::cerr << error.what() << "\n";
    return ag::kUserMistake;
  } catch (const std::bad_alloc&) {
    std::cerr << "error: out of memory\nhelp: use a smaller batch, or a machine with more memory\n";
    return ag::kUserMistake;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return ag::kOurMistake;
  }
}
