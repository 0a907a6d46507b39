// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/warnings.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "host/data/streams.hpp"

namespace qloom::results {
namespace {

using json::Json;

bool holds(const Json& list, const Json& entry) {
  return std::find(list.begin(), list.end(), entry) != list.end();
}

}  // namespace

void print_warning(const Warning& warning) {
  data::say("{}{}{}{}\n", kWarningMark, warning.where, warning.where.empty() ? "" : ": ",
            warning.what);
}

void Warnings::add(const Warning& warning) {
  Json entry{{"where", warning.where}, {"what", warning.what}};
  if (holds(list_, entry)) return;
  tell_(warning);
  list_.push_back(std::move(entry));
}

void Warnings::restore(const Json& list) {
  Json all = list;
  for (const Json& entry : list_) {
    if (!holds(all, entry)) all.push_back(entry);
  }
  list_ = std::move(all);
}

}  // namespace qloom::results
