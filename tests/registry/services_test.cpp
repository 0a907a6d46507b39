// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/services.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "host/kernels/kernels.hpp"

namespace qloom::registry {
namespace {

template <class Table>
const Table& service(const char* id) {
  const qloom_host& host = host_services();
  const void* table = host.service(&host, id);
  EXPECT_NE(table, nullptr) << id;
  EXPECT_EQ(static_cast<const Table*>(table)->struct_size, sizeof(Table)) << id;
  return *static_cast<const Table*>(table);
}

TEST(HostServices, UnknownIdsHaveNoTable) {
  const qloom_host& host = host_services();
  for (const char* id : {"", "qloom.kernels/2", "qloom.kernels", "qloom.kernels/1 ", "x.y/1"}) {
    EXPECT_EQ(host.service(&host, id), nullptr) << id;
  }
  EXPECT_EQ(host.service(&host, nullptr), nullptr);
}

TEST(HostServices, TellTheAbiTheyWereBuiltWith) {
  EXPECT_EQ(host_services().struct_size, sizeof(qloom_host));
  EXPECT_EQ(host_services().abi_minor, QLOOM_ABI_MINOR);
  EXPECT_STREQ(host_services().name, "qloom");
}

TEST(KernelsService, IsTheTableInUse) {
  EXPECT_EQ(&service<qloom_kernels>("qloom.kernels/1"), &kernels::table());
}

TEST(ParallelService, CallsEachIndexOnce) {
  const auto& api = service<qloom_parallel>("qloom.parallel/1");
  std::vector<std::atomic<int>> calls(1000);
  api.for_each(
      calls.size(),
      [](void* context, std::uint64_t i) noexcept {
        ++(*static_cast<std::vector<std::atomic<int>>*>(context))[i];
      },
      &calls);
  for (const auto& count : calls) EXPECT_EQ(count.load(), 1);
}

class ParamsService : public testing::Test {
 protected:
  const Json json_ = Json::parse(R"({"bits": 8, "rate": 0.5, "on": true, "mode": "wrap",
      "levels": [1, 2.5, "x"], "group": {"a/b": -3}, "seed": 18446744073709551615, "none": null})");
  const qloom_params params_{&json_};
  const qloom_params_api& api_ = service<qloom_params_api>("qloom.params/1");
};

TEST_F(ParamsService, ReadsEveryTypeByPointer) {
  std::int64_t i = 0;
  double d = 0;
  std::int32_t b = 0;
  const char* text = nullptr;
  std::uint64_t size = 0;
  EXPECT_EQ(api_.get_i64(&params_, "/bits", &i), QLOOM_OK);
  EXPECT_EQ(i, 8);
  EXPECT_EQ(api_.get_i64(&params_, "/group/a~1b", &i), QLOOM_OK);
  EXPECT_EQ(i, -3);
  EXPECT_EQ(api_.get_f64(&params_, "/levels/1", &d), QLOOM_OK);
  EXPECT_EQ(d, 2.5);
  EXPECT_EQ(api_.get_f64(&params_, "/bits", &d), QLOOM_OK);
  EXPECT_EQ(d, 8.0);
  EXPECT_EQ(api_.get_bool(&params_, "/on", &b), QLOOM_OK);
  EXPECT_EQ(b, 1);
  EXPECT_EQ(api_.get_string(&params_, "/mode", &text), QLOOM_OK);
  EXPECT_STREQ(text, "wrap");
  EXPECT_EQ(api_.get_size(&params_, "/levels", &size), QLOOM_OK);
  EXPECT_EQ(size, 3U);
}

TEST_F(ParamsService, RefusesOtherTypesAndLeavesTheOutputAlone) {
  std::int64_t i = -7;
  double d = -7;
  std::int32_t b = -7;
  const char* text = "before";
  std::uint64_t size = 7;
  for (const char* pointer : {"/rate", "/mode", "/on", "/absent", "/seed", "/none", "", "bits",
                              "/levels/9", "/levels/x", "/bits~"}) {
    EXPECT_EQ(api_.get_i64(&params_, pointer, &i), QLOOM_E_INVALID) << pointer;
  }
  EXPECT_EQ(api_.get_f64(&params_, "/on", &d), QLOOM_E_INVALID);
  EXPECT_EQ(api_.get_bool(&params_, "/bits", &b), QLOOM_E_INVALID);
  EXPECT_EQ(api_.get_string(&params_, "/bits", &text), QLOOM_E_INVALID);
  EXPECT_EQ(api_.get_size(&params_, "/mode", &size), QLOOM_E_INVALID);
  EXPECT_EQ(i, -7);
  EXPECT_EQ(d, -7);
  EXPECT_EQ(b, -7);
  EXPECT_STREQ(text, "before");
  EXPECT_EQ(size, 7U);
}

TEST(StateService, GivesBackWhatWasPutWithTheSameBits) {
  const auto& api = service<qloom_state_api>("qloom.state/1");
  data::Arrays arrays;
  qloom_writer writer{&arrays};
  const std::vector<float> floats{1.5F, -0.0F};
  const std::int64_t number = -5;
  EXPECT_EQ(api.put(&writer, "lo", QLOOM_F32, floats.data(), 2), QLOOM_OK);
  EXPECT_EQ(api.put(&writer, "steps", QLOOM_I64, &number, 1), QLOOM_OK);
  EXPECT_EQ(api.put(&writer, "empty", QLOOM_U8, nullptr, 0), QLOOM_OK);
  const qloom_reader reader{&arrays};
  const void* values = nullptr;
  std::uint64_t count = 0;
  ASSERT_EQ(api.get(&reader, "lo", QLOOM_F32, &values, &count), QLOOM_OK);
  ASSERT_EQ(count, 2U);
  EXPECT_EQ(std::memcmp(values, floats.data(), sizeof(float) * 2), 0);
  ASSERT_EQ(api.get(&reader, "steps", QLOOM_I64, &values, &count), QLOOM_OK);
  EXPECT_EQ(*static_cast<const std::int64_t*>(values), -5);
  ASSERT_EQ(api.get(&reader, "empty", QLOOM_U8, &values, &count), QLOOM_OK);
  EXPECT_EQ(count, 0U);
}

TEST(StateService, RefusesWrongTypesRepeatsAndMissingNames) {
  const auto& api = service<qloom_state_api>("qloom.state/1");
  data::Arrays arrays;
  qloom_writer writer{&arrays};
  const double value = 1;
  EXPECT_EQ(api.put(&writer, "a", QLOOM_F64, &value, 1), QLOOM_OK);
  EXPECT_EQ(api.put(&writer, "a", QLOOM_F64, &value, 1), QLOOM_E_STATE);
  EXPECT_EQ(api.put(&writer, "b", 99, &value, 1), QLOOM_E_INVALID);
  EXPECT_EQ(api.put(&writer, "", QLOOM_F64, &value, 1), QLOOM_E_INVALID);
  EXPECT_EQ(arrays.size(), 1U);
  const qloom_reader reader{&arrays};
  const void* values = nullptr;
  std::uint64_t count = 0;
  EXPECT_EQ(api.get(&reader, "a", QLOOM_F32, &values, &count), QLOOM_E_STATE);
  EXPECT_EQ(api.get(&reader, "c", QLOOM_F64, &values, &count), QLOOM_E_STATE);
}

TEST(RunService, RefusesWithoutARunAndFollowsTheTableThatIsSet) {
  const auto& api = service<qloom_run_api>("qloom.run/1");
  EXPECT_EQ(api.report(nullptr, "x", 1.0), QLOOM_E_ORDER);
  EXPECT_EQ(api.remove_norm(nullptr, 0), QLOOM_E_ORDER);
  double rate = 0;
  std::uint64_t steps = 0;
  EXPECT_EQ(api.schedule(nullptr, &rate, &steps), QLOOM_E_ORDER);
  qloom_run_api own{};
  own.struct_size = sizeof own;
  own.schedule = [](qloom_run*, double* r, std::uint64_t* s) noexcept -> qloom_status {
    *r = 0.25;
    *s = 40;
    return QLOOM_OK;
  };
  set_run_services({&own, nullptr});
  EXPECT_EQ(api.schedule(nullptr, &rate, &steps), QLOOM_OK);
  EXPECT_EQ(rate, 0.25);
  EXPECT_EQ(steps, 40U);
  EXPECT_EQ(api.report(nullptr, "x", 1.0), QLOOM_E_ORDER) << "an empty slot refuses";
  set_run_services({});
  EXPECT_EQ(api.schedule(nullptr, &rate, &steps), QLOOM_E_ORDER);
}

}  // namespace
}  // namespace qloom::registry
