// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/temporary.hpp"

#include <cinttypes>
#include <cstdio>
#include <random>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "host/data/hash.hpp"
#include "host/data/process.hpp"

namespace qloom::data {
namespace fs = std::filesystem;
namespace {

/// Machine and namespace, then boot, as hashes: a file name is short and has no slash.
std::string machine_part(const Process& p) {
  return digest_text(hash_of(p.host + "\n" + p.space)).substr(0, 8);
}
std::string boot_part(const Process& p) { return digest_text(hash_of(p.boot)).substr(0, 8); }

/// Was the file of this name begun by a process that is dead now? False for every other name.
bool is_leftover(const std::string& name, const Process& here) {
  char machine[9] = {}, boot[9] = {}, random[17] = {};
  std::int64_t id = 0;
  std::uint64_t start = 0;
  int end = 0;
  const int found = std::sscanf(
      name.c_str(), ".qloom-%8[0-9a-f]-%8[0-9a-f]-%" SCNd64 "-%" SCNu64 "-%16[0-9a-f].tmp%n",
      machine, boot, &id, &start, random, &end);
  if (found != 5 || static_cast<std::size_t>(end) != name.size()) return false;
  if (machine != machine_part(here)) return false;
  if (boot != boot_part(here)) return true;
  Process writer = here;
  writer.id = id;
  writer.start = start;
  return life_of(writer) == Life::kDead;
}

}  // namespace

fs::path temporary_name(const fs::path& folder) {
  static thread_local std::random_device words;
  const Process own = this_process();
  return folder / fmt::format(".qloom-{}-{}-{}-{}-{:08x}{:08x}.tmp", machine_part(own),
                              boot_part(own), own.id, own.start, words(), words());
}

void remove_leftovers(const fs::path& folder) {
  const Process here = this_process();
  std::error_code error, ignored;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_leftover(entry->path().filename().string(), here)) fs::remove(entry->path(), ignored);
  }
}

}  // namespace qloom::data
