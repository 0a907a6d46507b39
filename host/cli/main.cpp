// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom: exit status 0 done, 1 the run failed, 2 wrong input and nothing done, 3 internal error.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <sstream>

#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/cli/early_exit.hpp"
#include "host/data/streams.hpp"
#include "host/json/names.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace {

enum ExitStatus { kDone = 0, kRunFailed = 1, kWrongInput = 2, kInternalError = 3 };

constexpr const char* kFooter =
    "Exit status: 0 done, 1 the run failed, 2 wrong input and nothing done, 3 internal error,\n"
    "130 and 143 stopped by SIGINT and SIGTERM; a second signal ends the program at once.\n"
    "Environment: QLOOM_PLUGIN_PATH folders with plugins (colon between), QLOOM_ISA one of "
    "scalar,\n"
    "sse2, avx2, avx512, neon, QLOOM_SCHEMA_PATH folder with the JSON Schemas.";

int report(ExitStatus status, const char* what) {
  std::fflush(stdout);
  qloom::data::say("qloom: {}{}\n", status == kInternalError ? "internal error: " : "", what);
  return status;
}

/// The command that the user named, with its parents: "qloom plugins list".
std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

/// What is wrong with a word that the command does not know, with the nearest one it does.
std::string explain_unknown(const CLI::App& command, const std::string& word) {
  std::vector<std::string> known;
  const bool is_option = word.starts_with("-");
  if (is_option) {
    for (const CLI::Option* option : command.get_options()) {
      for (const auto& name : option->get_lnames()) known.push_back("--" + name);
    }
  } else {
    for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(sub->get_name());
    }
  }
  return fmt::format("unknown {} \"{}\"{}",
                     is_option       ? "option"
                     : known.empty() ? "argument"
                                     : "command",
                     word, qloom::json::did_you_mean(word, known));
}

/// CLI11 throws for --help too; that alone goes to standard output.
int finish_parse(const CLI::App& app, const CLI::ParseError& e) {
  if (e.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    std::ostringstream help;
    app.exit(e, help, help);
    qloom::data::print_text(help.str());
    return kDone;
  }
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  const std::vector<std::string> rest = command->remaining();
  const std::string what = rest.empty() ? e.what() : explain_unknown(*command, rest.front());
  return report(kWrongInput, fmt::format("{}; see {} --help", what, full_name(*command)).c_str());
}

int execute(int argc, char** argv) {
  CLI::App app{"Simulates, bit by bit, how networks train and run in fixed point.", "qloom"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("qloom ") + qloom::registry::version());
  qloom::cli::Action action;
  qloom::cli::add_run(app, action);
  qloom::cli::add_compare(app, action);
  qloom::cli::add_sweep(app, action);
  qloom::cli::add_report(app, action);
  qloom::cli::add_export(app, action);
  qloom::cli::add_compile(app, action);
  qloom::cli::add_execute(app, action);
  qloom::cli::add_diff(app, action);
  qloom::cli::add_validate(app, action);
  qloom::cli::add_plugins(app, action);
  qloom::cli::add_apply(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return finish_parse(app, e);
  }
  const qloom::cli::EarlyExit guard;
  action();
  return kDone;
}

/// A result that standard output did not take is a failure, whatever the command.
int run(int argc, char** argv) {
  qloom::data::keep_streams_apart();
  const int status = execute(argc, argv);
  qloom::data::flush_output();
  return status;
}

/// A path that the system cannot follow: a circle of links, a name too long, a closed folder. What
/// fails on a file later, once work is done, is a RunError of its own.
int report_path(const std::filesystem::filesystem_error& e) {
  return report(kWrongInput, fmt::format("{}: {}, expected a path that can be followed and used",
                                         e.path1().string(), e.code().message())
                                 .c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const qloom::InputError& e) {
    return report(kWrongInput, e.what());
  } catch (const qloom::Stopped& e) {
    report(kRunFailed, e.what());
    return 128 + e.signal();
  } catch (const qloom::RunError& e) {
    return report(kRunFailed, e.what());
  } catch (const std::filesystem::filesystem_error& e) {
    return report_path(e);
  } catch (const std::bad_alloc&) {
    return report(kRunFailed, "out of memory");
  } catch (const std::exception& e) {
    return report(kInternalError, e.what());
  } catch (...) {
    return report(kInternalError, "an exception of unknown type");
  }
}
