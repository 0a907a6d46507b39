// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A report as a table for people and as JSON.
#include <algorithm>

#include <fmt/format.h>

#include "host/check/check.hpp"
#include "host/json/printable.hpp"

namespace qloom::check {
namespace {

const char* word_of(const Result& result) {
  return !result.findings.empty() ? "FAILED" : result.was_skipped ? "-" : "ok";
}

Json result_json(const Result& result) {
  Json findings = Json::array();
  for (const Finding& f : result.findings) {
    findings.push_back({{"place", f.place}, {"what", f.what}});
  }
  return {{"method", result.method},
          {"check", result.check->name},
          {"level", name(result.check->level)},
          {"promise", result.check->promise},
          {"outcome", !result.findings.empty() ? "failed"
                      : result.was_skipped     ? "skipped"
                                               : "ok"},
          {"remark", result.remark},
          {"seconds", result.seconds},
          {"findings", findings}};
}

}  // namespace

std::string table(const Report& report) {
  std::size_t method_width = 6, check_width = 5;
  for (const Result& r : report.results) {
    method_width = std::max(method_width, r.method.size());
    check_width = std::max(check_width, std::string_view(r.check->name).size());
  }
  std::string text = fmt::format("{}\n{:<{}}  {:<{}}  {:<6}  {}\n", report.library.string(),
                                 "method", method_width, "check", check_width, "", "promise");
  for (const Result& r : report.results) {
    text += fmt::format("{:<{}}  {:<{}}  {:<6}  {}{}\n", r.method.empty() ? "library" : r.method,
                        method_width, r.check->name, check_width, word_of(r), r.check->promise,
                        r.remark.empty() ? "" : " (" + json::printable(r.remark) + ")");
    for (const Finding& f : r.findings) {
      text += fmt::format("    {}{}{}\n", json::printable(f.place), f.place.empty() ? "" : ": ",
                          json::printable(f.what));
    }
  }
  const std::size_t count = report.finding_count();
  text += count == 0 ? "sound" : fmt::format("{} finding{}", count, count == 1 ? "" : "s");
  return text + fmt::format(" (seed {})\n", report.seed);
}

Json to_json(const std::vector<Report>& reports) {
  Json all = Json::array();
  for (const Report& report : reports) {
    Json results = Json::array();
    for (const Result& r : report.results) results.push_back(result_json(r));
    all.push_back({{"library", report.library.string()},
                   {"seed", report.seed},
                   {"sound", report.is_sound()},
                   {"results", results}});
  }
  return all;
}

std::string list_of_checks() {
  std::string text = fmt::format("{:<16}  {:<6}  {}\n", "check", "level", "what must hold");
  for (const Check& c : all_checks()) {
    const std::string kinds = std::string_view(c.kinds) == "*" ? "every method" : c.kinds;
    text += fmt::format("{:<16}  {:<6}  {} [{}]\n", c.name, name(c.level), c.promise, kinds);
  }
  return text;
}

}  // namespace qloom::check
