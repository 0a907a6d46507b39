// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The loader refuses every broken plugin of hostile/ with a message that names file and reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <ostream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"
#include "tests/abi/hostile/float_control.h"

namespace qloom::registry {
namespace {

namespace fs = std::filesystem;

const std::string kHost = fmt::format("{}.{}", QLOOM_ABI_MAJOR, QLOOM_ABI_MINOR);

/// Finds and creates the one method of a case's folder.
Instance create_case(const Registry& registry) {
  EXPECT_EQ(registry.methods().size(), 1U);
  return registry.create(registry.methods().at(0), Json::object());
}

fs::path library_of(const std::string& name) {
  const std::string folder = "range." + name;
  return fs::path(QLOOM_ABI_PLUGINS) / name / folder / (folder + ".so");
}

template <class Exception>
std::string refusal_of(const std::string& name) {
  const Registry registry({fs::path(QLOOM_ABI_PLUGINS) / name});
  try {
    static_cast<void>(create_case(registry));
    return "accepted";
  } catch (const Exception& e) {
    return e.what();
  }
}

TEST(SoundPlugin, IsLoadedAndAnswers) {
  const Registry registry({fs::path(QLOOM_ABI_PLUGINS) / "sound"});
  const Instance instance = create_case(registry);
  qloom_range range{};
  qloom_error error = empty_error();
  const auto& ops = instance.ops<qloom_range_estimator>();
  EXPECT_EQ(ops.ranges(instance.self(), &range, 1, &error), QLOOM_OK);
  EXPECT_EQ(range.lo, -1.0);
  EXPECT_EQ(range.hi, 1.0);
  EXPECT_TRUE(instance.save().empty());
}

struct Case {
  std::string name, part;  ///< part: what the message says after the file
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class HostilePlugin : public testing::TestWithParam<Case> {};

TEST_P(HostilePlugin, IsRefusedWithFileAndReason) {
  const std::string text = refusal_of<InputError>(GetParam().name);
  EXPECT_EQ(text.rfind(library_of(GetParam().name).string() + ": ", 0), 0U) << text;
  EXPECT_NE(text.find(GetParam().part), std::string::npos) << text;
  EXPECT_EQ(refusal_of<InputError>(GetParam().name), text) << "the second attempt says the same";
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  volatile float subnormal = 1e-39F;
  EXPECT_NE(subnormal * 0.5F, 0.0F) << "the floating-point state was put back";
}

std::string truncated(const char* table, std::size_t found, std::size_t needed) {
  return fmt::format("the {} table has struct_size {}, this host needs {}", table, found, needed);
}

const Case kCases[] = {
    {"no_entry", "no symbol qloom_entry_v0: not a qloom plugin for ABI " + kHost},
    {"next_major", "plugin ABI major 1; this host speaks " + kHost},
    {"wrong_magic",
     fmt::format("magic 0x12345678 is not {:#010x} of plugin ABI {}", QLOOM_MAGIC, kHost)},
    {"wrong_major", "plugin ABI 7.0 is of another major than this host's " + kHost},
    {"newer_target", fmt::format("plugin ABI {}.{} is newer than this host's {}", QLOOM_ABI_MAJOR,
                                 QLOOM_ABI_MINOR + 3, kHost)},
    {"other_hash", fmt::format("built from another abi.h (0.0, hash 0000000000abcdef) than this "
                               "host ({}, hash {:016x})",
                               kHost, QLOOM_ABI_HASH)},
    {"truncated_entry", fmt::format("has struct_size {}, this host ({}) needs {}",
                                    offsetof(qloom_entry, count), kHost, sizeof(qloom_entry))},
    {"missing_count", "the entry has no count()"},
    {"no_descriptor", "at(0) gives no descriptor"},
    {"truncated_descriptor",
     fmt::format("descriptor 0 has struct_size {}, this host ({}) needs {}",
                 offsetof(qloom_descriptor, create), kHost, sizeof(qloom_descriptor))},
    {"missing_create", "descriptor 0 (\"hostile\") has no create()"},
    {"other_id",
     "the manifest's \"hostile\" of kind \"qloom.range/1\" is not in it; it has "
     "\"friendly\" of kind \"qloom.range/1\""},
    {"id_with_garbage", "is not in it; it has \"hostile \" of kind"},
    {"other_kind", "is not in it; it has \"hostile\" of kind \"qloom.range/2\""},
    {"other_version", "\"hostile\" has version 1.2.4, the manifest says 1.2.3"},
    {"other_manifest", "\"hostile\" was built from another manifest"},
    {"manifest_key_twice", "the manifest of \"hostile\": the key \"kind\" stands twice"},
    {"more_methods", "it has 2 methods, the manifest 1"},
    {"init_fails", "init() failed with status 2: the licence of 1999 has run out"},
    {"init_rounding", "init() changed the floating-point state"},
    {"create_rounding", "create() changed the floating-point state"},
    {"truncated_base", truncated("qloom_base", 8, sizeof(qloom_base))},
    {"missing_destroy", "the qloom_base table has no destroy()"},
    {"save_only", "the qloom_base table has only one of save() and load()"},
    {"truncated_table", truncated("qloom.range/1", offsetof(qloom_range_estimator, end),
                                  sizeof(qloom_range_estimator))},
    {"missing_observe", "the qloom.range/1 table has no observe()"},
    {"no_passes", "the qloom.range/1 table asks for 0 passes"},
    {"no_self", "create() left self NULL"},
    {"sets_ftz", "changed the floating-point state: " FLOAT_CONTROL_NAME},
};
INSTANTIATE_TEST_SUITE_P(EachFault, HostilePlugin, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(CreateThatRefuses, IsWrongInputWithTheMethodsMessage) {
  EXPECT_EQ(refusal_of<InputError>("create_refuses"),
            "range \"hostile\": /bits: 3 is not a power of two");
}

TEST(CreateThatFails, IsAFailureOfTheRun) {
  EXPECT_EQ(refusal_of<RunError>("create_fails"),
            "range \"hostile\": create: no room for the table");
}

TEST(ThrowingConstructor, BecomesAMessage) {
  EXPECT_EQ(refusal_of<RunError>("throws_error"), "range \"hostile\": create: no table fits");
  EXPECT_EQ(refusal_of<RunError>("throws_number"),
            "range \"hostile\": create: an exception of unknown type");
}

TEST(ThrowingFunction, BecomesAStatusAndAMessage) {
  const Registry registry({fs::path(QLOOM_ABI_PLUGINS) / "throws_later"});
  const Instance instance = create_case(registry);
  const std::vector<float> x{1, 2, 3};
  const std::int64_t shape = 3;
  const qloom_tensor t{x.data(), &shape, 1, 3, 1, 1, 3};
  qloom_error error = empty_error();
  const qloom_status status =
      instance.ops<qloom_range_estimator>().observe(instance.self(), &t, &error);
  EXPECT_EQ(status, QLOOM_E_NUMERIC);
  EXPECT_EQ(error.code, QLOOM_E_NUMERIC);
  EXPECT_STREQ(error.message, "element 2 is NaN");
}

TEST(AbiHeader, IncludesNothingButStddefAndStdint) {
  const fs::path folder = fs::path(QLOOM_SOURCE_DIR) / "sdk/include";
  const std::regex include(R"(#\s*include\s*[<"]([^>"]*)[>"])");
  std::set<std::string> others;
  std::vector<std::string> own{"qloom/abi.h"};  // and its parts
  for (std::size_t k = 0; k < own.size(); ++k) {
    const std::string text = data::read_text(folder / own[k]);
    for (auto i = std::sregex_iterator(text.begin(), text.end(), include);
         i != std::sregex_iterator(); ++i) {
      const std::string name = (*i)[1].str();
      if (!name.starts_with("qloom/abi/")) {
        others.insert(name);
      } else if (std::find(own.begin(), own.end(), name) == own.end()) {
        own.push_back(name);
      }
    }
  }
  EXPECT_EQ(own.size(), 6U);
  EXPECT_EQ(others, (std::set<std::string>{"stddef.h", "stdint.h"}));
}

}  // namespace
}  // namespace qloom::registry
