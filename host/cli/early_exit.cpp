// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/early_exit.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include "host/data/streams.hpp"
#include "host/registry/calls/call_record.hpp"

namespace qloom::cli {
namespace {

constexpr int kRunFailed = 1;
std::atomic<bool> is_working = false;

void refuse() {
  if (!is_working) return;
  std::fflush(stdout);
  const std::string call = registry::call_in_progress();
  data::say("qloom: exit() was called before the work was done, {}\n",
            call.empty() ? "by a plugin or a library of one" : "in " + call);
  _exit(kRunFailed);
}

}  // namespace

EarlyExit::EarlyExit() {
  static const bool is_registered = std::atexit(refuse) == 0 && std::at_quick_exit(refuse) == 0;
  is_working = is_registered;
}

EarlyExit::~EarlyExit() { is_working = false; }

}  // namespace qloom::cli
