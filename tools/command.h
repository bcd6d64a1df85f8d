// Sub-commands of `argent`: one file each below tools/commands/, listed in tools/argent.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string_view>

namespace ag {

// Exit codes of the command.
enum ExitCode { kSuccess = 0, kUserMistake = 1, kOurMistake = 2 };

// Runs a command whose options are parsed; returns the exit code. Throws CompileError for the
// user's mistakes; main prints it and exits with 1.
using CommandAction = std::function<int()>;

struct Command {
  std::string_view name;
  std::string_view summary;
  // Adds the command's options, which write into objects the action owns, and returns the action.
  CommandAction (*add_options)(CLI::App& command);
  std::string_view examples;  // lines under "Examples:" of --help
};

namespace commands {

extern const Command bench;
extern const Command compile;
extern const Command convert;
extern const Command eval;
extern const Command explain;
extern const Command inspect;
extern const Command opt;
extern const Command run;
extern const Command train;
extern const Command zoo;

}  // namespace commands
}  // namespace ag
