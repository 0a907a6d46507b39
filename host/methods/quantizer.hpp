// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a quantizer is called: prepared for a tensor, then tile by tile on any thread, forward and
// backward. When to do which, and with which ranges, is up to who drives it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/methods/driver.hpp"
#include "host/methods/encoding_fault.hpp"

namespace qloom::methods {

/// A learned parameter with its gradient and momentum, for the optimizer.
struct LearnedParameter {
  std::string name;
  float* value = nullptr;
  std::vector<float> gradient;
  double rate_factor = 1, decay_factor = 0;
  std::string key{};  ///< "<place>/<name>"
};

/// The first refusal, in tile order, of calls on tiles: the message does not depend on threads.
class Refusals {
 public:
  void reset() { tile_ = UINT64_MAX; }
  /// `what`: the function; a literal.
  void note(std::uint64_t tile, const char* what, qloom_status status,
            const qloom_error& error) noexcept;
  [[nodiscard]] const char* what() const { return what_; }
  [[nodiscard]] qloom_status status() const { return tile_ == UINT64_MAX ? QLOOM_OK : status_; }
  [[nodiscard]] const qloom_error& error() const { return error_; }

 private:
  std::mutex mutex_;
  std::uint64_t tile_ = UINT64_MAX;
  const char* what_ = "";
  qloom_status status_ = QLOOM_OK;
  qloom_error error_{};
};

/// More than twelve functions: one for each entry of the kind's table, and what cuts a pass into
/// tiles.
class Quantizer : public Driver {
 public:
  Quantizer() = default;
  /// blocks: null, or an object with block and axis where the method cuts blocks itself.
  explicit Quantizer(registry::Instance instance, std::string place = {}, Json blocks = nullptr);

  /// Is one of these QLOOM_QUANTIZER_* among its capabilities?
  [[nodiscard]] bool has(std::uint32_t caps) const { return (ops().caps & caps) != 0; }
  [[nodiscard]] bool learns() const { return ops().learned != nullptr; }
  [[nodiscard]] bool has_codes() const { return ops().encode != nullptr; }
  [[nodiscard]] bool sees_whole_gradient() const { return ops().backward_prepare != nullptr; }
  /// The grid that a range estimator works for.
  [[nodiscard]] qloom_range_context grid(bool after_relu) const;
  void prepare(const qloom_prepare& in);
  /// Kind QLOOM_ENCODING_NONE when it is not exportable. RunError for one that breaks the header's
  /// rules, or does not fit the tensor of the last prepare(): all that reads it may trust it.
  [[nodiscard]] qloom_encoding encoding() const;

  /// Starts a pass over the tiles of a tensor with this call; check_tiles() ends it. Between them,
  /// on any thread: elements first .. first + n - 1, first a multiple of kTileElements; arrays
  /// point to element `first`.
  void start_tiles(const qloom_tensor& geometry, const qloom_call& call);
  void apply(std::uint64_t first, std::uint64_t n, const float* x, float* y) const noexcept;
  void encode(std::uint64_t first, std::uint64_t n, const float* x,
              std::int32_t* codes) const noexcept;
  void decode(std::uint64_t first, std::uint64_t n, const std::int32_t* codes,
              float* y) const noexcept;
  /// After start_sums(). dx may be dy.
  void backward(std::uint64_t first, std::uint64_t n, const float* x, const float* dy,
                float* dx) noexcept;
  /// RunError that names the first tile's refusal and the function.
  void check_tiles() const;

  /// Before backward() of the tiles: room for what they add up for learned parameters.
  void start_sums();
  void backward_prepare(const qloom_tensor& x, const qloom_tensor& dy) const;
  /// Adds the tiles' sums in order and writes the parameters' gradients. NotFinite for one that is
  /// NaN or infinite.
  void add_sums(std::vector<LearnedParameter>& learned);
  /// Names, places and factors of the learned parameters as they are now; gradients stay.
  void read_learned(std::vector<LearnedParameter>& learned) const;
  /// Projection, after the optimizer changed the learned parameters.
  void after_update() const;

 private:
  [[nodiscard]] const qloom_quantizer& ops() const { return instance().ops<qloom_quantizer>(); }
  /// body(call, block, tile) for the tiles of first .. first + n - 1; refusals are noted.
  template <class Body>
  void for_tiles(const char* what, std::uint64_t first, std::uint64_t n,
                 const Body& body) const noexcept;

  Json blocks_;
  EncodedGroups groups_;  ///< of the tensor of the last prepare()
  qloom_tensor geometry_{};
  qloom_call call_{};
  std::unique_ptr<Refusals> refusals_;
  std::vector<std::uint64_t> offsets_;   ///< of each tile's sums in partials_
  std::vector<double> partials_, sums_;  ///< of learned parameters
  std::vector<float*> gradients_;
};

}  // namespace qloom::methods
