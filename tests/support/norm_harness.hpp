// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A norm with its gamma and beta, and the checks that hold for every norm. The oracle of gradients
// is a definition in double, written by the test, and its central differences.
#pragma once

#include <omp.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "host/methods/norm.hpp"
#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {

using Values = std::vector<float>;
using Doubles = std::vector<double>;

inline constexpr double kPrinted = 1e-6;  ///< the handbook prints six decimals
inline constexpr const char* kNoEps = R"({"eps": 0})";

struct NormGradients {
  Values dx, dgamma, dbeta;
};

class NormHarness {
 public:
  NormHarness(const std::string& id, const std::string& params, std::uint64_t channels,
              std::uint64_t fan_in = 0)
      : norm_(create("norm", id, params), channels, fan_in), channels_(channels) {}
  Values forward(const Values& x, std::uint32_t mode = QLOOM_MODE_TRAINING) {
    Values y(x.size());
    norm_.forward(call(mode, x.size()), x.data(), y.data());
    return y;
  }
  /// in_place: dx is written over dy.
  NormGradients backward(const Values& x, const Values& dy,
                         std::uint32_t mode = QLOOM_MODE_TRAINING, bool in_place = false) {
    NormGradients g{in_place ? dy : Values(x.size()), Values(channels_), Values(channels_)};
    norm_.backward(call(mode, x.size()), x.data(), in_place ? g.dx.data() : dy.data(), g.dx.data(),
                   g.dgamma.data(), g.dbeta.data());
    return g;
  }
  /// scale * x + shift of the inference form.
  Values infer(const Values& x) {
    Values scale, shift, y(x.size());
    norm_.inference(call(QLOOM_MODE_EVALUATE, 0), scale, shift);
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = scale[i % channels_] * x[i] + shift[i % channels_];
    }
    return y;
  }
  [[nodiscard]] double state(const std::string& name, std::size_t channel = 0) const {
    return std::get<Doubles>(norm_.instance().save().at(name).values).at(channel);
  }
  [[nodiscard]] registry::Instance& instance() { return norm_.instance(); }

  Values gamma, beta;    // empty: NULL
  double momentum = -1;  // < 0: the method's
  qloom_slots slots{};   // quantize NULL: no slots

 private:
  [[nodiscard]] qloom_norm_call call(std::uint32_t mode, std::size_t n) const {
    return {sizeof(qloom_norm_call),
            mode,
            channels_ == 0 ? 5 : n / channels_,
            channels_,
            gamma.empty() ? nullptr : gamma.data(),
            beta.empty() ? nullptr : beta.data(),
            momentum,
            slots};
  }
  methods::Norm norm_;
  std::uint64_t channels_;
};

/// y of rows x channels from x, gamma and beta, in double.
using Definition =
    std::function<Doubles(const Doubles& x, const Doubles& gamma, const Doubles& beta)>;

/// A definition from the divisor D of one channel's values.
inline Definition normalised(std::size_t channels, std::function<double(const Doubles&)> divisor) {
  return [=](const Doubles& x, const Doubles& gamma, const Doubles& beta) {
    Doubles y(x.size());
    for (std::size_t c = 0; c < channels; ++c) {
      Doubles own;
      double mean = 0;
      for (std::size_t i = c; i < x.size(); i += channels) own.push_back(x[i]);
      for (const double v : own) mean += v / static_cast<double>(own.size());
      const double d = divisor(own);
      for (std::size_t i = c; i < x.size(); i += channels) {
        y[i] = gamma[c] * (x[i] - mean) / d + beta[c];
      }
    }
    return y;
  };
}

/// d(sum dy * y)/d(at[i]) for all i by central differences.
inline Doubles differences(Doubles& at, const std::function<double()>& loss) {
  constexpr double kStep = 1e-5;
  Doubles slopes;
  for (double& v : at) {
    const double before = v;
    v = before + kStep;
    const double up = loss();
    v = before - kStep;
    slopes.push_back((up - loss()) / (2 * kStep));
    v = before;
  }
  return slopes;
}

inline void expect_close(const Values& actual, const Doubles& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
  }
}

/// y, dx, dgamma and dbeta of 3 channels of 24 values against the definition; values are of order
/// 1, so float32's roundings (a dozen of 6e-8 each) and the differences' own error (1e-9) stay
/// below 1e-5, gradients of 24 terms below 2e-5.
inline void expect_follows_definition(const std::string& id, const std::string& params,
                                      const Definition& define,
                                      std::uint32_t mode = QLOOM_MODE_TRAINING,
                                      const data::Arrays& state = {}) {
  constexpr std::size_t kChannels = 3, kRows = 24;
  NormHarness norm(id, params, kChannels);
  if (!state.empty()) norm.instance().load(state, norm.instance().state_version());
  const Values x = values(gaussian({kRows, kChannels}, 11));
  const Values dy = values(gaussian({kRows, kChannels}, 12));
  norm.gamma = {1.5F, -0.5F, 0.25F};
  norm.beta = {0.1F, 0.0F, -2.0F};
  Doubles x_(x.begin(), x.end()), gamma(norm.gamma.begin(), norm.gamma.end()),
      beta(norm.beta.begin(), norm.beta.end());
  const auto loss = [&] {
    const Doubles y = define(x_, gamma, beta);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(dy[i]) * y[i];
    return sum;
  };
  expect_close(norm.forward(x, mode), define(x_, gamma, beta), 1e-5);
  const NormGradients g = norm.backward(x, dy, mode);
  expect_close(g.dx, differences(x_, loss), 1e-5);
  expect_close(g.dgamma, differences(gamma, loss), 2e-5);
  expect_close(g.dbeta, differences(beta, loss), 2e-5);
  EXPECT_EQ(norm.backward(x, dy, mode, true).dx, g.dx) << "dx over dy";
}

/// The same far from zero: values of deviation 1 around 1e4 and -3e5, of which float32 keeps about
/// 1e-3 and 0.03. A mean that is rounded to float32 first is wrong by up to half of that; here
/// everything is as good as near zero, for the input as float32 holds it.
inline void expect_follows_definition_far_from_zero(
    const std::string& id, const std::string& params,
    const std::function<double(const Doubles&)>& d) {
  constexpr std::size_t kChannels = 2, kRows = 1999;
  NormHarness norm(id, params, kChannels);
  norm.gamma = {1.5F, -0.5F};
  norm.beta = {0.25F, -2.0F};
  Values x = values(gaussian({kRows, kChannels}, 31));
  const Values dy = values(gaussian({kRows, kChannels}, 32));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += i % kChannels == 0 ? 1e4F : -3e5F;
  const Doubles x_(x.begin(), x.end()), beta(norm.beta.begin(), norm.beta.end());
  const Doubles y = normalised(kChannels, d)(x_, {1.5, -0.5}, beta);
  expect_close(norm.forward(x), y, 3e-6);  // a few roundings of values up to 4 * 1.5
  const NormGradients g = norm.backward(x, dy);
  Doubles dgamma(kChannels), size(kChannels);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % kChannels;
    const double term = (y[i] - beta[c]) / norm.gamma[c] * static_cast<double>(dy[i]);
    dgamma[c] += term;
    size[c] += std::fabs(term);
  }
  Values near = x;  // the shift back is exact
  for (std::size_t i = 0; i < x.size(); ++i) near[i] -= i % kChannels == 0 ? 1e4F : -3e5F;
  norm.forward(near);
  expect_near(g.dx, norm.backward(near, dy).dx, 3e-6);
  for (std::size_t c = 0; c < kChannels; ++c) {  // three roundings of each term
    EXPECT_NEAR(g.dgamma[c], dgamma[c], size[c] * 0x1p-22) << "channel " << c;
  }
}

/// The largest float32 on both sides of the mean gives finite values; a value farther from the mean
/// than float32 holds is refused by name.
inline void expect_finite_or_refused(const std::string& id, const std::string& params) {
  constexpr float kTop = std::numeric_limits<float>::max();
  NormHarness norm(id, params, 1);
  for (const float v : norm.forward({-kTop, kTop, -kTop / 2, kTop / 2})) {
    EXPECT_TRUE(std::isfinite(v));
    EXPECT_NE(v, 0);
  }
  for (const float v : norm.infer({-kTop, kTop})) EXPECT_TRUE(std::isfinite(v));
  const data::Arrays before = norm.instance().save();
  try {
    norm.forward({-kTop, kTop, kTop, kTop});
    ADD_FAILURE() << "expected a refusal";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("channel 0: -3.40282e+38 is farther from the mean"),
              std::string::npos)
        << e.what();
  }
  EXPECT_EQ(norm.instance().save().at("running_mean").values, before.at("running_mean").values);
}

/// With frozen statistics a norm is its inference form, y = gamma (x - mean) / divisor(scale) +
/// beta of what it tracked, and its gradient has no terms of the mean. `scale`: the state beside
/// the mean.
inline void expect_frozen_is_inference(const std::string& id, const std::string& scale,
                                       const std::function<double(double)>& divisor) {
  NormHarness source(id, "{}", 3);
  source.forward(values(gaussian({50, 3}, 9, 2.0F)));
  const data::Arrays state = source.instance().save();
  const auto& mean = std::get<Doubles>(state.at("running_mean").values);
  const auto& tracked = std::get<Doubles>(state.at(scale).values);
  expect_follows_definition(
      id, "{}",
      [&](const Doubles& x, const Doubles& gamma, const Doubles& beta) {
        Doubles y;
        for (std::size_t i = 0; i < x.size(); ++i) {
          const std::size_t c = i % 3;
          y.push_back(gamma[c] * (x[i] - mean[c]) / divisor(tracked[c]) + beta[c]);
        }
        return y;
      },
      QLOOM_MODE_FROZEN, state);
}

/// Running statistics: a batch moves them by the momentum, the call's momentum wins, momentum 1
/// makes inference equal to training, save and load keep them, FROZEN leaves them alone.
/// unbiased: the square of the running scale's correction, n / (n - 1) or 1.
inline void expect_tracks_statistics(const std::string& id, const std::string& params,
                                     double unbiased) {
  constexpr std::size_t kChannels = 2;
  const Values x = values(gaussian({64, kChannels}, 21, 3.0F));
  NormHarness norm(id, params, kChannels), whole(id, params, kChannels);
  EXPECT_EQ(norm.state("running_mean"), 0);
  EXPECT_EQ(norm.state("running_scale"), 1);
  norm.gamma = whole.gamma = {2.0F, 0.5F};
  norm.beta = whole.beta = {0.0F, 1.0F};
  whole.momentum = 1;
  const Values y = whole.forward(x);
  const double mean = whole.state("running_mean"), scale = whole.state("running_scale");
  // y and inference differ by the correction of the scale and a few roundings of values up to 6
  const Values inferred = whole.infer(x);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const float beta = whole.beta[i % kChannels];
    EXPECT_NEAR((inferred[i] - beta) * std::sqrt(unbiased), y[i] - beta, 1e-5) << "element " << i;
  }
  EXPECT_EQ(whole.forward(x, QLOOM_MODE_FROZEN), inferred);
  EXPECT_EQ(whole.state("running_mean"), mean);

  norm.forward(x);  // momentum 0.1, from mean 0; the running scale as the method averages it
  EXPECT_NEAR(norm.state("running_mean"), 0.1 * mean, 1e-12);
  const double power = norm.instance().save().contains("running_variance") ? 2 : 1;
  EXPECT_NEAR(norm.state("running_scale"), std::pow(0.9 + 0.1 * std::pow(scale, power), 1 / power),
              1e-12);

  NormHarness other(id, params, kChannels);
  other.instance().load(norm.instance().save(), norm.instance().state_version());
  other.gamma = norm.gamma;
  other.beta = norm.beta;
  EXPECT_EQ(other.infer(x), norm.infer(x));
  EXPECT_EQ(other.instance().save().at("running_scale").values,
            norm.instance().save().at("running_scale").values);

  NormHarness wider(id, params, kChannels + 1);
  EXPECT_THROW(wider.instance().load(norm.instance().save(), 1), RunError);
}

/// y does not change under x -> a x + b, sum dx = 0, sum x dx = 0: eps must be 0 in params.
inline void expect_scale_free(const std::string& id, const std::string& params) {
  constexpr std::size_t kChannels = 5;
  NormHarness norm(id, params, kChannels);
  const Values x = values(gaussian({200, kChannels}, 1));
  const Values dy = values(gaussian({200, kChannels}, 2));
  const Values y = norm.forward(x);
  const Values dx = norm.backward(x, dy).dx;
  for (std::size_t c = 0; c < kChannels; ++c) {
    double sum = 0, product = 0;
    for (std::size_t i = c; i < x.size(); i += kChannels) {
      sum += dx[i];
      product += static_cast<double>(x[i]) * static_cast<double>(dx[i]);
    }
    EXPECT_NEAR(sum, 0, 2e-5) << "200 roundings of values of order 1";
    EXPECT_NEAR(product, 0, 4e-5);
  }
  Values moved(x);
  for (float& v : moved) v = 8 * v + 4;  // rounds once: 2^-21 for |8 x + 4| < 32, in x 2^-24
  const Values same = norm.forward(moved);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(same[i], y[i], 2e-6);
}

/// The same bits with 1, 2 and 7 threads for a tensor of many blocks.
inline void expect_same_bits_for_any_threads(const std::string& id, const std::string& params) {
  constexpr std::size_t kChannels = 24;
  const Values x = values(gaussian({9001, kChannels}, 3));
  const Values dy = values(gaussian({9001, kChannels}, 4));
  const int before = omp_get_max_threads();
  std::vector<Values> first;
  for (const int threads : {1, 2, 7}) {
    omp_set_num_threads(threads);
    NormHarness norm(id, params, kChannels);
    const Values y = norm.forward(x);
    const NormGradients g = norm.backward(x, dy);
    const std::vector<Values> all{y, g.dx, g.dgamma, g.dbeta, norm.infer(x)};
    if (first.empty()) first = all;
    EXPECT_EQ(all, first) << threads << " threads";
  }
  omp_set_num_threads(before);
}

/// No channels, constant channels, no rows, NaN.
inline void expect_edge_cases(const std::string& id, const std::string& params) {
  NormHarness without_channels(id, params, 0);
  EXPECT_TRUE(without_channels.forward({}).empty());
  EXPECT_TRUE(without_channels.backward({}, {}).dx.empty());
  NormHarness norm(id, params, 2);
  norm.beta = {0.5F, -1.0F};
  norm.gamma = {1.0F, 3.0F};
  const Values constant{2, -3, 2, -3, 2, -3, 2, -3};
  EXPECT_EQ(norm.forward(constant), (Values{0.5F, -1, 0.5F, -1, 0.5F, -1, 0.5F, -1}));
  for (const float v : norm.backward(constant, {1, 2, 3, 4, 5, 6, 7, 8}).dx) {
    EXPECT_TRUE(std::isfinite(v));
  }
  const data::Arrays before = norm.instance().save();
  EXPECT_TRUE(norm.forward({}).empty());
  const NormGradients none = norm.backward({}, {});
  EXPECT_EQ(none.dgamma, (Values{0, 0}));
  EXPECT_THROW(norm.forward({1, 2, NAN, 4, 5, 6}), RunError);
  EXPECT_THROW(norm.forward({1, 2, 3, INFINITY, 5, 6}), RunError);
  for (const auto& [key, array] : norm.instance().save()) {
    EXPECT_EQ(array.values, before.at(key).values) << key;
  }
}

/// Slots: what forward and inference hand to the host, and that they use what comes back.
inline void expect_quantizes_its_slots(const std::string& id, const std::string& params) {
  struct Host {
    std::string names;
    static qloom_status quantize(void* self, const char* slot, const float* x, float* y,
                                 std::uint64_t n) noexcept {
      static_cast<Host*>(self)->names += std::string(slot) + " ";
      for (std::uint64_t i = 0; i < n; ++i) y[i] = std::nearbyint(x[i] * 8) / 8;
      return QLOOM_OK;
    }
  } host;
  NormHarness norm(id, params, 2);
  norm.slots = {&host, &Host::quantize};
  norm.gamma = {1.3F, 0.7F};
  norm.beta = {0.3F, -0.2F};
  norm.momentum = 1;
  const Values x = values(gaussian({16, 2}, 5));
  const Values y = norm.forward(x);
  EXPECT_EQ(host.names, "mean inv_scale gamma beta ");
  // x on the grid 1/8: then y = (x - mean) * inv * gamma + beta is a multiple of 1/4096
  Values coarse(x);
  for (float& v : coarse) v = std::nearbyint(v * 8) / 8;
  for (const float v : norm.forward(coarse)) EXPECT_EQ(v * 4096, std::nearbyint(v * 4096));
  for (const float v : norm.infer(coarse)) EXPECT_EQ(v * 4096, std::nearbyint(v * 4096));
  EXPECT_NE(y, NormHarness(id, params, 2).forward(x));
}

}  // namespace qloom::test
