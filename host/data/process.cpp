// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/process.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

namespace qloom::data {
namespace {

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string first_word(const std::string& file) {
  std::istringstream text(text_of(file));
  std::string word;
  text >> word;
  return word;
}

/// Start time of a process that lives; none for a missing one and for a zombie, which runs no more.
/// Reference: proc(5), /proc/<pid>/stat: fields 3 (state) and 22 (starttime).
std::optional<std::uint64_t> start_of(std::int64_t id) {
  const std::string stat = text_of(fmt::format("/proc/{}/stat", id));
  const std::size_t name_end = stat.rfind(')');  // the name itself may hold blanks and brackets
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  constexpr int kState = 3, kStart = 22;
  for (int number = kState; fields >> field; ++number) {
    if (number == kState && (field == "Z" || field == "X")) return std::nullopt;
    if (number == kStart) return std::stoull(field);
  }
  return std::nullopt;
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "unknown";
}

std::string space_of_numbers() {
  std::error_code error;
  const auto link = std::filesystem::read_symlink("/proc/self/ns/pid", error);
  return error ? "unknown" : link.string();
}

}  // namespace

Process this_process() {
  Process own{host_name(), first_word("/proc/sys/kernel/random/boot_id"), space_of_numbers(),
              getpid(), 0};
  own.start = start_of(own.id).value_or(0);
  return own;
}

Life life_of(const Process& process) {
  const Process here = this_process();
  if (process.host != here.host || process.space != here.space) return Life::kUnknown;
  if (process.boot != here.boot) return Life::kDead;
  return start_of(process.id) == process.start ? Life::kAlive : Life::kDead;
}

}  // namespace qloom::data
