// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/math/linear.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/registry/registry.hpp"

namespace qloom::sdk {
namespace {

class SdkLinear : public testing::Test {
 protected:
  void SetUp() override {
    const qloom_host& host = registry::host_services();
    services.linear = static_cast<const qloom_linear_api*>(host.service(&host, "qloom.linear/1"));
  }
  void TearDown() override { services.linear = nullptr; }

  template <class Call>
  static void expect_error(qloom_status code, const std::string& text, const Call& call) {
    try {
      call();
      ADD_FAILURE() << "no Error: " << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << text;
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  }
};

TEST_F(SdkLinear, GivesWhatTheServiceGives) {
  const auto fit = linear::least_squares(3, 2, {1, 0, 0, 1, 0, 0}, {1, 4, 2, 5, 3, 6}, 2);
  EXPECT_EQ(fit.rank, 2U);
  const std::vector<double> expected{1, 4, 2, 5};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(fit.x[i], expected[i], 1e-14) << i;
  EXPECT_EQ(linear::least_squares(1, 2, {1, 1}, {2}).rank, 1U);
  EXPECT_EQ(linear::cholesky_solve(2, {4, 0, 0, 2}, {2, 1}), (std::vector<double>{0.5, 0.5}));
  const auto eigen = linear::symmetric_eigen(2, {3, 0, 0, 1});
  EXPECT_EQ(eigen.values, (std::vector<double>{1, 3}));
  EXPECT_EQ(eigen.vectors, (std::vector<double>{0, 1, 1, 0}));
}

TEST_F(SdkLinear, ThrowsTheServicesMessage) {
  expect_error(QLOOM_E_NUMERIC, "a[0][1] is nan", [] {
    (void)linear::least_squares(1, 2, {1, std::nan("")}, {1});
  });
  expect_error(QLOOM_E_NUMERIC, "not positive definite",
               [] { (void)linear::cholesky_solve(1, {-1}, {1}); });
  expect_error(QLOOM_E_INVALID, "n is 0", [] { (void)linear::symmetric_eigen(0, {}); });
}

TEST_F(SdkLinear, RefusesArraysOfAnotherSize) {
  expect_error(QLOOM_E_INVALID, "a has 3 values, expected 2 x 2", [] {
    (void)linear::least_squares(2, 2, {1, 2, 3}, {1, 2});
  });
  expect_error(QLOOM_E_INVALID, "b has 1 values, expected 2 x 1", [] {
    (void)linear::cholesky_solve(2, {1, 0, 0, 1}, {1});
  });
  expect_error(QLOOM_E_INVALID, "a has 3 values, expected 2 x 2", [] {
    (void)linear::symmetric_eigen(2, {1, 2, 3});
  });
}

TEST_F(SdkLinear, AHostWithoutTheServiceIsAnError) {
  services.linear = nullptr;
  expect_error(QLOOM_E_UNSUPPORTED, "qloom.linear/1",
               [] { (void)linear::least_squares(1, 1, {1}, {1}); });
}

}  // namespace
}  // namespace qloom::sdk
