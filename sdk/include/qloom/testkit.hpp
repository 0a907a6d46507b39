// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// For an author's own tests: a method called by the host's own driver, in the test's process. Link
// qloom::testkit. Methods are found where `qloom` finds them: QLOOM_PLUGIN_PATH first.
//
// Every function throws std::runtime_error with the message that `qloom` would print. A rule is
// JSON text as in a pipeline: {"quantizer": {"plugin": "twn"}}.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace qloom::testkit {

/// Row major. Without a shape: one axis.
struct Array {
  std::vector<float> values;
  std::vector<std::int64_t> shape{};
};

/// Where and when a method acts.
struct Place {
  std::string site{};      ///< "weight/conv1": acts there; "": outside a network
  int channel_axis = -1;   ///< of granularity "channel"; negative counts from the last
  std::uint64_t seed = 1;  ///< of random words
};
struct Step {
  bool training = true;
  std::uint64_t step = 0;
};

/// A quantizer with the range, rounding and clamp of its rule, over as many steps as a test wants.
class Quantizer {
 public:
  explicit Quantizer(const std::string& rule, const Place& place = {});
  ~Quantizer();
  Quantizer(Quantizer&&) noexcept;

  std::vector<float> forward(const Array& x, const Step& step = {});
  /// Of the last forward(), same x: dx, and the learned parameters' gradients.
  std::vector<float> backward(const Array& x, const Array& dy);
  /// Of the last forward()'s x.
  std::vector<std::int32_t> encode(const Array& x);
  std::vector<float> decode(const std::vector<std::int32_t>& codes,
                            const std::vector<std::int64_t>& shape = {});
  /// JSON: kind, bits, scale and zero_point per group, codebook, format.
  [[nodiscard]] std::string encoding() const;
  /// A learned parameter's values and gradient, by name; projection after values were changed.
  [[nodiscard]] std::vector<float> learned(const std::string& name) const;
  [[nodiscard]] std::vector<float> gradient(const std::string& name) const;
  void set_learned(const std::string& name, const std::vector<float>& values);
  /// Gives another node of the same rule this one's state, as a checkpoint does.
  void copy_state_to(Quantizer& other) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct Ends {
  double lo, hi;
};
/// One round of a range estimator over the batches, all passes, for a grid of codes of `bits` bits:
/// {"range": {"plugin": "min_max"}}. One range per index of the last axis, or one for all.
std::vector<Ends> ranges(const std::string& rule, const std::vector<Array>& batches,
                         std::uint32_t bits = 8, bool per_channel = false);

/// {"rounding": {"plugin": "stochastic"}}: x in steps of the grid.
std::vector<float> round(const std::string& rule, const std::vector<float>& x,
                         const Place& place = {}, const Step& step = {});

/// {"accumulator": {...}, "rounding": {...}}: a (m x k) times b (k x n).
std::vector<double> product(const std::string& rule, const Array& a, const Array& b,
                            const Place& place = {}, const Step& step = {});

struct NormGradients {
  std::vector<float> dx, dgamma, dbeta;
};
/// {"norm": {"plugin": "batch_norm"}} on rows x channels, over as many steps as a test wants.
class Norm {
 public:
  Norm(const std::string& rule, std::uint64_t channels, std::uint64_t fan_in = 0);
  ~Norm();
  Norm(Norm&&) noexcept;

  /// Statistics of the batch, which move the running ones.
  std::vector<float> forward(const std::vector<float>& x);
  /// Of the last forward(), same x.
  NormGradients backward(const std::vector<float>& x, const std::vector<float>& dy);
  /// With the running statistics.
  std::vector<float> evaluate(const std::vector<float>& x);

  std::vector<float> gamma, beta;  ///< one value per channel; 1 and 0 at first

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qloom::testkit
