// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom-check: exit status 0 sound, 1 findings, 2 wrong use, 3 internal error.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "host/check/command.hpp"
#include "host/data/streams.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace {

enum ExitStatus { kSound = 0, kFindings = 1, kWrongUse = 2, kInternalError = 3 };

int report(ExitStatus status, const char* what) {
  std::fflush(stdout);
  const char* const kind = status == kInternalError ? "internal error: " : "";
  qloom::data::say("qloom-check: {}{}\n", kind, what);
  return status;
}

int execute(int argc, char** argv) {
  CLI::App app{"Checks that a plugin keeps the contract of docs/abi.md.", "qloom-check"};
  app.set_version_flag("--version", std::string("qloom-check ") + qloom::registry::version());
  qloom::check::Options options;
  qloom::check::add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      std::ostringstream help;
      app.exit(e, help, help);
      qloom::data::print_text(help.str());
      return kSound;
    }
    return report(kWrongUse, fmt::format("{}; see qloom-check --help", e.what()).c_str());
  }
  return qloom::check::check_and_print(options) == 0 ? kSound : kFindings;
}

/// A table that standard output did not take says nothing: status 1, as for findings.
int run(int argc, char** argv) {
  qloom::data::keep_streams_apart();
  const int status = execute(argc, argv);
  qloom::data::flush_output();
  return status;
}

}  // namespace

#if defined(__SANITIZE_THREAD__)
/// The first data race ends the check's process: its headline is the finding.
extern "C" const char* __tsan_default_options() { return "halt_on_error=1"; }
#endif

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const qloom::InputError& e) {
    return report(kWrongUse, e.what());
  } catch (const qloom::RunError& e) {
    return report(kFindings, e.what());
  } catch (const std::filesystem::filesystem_error& e) {
    return report(kWrongUse, e.what());
  } catch (const std::exception& e) {
    return report(kInternalError, e.what());
  }
}
