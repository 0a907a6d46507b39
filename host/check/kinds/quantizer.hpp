// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantizer called as the host calls it: whole-tensor calls in order, blocks on all threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/check/kinds/groups.hpp"
#include "host/check/kinds/record.hpp"
#include "host/check/kinds/surrogate.hpp"
#include "host/methods/encoding_fault.hpp"

namespace qloom::check {

/// How the call's rounding is given.
enum class Rounding {
  kNearest,         ///< nearest even, lowered: the kernels may fuse it
  kStochastic,      ///< lowered, 32 random bits
  kGenericNearest,  ///< nearest even behind a table, not lowered
  kGenericStochastic,
  kIdentity,  ///< values stay: apply() becomes its own smooth surrogate
  kErrorKept  ///< each value gets the rounding error that it had when they were recorded
};
[[nodiscard]] const char* name(Rounding rounding);
[[nodiscard]] qloom_rounding_ref rounding_ref(Rounding rounding);

/// For [pure] calls: the seed, the stream and the step are fixed by the round.
[[nodiscard]] qloom_call pure_call(Rounding rounding, std::uint64_t round, qloom_error* error);

/// Rounding to nearest even whose errors can be kept: round(x) becomes x + error, which is smooth.
class KeptErrors {
 public:
  /// While errors are recorded, it rounds.
  void record(bool are_recorded) { are_recorded_ = are_recorded; }
  [[nodiscard]] qloom_rounding_ref ref() const;

 private:
  static qloom_status round(const void* self, const qloom_call*, std::uint64_t first,
                            const float* x, float* y, std::uint64_t n) noexcept;
  static const qloom_rounding kTable;
  bool are_recorded_ = false;
  mutable std::vector<float> errors_;  // by index of the random word
};

/// More than twelve functions: one for each entry of the kind's table, and what moves the state
/// between them.
class QuantizerDriver {
 public:
  QuantizerDriver(Context& context, const Case& c, registry::Instance& instance, const Tensor& x,
                  int channel_axis);

  /// Ranges from x where the quantizer wants some, the data where it wants them.
  /// The refusal, empty when there is none.
  [[nodiscard]] std::string prepare(std::uint64_t round, bool with_data = false);
  /// apply() in blocks of `step` elements.
  [[nodiscard]] Entry apply(Rounding rounding, std::uint64_t step);
  [[nodiscard]] Entry encode(Rounding rounding, std::uint64_t step);
  /// What encoding() gives; nothing where there is none, or one that breaks the header's rules.
  [[nodiscard]] std::optional<qloom_encoding> encoding() const;
  /// Which rule that is; empty for none.
  [[nodiscard]] std::string encoding_fault() const;
  /// Has it codes now? Where encoding() is not supported (yet), encode() may say the same.
  [[nodiscard]] bool encodes() const;
  [[nodiscard]] Entry decode(const std::vector<std::int32_t>& codes, std::uint64_t step);
  /// backward() in blocks of `step` elements: dx, and the learned parameters' gradients. The host's
  /// blocks are tiles; only these give the bits of its gradients.
  [[nodiscard]] Record backward(Rounding rounding, const Tensor& dy, std::uint64_t step);

  [[nodiscard]] std::vector<qloom_learned> learned();
  [[nodiscard]] const qloom_quantizer& ops() const { return instance_.ops<qloom_quantizer>(); }
  [[nodiscard]] const qloom_tensor& geometry() const { return geometry_; }
  /// Of the encoding.
  [[nodiscard]] const EncodingGroups& groups() const { return groups_; }
  /// The same, or the first axis where the tensor is one group and the encoding has one for each
  /// index of that axis: one scale finds the codes, each channel has values of its own.
  [[nodiscard]] EncodingGroups groups_of(const qloom_encoding& encoding) const;
  [[nodiscard]] qloom_block block(std::uint64_t first, std::uint64_t n) const;
  [[nodiscard]] bool is_wanted(std::uint32_t caps) const { return (ops().caps & caps) != 0; }
  [[nodiscard]] void* self() const { return instance_.self(); }
  void set_round(std::uint64_t round) { round_ = round; }
  void set_training(bool is_training) { is_training_ = is_training; }
  /// After prepare(0): learned values that were equal no longer are. The round is 0 again.
  void spread();
  /// Of Rounding::kErrorKept: those of apply() now.
  void keep_errors();
  /// Every learned value is moved, each by its own share, as an optimizer would; then
  /// after_update(). The refusal.
  [[nodiscard]] std::string move_learned();
  /// Ends of group g from the encoding; empty when there is none.
  [[nodiscard]] std::optional<Ends> ends_of(std::uint64_t g);

 private:
  [[nodiscard]] qloom_call call_of(Rounding rounding, qloom_error* error) const;
  /// body(block, error) on all threads; the refusal of the first block that refuses.
  template <class Body>
  std::string for_blocks(std::uint64_t step, const Body& body);
  Record learned_gradients(const std::vector<double>& sums);
  std::string backward_prepare(const Tensor& dy);

  Context& context_;
  registry::Instance& instance_;
  const Tensor& x_;
  qloom_tensor geometry_{};
  EncodingGroups groups_;
  methods::EncodedGroups encoded_groups_;
  std::vector<qloom_range> ranges_;
  std::vector<double> products_;
  Tensor weights_;  // importance and second moment of the elements
  std::uint64_t round_ = 0;
  bool is_training_ = true;
  KeptErrors errors_;
};

/// x as outer x groups x inner, from the parameter "granularity" and the capabilities.
[[nodiscard]] qloom_tensor geometry_of(const Json& params, std::uint32_t caps, const Tensor& x,
                                       int channel_axis);

/// Status and message as one text: "status 5: element 2 is NaN".
[[nodiscard]] std::string refusal_of(qloom_status status, const qloom_error& error);

}  // namespace qloom::check
