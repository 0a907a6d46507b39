// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom-check: exit status 0 sound, 1 findings, 2 wrong use, 3 internal error.
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "host/check/command.hpp"
#include "host/tensor/error.hpp"

namespace {

enum ExitStatus { kSound = 0, kFindings = 1, kWrongUse = 2, kInternalError = 3 };

int report(ExitStatus status, const char* what) {
  std::fflush(stdout);
  const char* const kind = status == kInternalError ? "internal error: " : "";
  fmt::print(stderr, "qloom-check: {}{}\n", kind, what);
  return status;
}

int run(int argc, char** argv) {
  CLI::App app{"Checks that a plugin keeps the contract of docs/abi.md.", "qloom-check"};
  app.set_version_flag("--version", "qloom-check " QLOOM_VERSION);
  qloom::check::Options options;
  qloom::check::add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(e);
    return report(kWrongUse, fmt::format("{}; see qloom-check --help", e.what()).c_str());
  }
  return qloom::check::check_and_print(options) == 0 ? kSound : kFindings;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const qloom::InputError& e) {
    return report(kWrongUse, e.what());
  } catch (const std::exception& e) {
    return report(kInternalError, e.what());
  }
}
