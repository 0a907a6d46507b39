// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The choice of the instruction set, and what the objects built with its flags may hold. Each
// choice is made by this program run once more, because a process makes it once.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/kernels/kernels.hpp"
#include "host/tensor/error.hpp"

namespace qloom::kernels {
namespace {

/// Ends the process: 0 and the table's name, or 2 and the message, on standard error.
[[noreturn]] void choose(const char* wanted) {
  if (wanted != nullptr)
    setenv("QLOOM_ISA", wanted, 1);
  else
    unsetenv("QLOOM_ISA");
  try {
    std::fprintf(stderr, "runs %s", table().isa_name);
    std::exit(0);
  } catch (const InputError& e) {
    std::fprintf(stderr, "%s", e.what());
    std::exit(2);
  }
}

class DispatchDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(DispatchDeathTest, RunsTheInstructionSetThatIsAskedFor) {
  for (const Isa isa : runnable()) {
    EXPECT_EXIT(choose(name(isa)), testing::ExitedWithCode(0), std::string("runs ") + name(isa));
  }
}

TEST_F(DispatchDeathTest, TakesTheBestOneWhenNothingIsAskedFor) {
  const std::string best = std::string("runs ") + name(runnable().back());
  EXPECT_EXIT(choose(nullptr), testing::ExitedWithCode(0), best);
}

TEST_F(DispatchDeathTest, RefusesAnUnknownName) {
  EXPECT_EXIT(choose("avx9000"), testing::ExitedWithCode(2),
              "QLOOM_ISA: unknown instruction set \"avx9000\"; expected one of scalar");
}

TEST(Dispatch, EveryTableIsCompleteAndNamed) {
  for (const Isa isa : runnable()) {
    const qloom_kernels& t = table(isa);
    EXPECT_EQ(t.struct_size, sizeof(qloom_kernels));
    EXPECT_STREQ(t.isa_name, name(isa));
    EXPECT_EQ(t.isa, static_cast<std::uint32_t>(isa));
    EXPECT_TRUE(t.affine && t.affine_decode && t.affine_backward && t.clip_backward && t.ternary &&
                t.minifloat && t.minifloat_decode && t.round && t.random_u32 && t.reduce &&
                t.extremes && t.histogram && t.accumulate_integer && t.accumulate_float);
  }
  std::printf("instruction sets covered:");
  for (const Isa isa : runnable()) std::printf(" %s", name(isa));
  std::printf("\n");
}

#ifdef QLOOM_ISA_OBJECTS
/// Symbols of an object file that other files could share: `nm` types V, W, u and v, w.
std::vector<std::string> weak_symbols(const std::string& object) {
  const std::string command = std::string(QLOOM_NM) + " '" + object + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::vector<std::string> out;
  char line[4096];
  while (pipe != nullptr && std::fgets(line, sizeof(line), pipe.get()) != nullptr) {
    std::istringstream words(line);
    std::string address, type, symbol;
    words >> address;
    if (address.size() == 1)
      type = address;  // undefined: no address
    else
      words >> type;
    words >> symbol;
    if (type == "V" || type == "W" || type == "u" || type == "v" || type == "w") {
      out.push_back(symbol);
    }
  }
  return out;
}

TEST(IsaObjects, HoldNoSharedSymbolThatDoesNotNameTheirOwnArchitecture) {
  // as the compiler writes xsimd::sse2, xsimd::fma3<xsimd::avx2>, xsimd::avx512bw, xsimd::neon64
  const std::map<std::string, std::string> own = {{"sse2", "5xsimd4sse2"},
                                                  {"avx2", "5xsimd4fma3INS"},
                                                  {"avx512", "5xsimd8avx512bw"},
                                                  {"neon", "5xsimd6neon64"}};
  std::istringstream objects(QLOOM_ISA_OBJECTS);
  std::set<std::string> seen{name(Isa::kScalar)};
  for (std::string object; std::getline(objects, object, '|');) {
    const std::string file = object.substr(object.rfind('/') + 1);
    const std::string isa = file.substr(0, file.find('.'));
    ASSERT_EQ(own.count(isa), 1U) << object;
    const std::vector<std::string> symbols = weak_symbols(object);
    EXPECT_GT(symbols.size(), 50U) << object << ": the kernels themselves are such symbols";
    for (const std::string& symbol : symbols) {
      EXPECT_NE(symbol.find(own.at(isa)), std::string::npos) << file << ": " << symbol;
    }
    seen.insert(isa);
  }
  for (const Isa isa : runnable()) EXPECT_EQ(seen.count(name(isa)), 1U) << name(isa);
}
#endif

}  // namespace
}  // namespace qloom::kernels
