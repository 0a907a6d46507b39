// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Methods inside methods: how they are checked, and the service "qloom.methods/1".
#include <gtest/gtest.h>

#include "host/methods/method.hpp"
#include "host/registry/inner.hpp"
#include "host/registry/services.hpp"
#include "host/tensor/error.hpp"
#include "tests/nested/nested.hpp"

namespace qloom::test {
namespace {

using json::Json;

methods::MethodSpec resolved(const Json& object) {
  return methods::resolve(nested_registry(), "quantizer", object, "p.json: /rules/0/quantizer");
}
std::string refused(const Json& object) {
  try {
    static_cast<void>(resolved(object));
    return "accepted";
  } catch (const InputError& e) {
    return e.what();
  }
}

TEST(MethodsInside, GetTheirDefaultsAndPresentNames) {
  const methods::MethodSpec spec = resolved(forwarded({{"plugin", "twn"}, {"mode", "exact"}}));
  EXPECT_EQ(spec.params["quantizer"], Json({{"plugin", "twn"},
                                            {"threshold_rule", "exact"},
                                            {"threshold_factor", 0.7},
                                            {"ste", "identity"},
                                            {"granularity", "tensor"}}));
  EXPECT_EQ(spec.grid, "/quantizer");
  EXPECT_FALSE(spec.params.contains("optional"));
  // What is resolved stays as it is, also what an earlier version wrote.
  EXPECT_EQ(resolved(methods::to_json(spec)), spec);
  EXPECT_EQ(methods::spec_of(nested_registry(), "quantizer",
                             forwarded({{"plugin", "twn"}, {"mode", "exact"}})),
            spec);
}

TEST(MethodsInside, FaultsAreToldWithTheirPointer) {
  const std::string at = "p.json: /rules/0/quantizer/quantizer";
  EXPECT_EQ(refused(forwarded({{"plugin", "twm"}})).rfind(at + "/plugin: unknown quantizer", 0), 0U)
      << refused(forwarded({{"plugin", "twm"}}));
  EXPECT_NE(refused(forwarded({{"plugin", "twm"}})).find("\"twn\""), std::string::npos);
  const std::string kind = refused(forwarded({{"plugin", "min_max"}}));
  EXPECT_NE(kind.find("(it is a range)"), std::string::npos) << kind;
  const std::string bits = refused(forwarded({{"plugin", "affine"}, {"bits", 77}}));
  EXPECT_EQ(bits.rfind(at + "/bits: 77", 0), 0U) << bits;
  const std::string name = refused(forwarded({{"plugin", "affine"}, {"bitz", 7}}));
  EXPECT_EQ(name.rfind(at, 0), 0U) << name;
  EXPECT_NE(name.find("\"bits\""), std::string::npos) << name;
  EXPECT_EQ(refused(forwarded(3)).rfind(at + ": ", 0), 0U) << refused(forwarded(3));
  EXPECT_EQ(refused(forwarded({{"bits", 3}})).rfind(at + ": ", 0), 0U);
  EXPECT_NE(refused({{"plugin", "forward"}}).find("quantizer"), std::string::npos);
  const std::string deep = refused(forwarded({{"plugin", "affine"}, {"bits", 77}}, 3));
  EXPECT_EQ(deep.rfind(at + "/quantizer/quantizer/bits: 77", 0), 0U) << deep;
}

TEST(MethodsInside, LieInEightOthersAtMost) {
  const Json inside{{"plugin", "twn"}, {"granularity", "channel"}};
  const methods::MethodSpec most = resolved(forwarded(inside, registry::kMostInner));
  EXPECT_EQ(methods::granularity_of(most), "channel");
  static_cast<void>(methods::create(nested_registry(), most));
  const std::string more = refused(forwarded(inside, registry::kMostInner + 1));
  EXPECT_NE(more.find("/quantizer: a method that lies in 9 others, expected at most 8"),
            std::string::npos)
      << more;
}

TEST(MethodsInside, AreMethodsOfTheRun) {
  const methods::MethodSpec spec = resolved(forwarded({{"plugin", "twn"}}, 2));
  std::set<const registry::Method*> all;
  methods::add_methods(nested_registry(), spec, all);
  EXPECT_EQ(all, (std::set{nested_registry().find("quantizer", "forward"),
                           nested_registry().find("quantizer", "twn")}));
  EXPECT_TRUE(
      methods::is_of(nested_registry(), spec, {nested_registry().find("quantizer", "twn")}));
  EXPECT_FALSE(
      methods::is_of(nested_registry(), spec, {nested_registry().find("quantizer", "lsq")}));
}

TEST(MethodsInside, ARefusalOfTheirOwnNamesThem) {
  const methods::MethodSpec spec = resolved(
      forwarded({{"plugin", "affine"}, {"bits", 1}, {"symmetric", true}, {"narrow_range", true}}));
  try {
    static_cast<void>(methods::create(nested_registry(), spec));
    ADD_FAILURE() << "expected a refusal";
  } catch (const InputError& e) {
    EXPECT_NE(std::string(e.what()).find("quantizer \"forward\": /quantizer: quantizer \"affine\": "
                                         "/narrow_range: true leaves one code"),
              std::string::npos)
        << e.what();
  }
}

/// The service as a library calls it, for a method whose manifest marks "/quantizer".
class MethodsService : public testing::Test {
 protected:
  qloom_status create(const char* pointer) {
    return api_.create(&params_, pointer, nullptr, &instance_, &error_);
  }
  void TearDown() override {
    if (instance_.self != nullptr) instance_.base->destroy(instance_.self);
  }

  const Json json_ = resolved(forwarded({{"plugin", "lsq"}, {"bits", 3}})).params;
  const qloom_params params_{&json_, &nested_registry(),
                             nested_registry().find("quantizer", "forward")};
  const qloom_methods_api& api_ = *static_cast<const qloom_methods_api*>(
      registry::host_services().service(&registry::host_services(), "qloom.methods/1"));
  qloom_instance instance_{};
  qloom_error error_ = registry::empty_error();
};

TEST_F(MethodsService, CreatesWhatTheParameterNames) {
  EXPECT_EQ(api_.struct_size, sizeof(qloom_methods_api));
  ASSERT_EQ(create("/quantizer"), QLOOM_OK) << error_.message;
  EXPECT_NE(static_cast<const qloom_quantizer*>(instance_.ops)->learned, nullptr);
}

TEST_F(MethodsService, RefusesWhatTheManifestDoesNotMark) {
  for (const char* pointer : {"", "quantizer", "/quantizer/plugin", "/unmarked", "/x", "/"}) {
    EXPECT_EQ(create(pointer), QLOOM_E_INVALID) << pointer;
    EXPECT_NE(std::string(error_.message).find("\"forward\" marks"), std::string::npos)
        << error_.message;
  }
  EXPECT_EQ(create(nullptr), QLOOM_E_INVALID);
  EXPECT_EQ(create("/optional"), QLOOM_E_INVALID);
  EXPECT_EQ(std::string(error_.message), "/optional: names no method");
  EXPECT_EQ(instance_.self, nullptr);
  const qloom_params elsewhere{&json_};
  EXPECT_EQ(api_.create(&elsewhere, "/quantizer", nullptr, &instance_, &error_), QLOOM_E_ORDER);
}

TEST_F(MethodsService, SavesBelowAName) {
  ASSERT_EQ(create("/quantizer"), QLOOM_OK);
  data::Arrays arrays;
  qloom_writer writer{&arrays};
  ASSERT_EQ(api_.save(&writer, "inside", &instance_, &error_), QLOOM_OK) << error_.message;
  ASSERT_TRUE(arrays.contains("inside/@version"));
  for (const auto& [key, array] : arrays) EXPECT_TRUE(key.starts_with("inside/")) << key;
  EXPECT_GT(arrays.size(), 1U);
  EXPECT_EQ(api_.save(&writer, "inside", &instance_, &error_), QLOOM_E_STATE) << "twice";
  EXPECT_EQ(api_.save(&writer, "", &instance_, &error_), QLOOM_E_INVALID);
  EXPECT_EQ(api_.save(&writer, nullptr, &instance_, &error_), QLOOM_E_INVALID);

  const qloom_reader reader{&arrays};
  EXPECT_EQ(api_.load(&reader, "inside", &instance_, &error_), QLOOM_OK) << error_.message;
  EXPECT_EQ(api_.load(&reader, "other", &instance_, &error_), QLOOM_OK) << "defaults";
  EXPECT_EQ(api_.load(&reader, "", &instance_, &error_), QLOOM_E_INVALID);
  data::Arrays newer = arrays;
  newer["inside/@version"] = {{1}, std::vector<std::int32_t>{99}};
  const qloom_reader from_newer{&newer};
  EXPECT_EQ(api_.load(&from_newer, "inside", &instance_, &error_), QLOOM_E_STATE);
  EXPECT_NE(std::string(error_.message).find("99"), std::string::npos) << error_.message;
  newer["inside/@version"] = {{1}, std::vector<float>{1}};
  EXPECT_EQ(api_.load(&from_newer, "inside", &instance_, &error_), QLOOM_E_STATE);
}

TEST_F(MethodsService, AStatelessMethodTakesNoState) {
  const Json json = resolved(forwarded({{"plugin", "twn"}})).params;
  const qloom_params params{&json, &nested_registry(), params_.method};
  ASSERT_EQ(api_.create(&params, "/quantizer", nullptr, &instance_, &error_), QLOOM_OK);
  data::Arrays arrays;
  qloom_writer writer{&arrays};
  EXPECT_EQ(api_.save(&writer, "inside", &instance_, &error_), QLOOM_OK);
  EXPECT_TRUE(arrays.empty());
  const qloom_reader reader{&arrays};
  EXPECT_EQ(api_.load(&reader, "inside", &instance_, &error_), QLOOM_OK);
  arrays["inside/x"] = {{1}, std::vector<float>{1}};
  EXPECT_EQ(api_.load(&reader, "inside", &instance_, &error_), QLOOM_E_STATE);
}

}  // namespace
}  // namespace qloom::test
