// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Every header compiles alone. Large headers are read once and kept: a header meets those among
// them that it includes, itself or by others, and no more.
#include <optional>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/tree/sources.hpp"

namespace qloom::test {
namespace {

using Names = std::set<std::string>;

/// Sets of headers worth keeping, the dearest first: a header takes the first that it includes all
/// of.
const std::vector<Names> kKept = {
    {"tests/support/method.hpp"},
    {"host/network/network.hpp"},
    {"host/check/context.hpp"},
    {"host/registry/registry.hpp"},
    {"nlohmann/json.hpp", "gtest/gtest.h"},
    {"nlohmann/json.hpp"},
    {"host/kernels/simd/lanes.hpp"},
    {"gtest/gtest.h"},
    {"qloom/sdk.hpp"},
    {"xsimd/xsimd.hpp"},
    {"filesystem", "string", "vector"},
    {"string", "vector"},
    {"algorithm"},
    {"vector"},
    {"string"},
};

/// Headers that a file includes, itself or by headers of the tree.
Names reached(const fs::path& file, std::set<fs::path>& seen) {
  Names names;
  if (!seen.insert(file).second) return names;
  for (const auto& [name, is_quoted] : all_includes(file)) {
    const fs::path inside = is_quoted ? fs::path(name) : fs::path("sdk/include") / name;
    names.insert(name);
    if (fs::exists(kRoot / inside)) names.merge(reached(inside, seen));
  }
  return names;
}

const std::string kCompiler = QLOOM_CLANG
    " -std=c++20 -I. -Isdk/include -fopenmp -Wno-pragma-once-outside-header"
    " -DQLOOM_SOURCE_DIR='\"\"' -DQLOOM_BINARY_DIR='\"\"' -DQLOOM_ABI_HASH=0u ";

/// The folder with what is kept: one file a set that some header takes.
class Kept {
 public:
  Kept() { fs::create_directories(folder_); }
  ~Kept() { fs::remove_all(folder_); }

  /// Its number in kKept; none when the header includes none of them whole.
  static std::optional<std::size_t> of(const fs::path& header) {
    std::set<fs::path> seen;
    const Names names = reached(header, seen);
    for (std::size_t i = 0; i < kKept.size(); ++i) {
      if (std::includes(names.begin(), names.end(), kKept[i].begin(), kKept[i].end())) return i;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::string file(std::size_t i) const {
    return (folder_ / (std::to_string(i) + ".pch")).string();
  }
  void read(std::size_t i) const {
    std::ofstream header(folder_ / (std::to_string(i) + ".hpp"));
    for (const std::string& name : kKept[i]) header << "#include <" << name << ">\n";
    header.close();
    const Told told = tell(kCompiler + "-fpch-instantiate-templates -x c++-header -o " + file(i) +
                           " " + (folder_ / (std::to_string(i) + ".hpp")).string());
    EXPECT_EQ(told.status, 0) << told.text;
  }

 private:
  fs::path folder_ = fs::path(QLOOM_BINARY_DIR) / ("headers_" + std::to_string(getpid()));
};

struct Job {
  fs::path header;
  std::optional<std::size_t> kept;
  Told told{};
};

/// work(i) for i below count on as many processes as there are processors.
template <class Work>
void in_parallel(std::size_t count, const Work& work) {
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < count; ++i) work(i);
}

Told compile_alone(const Kept& kept, const std::string& header, std::optional<std::size_t> number) {
  const std::string with = number ? "-include-pch " + kept.file(*number) + " " : "";
  return tell(kCompiler + "-fsyntax-only " + with + "-x c++ '" + header + "'");
}

TEST(Headers, EachCompilesAlone) {
  ASSERT_EQ(tell(QLOOM_CLANG " --version").status, 0)
      << "\"" << QLOOM_CLANG << "\": install the package clang";
  std::vector<Job> jobs;
  std::set<std::size_t> used;
  for (const char* folder : kFolders) {
    for (const fs::path& file : sources(folder)) {
      if (!is_header(file)) continue;
      jobs.push_back({file, Kept::of(file)});
      if (jobs.back().kept) used.insert(*jobs.back().kept);
    }
  }
  ASSERT_GT(jobs.size(), 150U);
  const Kept kept;
  const std::vector<std::size_t> numbers(used.begin(), used.end());
  in_parallel(numbers.size(), [&](std::size_t i) { kept.read(numbers[i]); });
  in_parallel(jobs.size(), [&](std::size_t i) {
    jobs[i].told = compile_alone(kept, jobs[i].header.string(), jobs[i].kept);
  });
  for (const Job& job : jobs) EXPECT_EQ(job.told.status, 0) << job.header << "\n" << job.told.text;
}

TEST(Headers, OneThatNeedsAnotherFirstIsSeen) {
  const Kept kept;
  const fs::path header =
      fs::path(QLOOM_BINARY_DIR) / ("alone_" + std::to_string(getpid()) + ".hpp");
  std::ofstream(header)
      << "#include <string>\ninline std::vector<std::string> names() { return {}; }\n";
  EXPECT_NE(compile_alone(kept, header.string(), std::nullopt).status, 0);
  fs::remove(header);
}

}  // namespace
}  // namespace qloom::test
