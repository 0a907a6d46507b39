// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Several processes that write: names of their own, claims, what the dead leave behind.
#include <csignal>
#include <cstddef>
#include <fstream>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/data/file.hpp"
#include "host/data/hash.hpp"
#include "host/data/process.hpp"
#include "host/data/temporary.hpp"
#include "host/tensor/error.hpp"
#include "tests/data/files.hpp"

namespace qloom::data {
namespace {

namespace fs = std::filesystem;

class Writers : public Files {
 protected:
  [[nodiscard]] std::size_t count_files() const {
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(folder_)) files += entry.exists() ? 1 : 0;
    return files;
  }
  [[nodiscard]] fs::path claim_file() const { return folder_ / ".qloom-claim"; }
};

/// A forked process that does `work`, says so, and lives until it is killed.
class Peer {
 public:
  explicit Peer(const std::function<void()>& work) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    id_ = fork();
    if (id_ == 0) {
      work();
      static_cast<void>(!write(ends[1], "x", 1));
      for (;;) pause();
    }
    close(ends[1]);
    char done = 0;
    if (read(ends[0], &done, 1) != 1) throw std::runtime_error("the peer did not do its work");
    close(ends[0]);
  }
  ~Peer() { kill_it(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  void kill_it() {
    if (id_ <= 0) return;
    kill(id_, SIGKILL);
    waitpid(id_, nullptr, 0);
    id_ = -1;
  }
  [[nodiscard]] pid_t id() const { return id_; }

 private:
  pid_t id_ = -1;
};

std::string refusal(const fs::path& folder) {
  try {
    const Claim claim(folder);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_F(Writers, NoTwoTemporaryNamesAreTheSame) {
  EXPECT_NE(temporary_name(folder_), temporary_name(folder_));
}

TEST_F(Writers, ManyWritersOfOneFileLeaveOneWholeText) {
  const fs::path file = folder_ / "x.txt";
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'i'; ++c) {
    threads.emplace_back([&file, c] {
      for (int i = 0; i < 25; ++i) write_text(file, std::string(50000, c));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = read_text(file);
  EXPECT_EQ(text, std::string(50000, text.front()));
  EXPECT_EQ(count_files(), 1U);
}

TEST_F(Writers, WhatADeadWriterLeftIsRemovedAndWhatALivingOneWritesIsNot) {
  const auto begin = [this] { std::ofstream(temporary_name(folder_)) << "half"; };
  begin();
  Peer peer(begin);
  remove_leftovers(folder_);
  EXPECT_EQ(count_files(), 2U);
  peer.kill_it();
  require_writable_folder(folder_);
  EXPECT_EQ(count_files(), 1U);  // this process lives
}

TEST_F(Writers, OtherFilesAreNoLeftovers) {
  for (const char* name : {".qloom-claim", ".qloom-1-2-3-4-5.txt", "x.tmp",
                           ".qloom-00000000-00000000-1-1-0000000000000000.tmp",
                           ".qloom-00000000-00000000-1-1-0000000000000000.tmp.npz"}) {
    std::ofstream(folder_ / name) << "mine";
  }
  remove_leftovers(folder_);
  EXPECT_EQ(count_files(), 5U);
}

TEST_F(Writers, AStagedFileIsThereAfterItsCommitOnly) {
  {
    const StagedFile never(folder_ / "x", {});
    EXPECT_FALSE(fs::exists(folder_ / "x"));
  }
  EXPECT_EQ(count_files(), 0U);
}

TEST_F(Writers, TextsAreWrittenTogetherOrNotAtAll) {
  write_text(folder_ / "a", "old");
  EXPECT_THROW(write_texts({{folder_ / "a", "new"}, {folder_ / "no" / "b", "new"}}), RunError);
  EXPECT_EQ(read_text(folder_ / "a"), "old");
  EXPECT_EQ(count_files(), 1U);
  write_texts({{folder_ / "a", "new"}, {folder_ / "b", "new"}});
  EXPECT_EQ(read_text(folder_ / "a") + read_text(folder_ / "b"), "newnew");
}

TEST_F(Writers, AClaimedFolderIsRefusedWithTheNameOfItsHolder) {
  Peer peer([this] { new Claim(folder_); });
  const std::string message = refusal(folder_);
  EXPECT_NE(message.find(fmt::format("{}: in use by process {} on host {} since ", folder_.string(),
                                     peer.id(), this_process().host)),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("name another folder"), std::string::npos) << message;
  peer.kill_it();
  EXPECT_TRUE(fs::exists(claim_file()));
  EXPECT_EQ(refusal(folder_), "");  // taken over
  EXPECT_FALSE(fs::exists(claim_file()));
}

TEST_F(Writers, AClaimEndsWithItsObjectAndMakesTheFolder) {
  const fs::path below = folder_ / "a" / "b";
  {
    const Claim claim(below);
    EXPECT_TRUE(fs::exists(below / ".qloom-claim"));
    const Claim other(folder_);  // another folder
  }
  EXPECT_TRUE(fs::is_empty(below));
  const Claim again(below);
}

TEST_F(Writers, OneProcessCannotClaimAFolderTwice) {
  const Claim claim(folder_);
  EXPECT_NE(refusal(folder_).find("two results"), std::string::npos) << refusal(folder_);
  EXPECT_THROW(Claim(folder_, {.tell = [](const std::string&) {}}), InputError);
}

TEST_F(Writers, AWaitEndsWhenItsLookThrows) {
  Peer peer([this] { new Claim(folder_); });
  int looks = 0;
  const Wait wait{.tell = [](const std::string&) {},
                  .look =
                      [&looks] {
                        if (++looks == 3) throw RunError("enough");
                      }};
  EXPECT_THROW(Claim(folder_, wait), RunError);
  EXPECT_THROW(wait_until_free(folder_, {.tell = [](const std::string&) {},
                                         .look = [] { throw RunError("at once"); }}),
               RunError);
  EXPECT_EQ(looks, 3);
  EXPECT_TRUE(fs::exists(claim_file()));  // still the peer's
}

TEST_F(Writers, AWaitingClaimTakesOverWhenTheHolderDies) {
  Peer peer([this] { new Claim(folder_); });
  std::string told;
  const Claim claim(folder_, {.tell = [&](const std::string& text) {
                      told += text;
                      peer.kill_it();
                    }});
  EXPECT_NE(told.find(": waits for process "), std::string::npos) << told;
}

TEST_F(Writers, AFreeFolderIsClaimedWithoutAWord) {
  const Claim claim(folder_, {.tell = [](const std::string& text) { ADD_FAILURE() << text; }});
}

TEST_F(Writers, AClaimOfAnotherMachineIsRespectedAndOneOfAnEarlierBootIsNot) {
  const auto claim_of = [](const std::string& host, const std::string& boot) {
    return "host " + host + "\nboot " + boot +
           "\nspace pid:[1]\nprocess 7\nstart 8\nsince 2020-01-01 00:00:00 UTC\n";
  };
  const Process here = this_process();
  write_text(claim_file(), claim_of("elsewhere", "another"));
  const std::string message = refusal(folder_);
  EXPECT_NE(message.find("process 7 on host elsewhere since 2020-01-01 00:00:00 UTC"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("remove " + claim_file().string()), std::string::npos) << message;
  write_text(claim_file(), claim_of(here.host, "another"));
  EXPECT_EQ(refusal(folder_), "");
  write_text(claim_file(), claim_of("a-container-of-this-machine", here.boot));
  EXPECT_EQ(refusal(folder_), "");  // its lock would be seen
  write_text(claim_file(), "host torn\nbo");
  EXPECT_EQ(refusal(folder_), "");
}

/// From now on this process has no flock(), as on file systems without locks.
void forbid_locks() {
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_flock, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOLCK),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{4, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    _exit(9);
  }
}

TEST_F(Writers, WithoutLocksTheTextOfAClaimDecides) {
  Peer peer([this] { new Claim(folder_); });
  const auto status_without_locks = [this] {
    const pid_t child = fork();
    if (child == 0) {
      forbid_locks();
      _exit(refusal(folder_).find("in use by process") == std::string::npos ? 0 : 2);
    }
    int state = 0;
    waitpid(child, &state, 0);
    return WEXITSTATUS(state);
  };
  EXPECT_EQ(status_without_locks(), 2);
  peer.kill_it();
  EXPECT_EQ(status_without_locks(), 0);
}

TEST_F(Writers, AProcessIsToldFromALaterOneOfTheSameNumber) {
  Process other = this_process();
  EXPECT_EQ(life_of(other), Life::kAlive);
  ++other.start;
  EXPECT_EQ(life_of(other), Life::kDead);
  other = this_process();
  other.boot = "another";
  EXPECT_EQ(life_of(other), Life::kDead);
  other.host = "elsewhere";
  EXPECT_EQ(life_of(other), Life::kUnknown);
}

TEST_F(Writers, AHashIsOfTheBytesAndNotOfTheParts) {
  std::string text(100, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Hash hash;
    hash.add(text.data(), cut);
    hash.add(text.data() + cut, text.size() - cut);
    EXPECT_EQ(hash.digest(), hash_of(text)) << cut;
  }
}

TEST_F(Writers, EveryBitEveryLengthAndTwoSignsChangeAHash) {
  const std::string zeros(96, '\0');
  std::set<std::uint64_t> seen{hash_of(zeros)};
  for (std::size_t bit = 0; bit < 8 * zeros.size(); ++bit) {
    std::string text = zeros;
    text[bit / 8] = static_cast<char>(1U << (bit % 8));
    EXPECT_TRUE(seen.insert(hash_of(text)).second) << bit;
  }
  for (std::size_t n = 0; n < zeros.size(); ++n) {
    EXPECT_TRUE(seen.insert(hash_of(zeros.substr(0, n))).second) << n;
  }
  for (std::size_t a = 7; a < zeros.size(); a += 8) {  // the sign bits of two doubles
    for (std::size_t b = a + 8; b < zeros.size(); b += 8) {
      std::string text = zeros;
      text[a] = text[b] = static_cast<char>(0x80);
      EXPECT_TRUE(seen.insert(hash_of(text)).second) << a << ' ' << b;
    }
  }
}

TEST_F(Writers, AFileOfTheSameSizeWithOtherBytesHasAnotherHash) {
  write_text(folder_ / "x", "one");
  const FileHash one = hash_file(folder_ / "x");
  EXPECT_EQ(one.bytes, 3U);
  EXPECT_EQ(hash_file(folder_ / "x"), one);
  write_text(folder_ / "x", "two");
  EXPECT_NE(hash_file(folder_ / "x"), one);
  write_text(folder_ / "y", "one");
  EXPECT_EQ(hash_file(folder_ / "y"), one);
}

TEST_F(Writers, OnlyAFileHasAHash) {
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  for (const char* name : {"pipe", "", "none"}) {
    EXPECT_THROW(static_cast<void>(hash_file(folder_ / name)), InputError) << name;
  }
}

}  // namespace
}  // namespace qloom::data
