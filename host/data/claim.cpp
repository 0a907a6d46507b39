// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/claim.hpp"

#include <array>
#include <cerrno>
#include <ctime>
#include <optional>
#include <sstream>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "host/data/descriptor.hpp"
#include "host/data/process.hpp"
#include "host/data/temporary.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace fs = std::filesystem;
namespace {

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char text[32] = {};
  gmtime_r(&now, &utc);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

/// What a claim file says.
struct Owner {
  Process process;
  std::string since;
};

std::string text_of(const Owner& owner) {
  const Process& p = owner.process;
  return fmt::format("host {}\nboot {}\nspace {}\nprocess {}\nstart {}\nsince {}\n", p.host, p.boot,
                     p.space, p.id, p.start, owner.since);
}

/// Nothing for a text that is not complete: its writer is at it, or died at it.
std::optional<Owner> parsed(const std::string& text) {
  Owner owner;
  std::istringstream lines(text);
  const auto value = [&lines](const char* key) {
    std::string word, rest;
    lines >> word;
    std::getline(lines >> std::ws, rest);
    return word == key ? rest : std::string();
  };
  owner.process.host = value("host");
  owner.process.boot = value("boot");
  owner.process.space = value("space");
  owner.process.id = std::strtoll(value("process").c_str(), nullptr, 10);
  owner.process.start = std::strtoull(value("start").c_str(), nullptr, 10);
  owner.since = value("since");
  if (owner.since.empty() || text.back() != '\n') return std::nullopt;
  return owner;
}

std::optional<Owner> owner_in(const fs::path& file) {
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return std::nullopt;
  std::array<char, 1024> text{};
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), 0);
  return n <= 0 ? std::nullopt : parsed({text.data(), static_cast<std::size_t>(n)});
}

/// "process 4711 on host box since 2026-11-28 15:40:12 UTC"
std::string name_of(const std::optional<Owner>& owner) {
  if (!owner) return "another process";
  return fmt::format("process {} on host {} since {}", owner->process.id, owner->process.host,
                     owner->since);
}

/// Does the open file still have this name? A holder that ends removes it.
bool is_same_file(int fd, const fs::path& file) {
  struct stat opened {
  }, named{};
  return ::fstat(fd, &opened) == 0 && ::stat(file.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/// Some network file systems have no locks: there the text alone counts, and two processes that
/// start in the same instant may miss each other.
bool is_held_without_lock(const fs::path& file) {
  const std::optional<Owner> owner = owner_in(file);
  return owner && life_of(owner->process) == Life::kAlive;
}

constexpr unsigned kPollMicroseconds = 100'000;

}  // namespace

Claim::Claim(const fs::path& folder) : folder_(folder), file_(folder / ".qloom-claim") {
  // Enough yields for a holder that has just locked to write who it is.
  for (int unread = 0; unread < 1000;) {
    const Lock result = lock();
    if (result == Lock::kTaken) return;
    if (result == Lock::kGone) continue;
    refuse_own();
    if (const auto owner = owner_in(file_)) {
      throw InputError(fmt::format("{}: in use by {}; wait until it ends, or name another folder",
                                   folder_.string(), name_of(owner)));
    }
    ++unread;
    ::sched_yield();
  }
  throw InputError(
      fmt::format("{}: in use by another process; wait until it ends, or name another "
                  "folder",
                  folder_.string()));
}

Claim::Claim(const fs::path& folder, const Wait& wait)
    : folder_(folder), file_(folder / ".qloom-claim") {
  for (bool told = false;;) {
    const Lock result = lock();
    if (result == Lock::kTaken) return;
    if (result == Lock::kGone) continue;
    refuse_own();
    if (!told)
      wait.tell(fmt::format("{}: waits for {}", folder_.string(), name_of(owner_in(file_))));
    told = true;
    wait.look();
    ::usleep(kPollMicroseconds);
  }
}

Claim::~Claim() {
  if (fd_.is_open()) ::unlink(file_.c_str());  // while it is locked: nobody else has it
}

void wait_until_free(const fs::path& folder, const Wait& wait) {
  if (fs::exists(folder / ".qloom-claim")) const Claim claim(folder, wait);
}

Claim::Lock Claim::lock() {
  std::error_code error;
  fs::create_directories(folder_, error);
  fd_ = Descriptor(::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (error || !fd_.is_open()) {
    const std::string why = error ? error.message() : errno_text();
    throw InputError(fmt::format("{}: {}, expected a folder in which files can be created",
                                 folder_.string(), why));
  }
  int status = 0;
  do {
    status = ::flock(fd_.get(), LOCK_EX | LOCK_NB);
  } while (status != 0 && errno == EINTR);
  if (status != 0 && (errno == EWOULDBLOCK || is_held_without_lock(file_))) {
    fd_ = Descriptor();
    return Lock::kHeld;
  }
  if (!is_same_file(fd_.get(), file_)) {
    fd_ = Descriptor();
    return Lock::kGone;
  }
  refuse_foreign();
  write_owner();
  remove_leftovers(folder_);
  return Lock::kTaken;
}

/// A lock of another machine may be invisible here: what its claim says is believed then.
void Claim::refuse_foreign() const {
  const std::optional<Owner> owner = owner_in(file_);
  const Process here = this_process();
  if (!owner || owner->process.host == here.host || owner->process.boot == here.boot) return;
  throw InputError(
      fmt::format("{}: in use by {}, as far as can be seen from here; if it ended, "
                  "remove {}",
                  folder_.string(), name_of(owner), file_.string()));
}

void Claim::refuse_own() const {
  const std::optional<Owner> owner = owner_in(file_);
  if (!owner || !(owner->process == this_process())) return;
  throw InputError(
      fmt::format("{}: this command would write two results there; expected folders of "
                  "their own",
                  folder_.string()));
}

void Claim::write_owner() const {
  const std::string text = text_of({this_process(), now_text()});
  if (::ftruncate(fd_.get(), 0) != 0 ||
      ::pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    const std::string why = errno_text();
    ::unlink(file_.c_str());
    throw InputError(fmt::format("{}: cannot be written: {}", file_.string(), why));
  }
}

}  // namespace qloom::data
