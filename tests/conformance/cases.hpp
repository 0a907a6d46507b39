// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The methods with the parameters and tensors they are tried on, and what they give as one hash.
#pragma once

#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/method.hpp"

namespace qloom::conformance {

using registry::Json;

/// A method with given parameters (as a user writes them).
struct Case {
  const registry::Method* method = nullptr;
  Json params;
  std::string name;  ///< letters, digits and _: for test names and digests
};
std::ostream& operator<<(std::ostream& out, const Case& c);

/// Every method of the kind: with its defaults where nothing is required, with each of its schema's
/// "examples", and with more parameters from a table. Empty when the registry cannot be read.
[[nodiscard]] std::vector<Case> cases(const std::string& kind);
[[nodiscard]] std::vector<Case> all_cases();

struct Input {
  std::string name;
  Tensor x;
  network::SiteContext context;
};
/// Odd sizes, more than one tile, one element, zeros, a constant, subnormals and signed zeros.
[[nodiscard]] const std::vector<Input>& inputs();

/// All finite float16 values, sign and subnormals included, as float.
[[nodiscard]] std::vector<float> float16_values();

/// FNV-1a over everything added.
class Digest {
 public:
  template <class T>
  void add(const std::vector<T>& values) {
    for (const T& value : values) {
      unsigned char bytes[sizeof(T)];
      std::memcpy(bytes, &value, sizeof(T));
      for (const unsigned char byte : bytes) hash_ = (hash_ ^ byte) * 0x100000001B3U;
    }
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325U;
};

/// Sets the number of threads and puts the old one back.
class Threads {
 public:
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

[[nodiscard]] registry::Instance create(const Case& c);
/// The rule text of a quantizer case.
[[nodiscard]] std::string rule_of(const Case& quantizer, const std::string& rounding);

/// Values, codes, gradient and learned gradients.
[[nodiscard]] std::uint64_t quantizer_digest(const Case& c, const std::string& rounding,
                                             const Input& input);
/// A rounding of x as a whole.
[[nodiscard]] std::vector<float> rounded(const registry::Instance& rounding,
                                         const std::vector<float>& x, std::uint64_t first = 0);
/// One round over the tensor seen as outer x groups x inner.
[[nodiscard]] std::vector<qloom_range> observed(const registry::Instance& range, const Tensor& x,
                                                std::uint64_t outer, std::uint64_t groups);
/// Training forward and backward, evaluation, frozen forward and backward, inference form, in
/// sequence on one instance.
struct NormResult {
  std::vector<float> y, dx, dgamma, dbeta, y_evaluate, y_frozen, dx_frozen, scale, shift;
  [[nodiscard]] std::uint64_t digest() const;
};
[[nodiscard]] NormResult run_norm(const registry::Instance& norm, const Tensor& x);
/// A new instance for x of shape (rows, channels), begun.
[[nodiscard]] registry::Instance begun_norm(const Case& c, const Tensor& x);
/// y in evaluation mode.
[[nodiscard]] std::vector<float> evaluate_norm(const registry::Instance& norm, const Tensor& x);

/// c = a * b by the accumulator in tiles of at most rows x columns results.
struct Product {
  std::vector<double> c;
  std::uint64_t overflows = 0;
};
[[nodiscard]] Product accumulated(const registry::Instance& accumulator, std::uint64_t rows,
                                  std::uint64_t columns);

}  // namespace qloom::conformance
