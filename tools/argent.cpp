// argent: the command. Results go to standard output, everything else to standard error; the exit
// code is 0 for success, 1 for a mistake of the user, 2 for one of ours.
#include <fmt/format.h>

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
    &commands::bench,   &commands::compile, &commands::convert, &commands::eval,
    &commands::explain, &commands::inspect, &commands::opt,     &commands::run,
    &commands::train,   &commands::zoo,
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
  std::string closest = closest_name(argv[1], names);
  throw CompileError(fmt::format("argent has no command '{}'", argv[1]))
      .help(closest.empty() ? "argent --help lists the commands"
                            : fmt::format("did you mean '{}'?", closest));
}

// A mistake in the options of a command (or of argent itself), in our form.
CompileError option_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  for (const CLI::App* sub : app.get_subcommands()) command = sub;
  std::string name = command == &app ? "argent" : "argent " + command->get_name();
  std::vector<std::string> known, unknown = command->remaining();
  for (const CLI::Option* option : command->get_options()) {
    for (const std::string& word : option->get_lnames()) known.push_back("--" + word);
  }
  std::string help =
      fmt::format("{} --help lists the {}", name, command == &app ? "commands" : "options");
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr || unknown.empty())
    return CompileError(fmt::format("{}: {}", name, error.what())).help(help);
  std::string word = unknown[0].substr(0, unknown[0].find('='));
  std::string closest = closest_name(word, known);
  if (!closest.empty()) help = fmt::format("did you mean {}? {}", closest, help);
  return CompileError(fmt::format("{} has no {} '{}'", name,
                                  word[0] == '-' ? "option" : "further argument", word))
      .help(help);
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
    if (error.get_exit_code() != 0) throw option_error(app, error);
    app.exit(error);  // prints the help or the version
    return kSuccess;
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
