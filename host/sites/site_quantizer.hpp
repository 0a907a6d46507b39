// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One quantize node: a quantizer with its range estimator, rounding mode and clamp, at one site.
// Lowering puts these into the network; `qloom apply` runs one on an array.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/methods/geometry.hpp"
#include "host/methods/method.hpp"
#include "host/methods/quantizer.hpp"
#include "host/methods/range.hpp"
#include "host/methods/rounding.hpp"
#include "host/registry/registry.hpp"
#include "host/sites/coding.hpp"
#include "host/sites/site.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::sites {

using methods::granularity_of;
using methods::keeps_state;
using methods::LearnedParameter;
using methods::MethodSpec;

/// In which passes a rule acts.
enum class When { kAlways, kTraining, kEvaluation };

/// The methods of one rule that make up a quantize node.
struct QuantizerSpec {
  MethodSpec quantizer, range, rounding;  ///< range.method is null when the quantizer wants none
  MethodSpec requantizer;  ///< makes the codes out of integer sums; method null: the quantizer does
  std::optional<std::pair<double, double>> clamp;  ///< values are clipped to it before quantizing
  When when = When::kAlways;
  double pad = 0;           ///< what pads a contraction that reads the values
  bool is_dynamic = false;  ///< in evaluation each tensor has its own range
  bool operator==(const QuantizerSpec&) const = default;
};

/// Resolves {"quantizer": {...}, "range": {...}, "rounding": {...}, "requantizer": {...}} and the
/// keys "clamp", "when", "pad", "dynamic" of a rule against the registry. A missing range is
/// min_max where the quantizer wants one, a missing rounding is nearest_even. The range inherits
/// the quantizer's granularity; two different ones are an InputError. `where` is the file and
/// pointer of the rule. `at`: for which site, null outside a network; a quantizer with parts has
/// the site's where the rule leaves it out.
[[nodiscard]] QuantizerSpec resolve_quantizer(const registry::Registry& registry,
                                              const json::Json& rule, const std::string& where,
                                              const SiteKey* at = nullptr);

/// The keys of a rule that name no method: "clamp", "when", "pad", "dynamic".
void read_keys(const json::Json& rule, QuantizerSpec& spec);

/// An instance that is only asked what it is: its capabilities are known, channels and fan_in not.
[[nodiscard]] registry::Instance probe_of(const registry::Registry& registry,
                                          const MethodSpec& spec, const SiteKey* at);

/// The rule that resolve_quantizer() would make this specification of, with all parameters.
[[nodiscard]] json::Json to_json(const QuantizerSpec& spec);
/// The specification of such a rule. A method that the registry does not have is left null.
[[nodiscard]] QuantizerSpec quantizer_spec_of(const registry::Registry& registry,
                                              const json::Json& rule);

/// Training that a pipeline asks for, all train stages together.
struct TrainingLength {
  std::uint64_t steps = 0, epochs = 0;
};

/// What is known of the elements of a stored parameter; null: nothing. As qloom_prepare has it.
struct Stored {
  const std::uint8_t* held = nullptr;
  const float* importance = nullptr;
  const float* second_moment = nullptr;
};

/// Is what is found for one tensor kept for the next at this site? Not where each tensor, or each
/// sample of a batch, has values of its own.
[[nodiscard]] inline bool tracks_range(const Site& site, const QuantizerSpec& spec) {
  return site.tracks_range() && !spec.is_dynamic && granularity_of(spec.quantizer) != "sample";
}

/// What a tensor at a site looks like.
struct SiteContext {
  std::string name{};            ///< text of the key, or any other name: messages, random stream
  std::optional<SiteKey> key{};  ///< in a network
  std::uint64_t channels = 0, fan_in = 0;  ///< as qloom_site
  std::uint64_t seed = 0;
  int channel_axis = -1;        ///< axis of granularity "channel"; negative counts from the last
  bool has_batch_axis = false;  ///< axis 0 is the batch: groups of k stay inside one sample
  bool tracks_range = false;    ///< activations: ranges are learned in training and calibration,
                                ///< kept for evaluation; otherwise each tensor has its own range
  bool after_relu = false;
  TrainingLength length{};

  /// The site as methods are told, while this context lives; nothing outside a network.
  [[nodiscard]] std::optional<qloom_site> record() const {
    if (!key) return std::nullopt;
    return record_of(*key, channels, fan_in);
  }
};

/// What a quantize node holds between steps, as values.
struct SiteState {
  SiteKey key;  ///< of the node that it comes from: its first reader
  QuantizerSpec spec;
  data::Arrays arrays;  ///< of SiteQuantizer::save()
};

/// Would a node of this specification take more than an empty state over?
[[nodiscard]] bool holds_state_for(const SiteState& before, const QuantizerSpec& now);

/// Is every value of the tensor 0? Data must be there.
[[nodiscard]] bool is_zero(const qloom_tensor& t);

/// The present step. Only training moves statistics and gives learned parameters first values.
struct Phase {
  std::uint64_t step = 0, epoch = 0;
  bool training = false;
  double learning_rate = 0;
};

/// A quantizer with range, rounding and clamp at one site: when ranges are found, when first values
/// are given, and which quantizer acts. How methods are called is the drivers' matter
/// (host/methods). More than twelve functions: a node is driven in five ways, over one state of the
/// present tensor: on whole tensors, block by block inside a run, in calibration, by its encoding
/// and by its saved state.
class SiteQuantizer {
 public:
  /// Creates the instances. InputError for parameters that a method refuses.
  SiteQuantizer(const registry::Registry& registry, QuantizerSpec spec, SiteContext context);

  /// y = Q(clamp(x)). Finds ranges (training, or a site that does not track them) and prepares
  /// the quantizer. Evaluation leaves the state as it is: a quantizer that has learned nothing yet
  /// is stood in for by one that is made for this tensor alone; where the first values would have
  /// to come from an activation, that is a RunError, as an unknown range is, or a value that is not
  /// finite. While the first values cannot be found, since all tensors so far were 0, y = x and
  /// dx = dy.
  void forward(const Tensor& x, Tensor& y, const Phase& phase);
  /// Does the rule act in such a pass? Where not, who asks leaves the values as they are.
  [[nodiscard]] bool acts(const Phase& phase) const {
    return spec_.when == When::kAlways || (spec_.when == When::kTraining) == phase.training;
  }
  /// Of the parameter that the coming tensors are; valid while they are quantized.
  void tell(const Stored& stored) { stored_ = stored; }
  /// Is its grid that of its contraction's sums? Then the next forward must be told of it before:
  /// what 1 in a sum stands for, one for each group.
  [[nodiscard]] bool wants_products() const {
    return quantizer_.has(QLOOM_QUANTIZER_WANTS_PRODUCTS);
  }
  void tell_products(std::vector<double> scales) { products_ = std::move(scales); }
  /// Are the present tensor's values x itself, because first values are awaited?
  [[nodiscard]] bool is_waiting() const { return present_ == Present::kWaiting; }
  /// forward() in two steps, for who takes codes: the first finds ranges and prepares the
  /// quantizer, after which is_coded() tells, the second, with the same x, gives values, codes, or
  /// both (a null takes none).
  void begin_forward(const Tensor& x, const Phase& phase);
  void end_forward(const Tensor& x, Tensor* y, CodedTensor* codes);
  /// The same with codes of somebody else: make(first, n, codes) gives those of a tile, on any
  /// thread. is_coded() holds.
  using MakeCodes = std::function<void(std::uint64_t, std::uint64_t, std::int32_t*)>;
  void end_forward(const Tensor& x, const MakeCodes& make, Tensor* y, CodedTensor* codes);
  /// Is there an operand() of codes for the present tensor? An affine encoding without offset, or
  /// with one of half steps, is one, where one scale serves all or (weights) one each output
  /// channel.
  [[nodiscard]] bool is_coded();
  /// How contractions take the codes; is_coded() holds.
  [[nodiscard]] const Coding& coding() const { return coding_; }
  /// Is there one that needs no values?
  [[nodiscard]] bool is_coded_alone() { return is_coded() && coding_.has_one_scale(); }
  /// Integer codes of the last forward's x under the same random words; RunError when the encoding
  /// has no codes.
  void encode(const Tensor& x, std::vector<std::int32_t>& codes);
  void decode(const Shape& shape, const std::vector<std::int32_t>& codes, Tensor& y);
  /// dx of the last forward (same x), and the learned parameters' gradients. dx may be dy.
  void backward(const Tensor& x, const Tensor& dy, Tensor& dx);
  /// Projection of the learned parameters; after the optimizer changed them.
  void after_update();

  /// forward() in steps, for a pass that does the work of several layers on a block while it lies
  /// in the cache. Not for a site that needs_tensor(): it must see all of x first.
  [[nodiscard]] bool needs_tensor(const Phase& phase) const;
  /// Do codes depend on the tensor that a value is part of?
  [[nodiscard]] bool follows_tensor(const Phase& phase) const;
  void forward_start(const Shape& shape, const Phase& phase);
  /// Room for the present tensor's codes; is_coded() holds.
  void resize(CodedTensor& codes) const { coding_.resize(codes, geometry_.n); }
  /// Elements first .. first + n - 1, first a multiple of kTileElements; on any thread. x and y
  /// point to element `first`; y or codes may be null.
  void forward_block(std::uint64_t first, std::uint64_t n, const float* x, float* y,
                     CodedTensor* codes) noexcept;
  void forward_end();
  /// The same for backward().
  [[nodiscard]] bool backward_needs_tensor() const;
  void backward_start();
  void backward_block(std::uint64_t first, std::uint64_t n, const float* x, const float* dy,
                      float* dx) noexcept;
  void backward_end();

  /// Calibration: for pass in 0 .. passes(): begin_pass, observe each batch, end_pass.
  [[nodiscard]] std::uint32_t passes() const;  ///< 0: nothing to calibrate
  void begin_pass(std::uint32_t pass);
  void observe(const Tensor& x);
  void end_pass(std::uint32_t pass);
  [[nodiscard]] bool is_observing() const { return round_ == Round::kPass; }  ///< inside a pass

  [[nodiscard]] std::vector<LearnedParameter>& learned() {
    return present_ == Present::kStandIn ? trial_learned_ : learned_;
  }
  [[nodiscard]] bool has_codes() const { return quantizer_.has_codes(); }
  /// Of its grid, before any tensor is known.
  [[nodiscard]] std::uint32_t grid_bits() const {
    return quantizer_.grid(context_.after_relu).bits;
  }
  /// Does the quantizer have learned parameters at all?
  [[nodiscard]] bool learns() const { return quantizer_.learns(); }
  /// Has seen a tensor of training or calibration.
  [[nodiscard]] bool is_initialised() const { return is_initialised_; }
  /// Can evaluation run: are the ranges, and the values that a first tensor gives, known?
  [[nodiscard]] bool is_known() const;
  /// Encoding of the last prepare, with the rule's pad; kind QLOOM_ENCODING_NONE when it is not
  /// exportable.
  [[nodiscard]] qloom_encoding encoding() const;
  /// The encoding as JSON: kind, bits, scale and zero_point per group, codebook, format.
  [[nodiscard]] json::Json encoding_json() const;
  /// Are the values those of the encoding's uniform grid, one rounding and one clamp away from x,
  /// and nothing else? Found out on values all over the grid and beyond it; for the present tensor.
  [[nodiscard]] bool is_its_grid();
  /// Is its rounding mode a stochastic one?
  [[nodiscard]] bool rounds_at_random() const {
    const std::uint32_t rule = rounding_.ref().rule;
    return rule == QLOOM_ROUND_STOCHASTIC || rule == QLOOM_ROUND_STOCHASTIC_EQUAL;
  }
  /// QLOOM_ROUND_*.
  [[nodiscard]] std::uint32_t rounding_rule() const { return rounding_.ref().rule; }
  /// Does each sample of a batch have values of its own?
  [[nodiscard]] bool is_per_sample() const {
    return grouping_.by == methods::Grouping::By::kSample;
  }
  /// Does the quantizer hold what earlier tensors or training gave it?
  [[nodiscard]] bool holds_values() const {
    return quantizer_.learns() || quantizer_.instance().has_state();
  }
  /// The last forward's results as an operand; without codes it is one of real values.
  [[nodiscard]] contraction::Operand operand(const float* values, const CodedTensor& codes) const {
    contraction::Operand operand = coding_.operand(values, codes);
    operand.pad = static_cast<float>(spec_.pad);
    return operand;
  }
  /// Stored bits of one value; 32 when not exportable.
  [[nodiscard]] std::uint32_t bits() const;

  /// Takes over what its reader had before: the state of each method that keeps it (keeps_state());
  /// learned parameters with their quantizer, ranges with their estimator.
  void adopt(const SiteState& before);
  /// adopt() takes the learned parameters over.
  [[nodiscard]] bool keeps_learned(const SiteState& before) const {
    return keeps_state(spec_.quantizer, before.spec.quantizer);
  }

  [[nodiscard]] const QuantizerSpec& spec() const { return spec_; }
  [[nodiscard]] const SiteContext& context() const { return context_; }
  /// Of the last tensor; empty before one.
  [[nodiscard]] const Shape& shape() const { return shape_; }
  /// One per group, as the estimator last found them; none without an estimator or data.
  [[nodiscard]] const std::vector<qloom_range>& ranges() const { return ranges_; }
  /// State of all instances, keys "quantizer/<name>", "range/<name>", "learned/<name>"; and of the
  /// node itself, "site/<name>".
  [[nodiscard]] data::Arrays save() const;
  /// The state below `prefix`; InputError when an array is missing, of another type or shape.
  void load(data::ArrayReader& reader, const std::string& prefix);

 private:
  /// Whose values are those of the present tensor.
  enum class Present {
    kNothing,  ///< no quantizer is prepared for it
    kWaiting,  ///< x itself: 0 everywhere while first values are awaited
    kSite,     ///< the site's quantizer
    kStandIn   ///< in evaluation, one that was made for this tensor alone
  };
  /// What is known of the present tensor's values.
  enum class Seen { kNothing, kFinite, kExtremes };
  /// Where the range estimator is: has it begun a round, and is a pass of calibration going on?
  enum class Round { kNone, kOpen, kPass };

  [[nodiscard]] qloom_tensor geometry(const Shape& shape, const float* data) const {
    return methods::tensor_of(grouping_, shape, data, context_.name);
  }
  void set_shape(const Shape& shape);
  [[nodiscard]] qloom_call call() const;
  const Tensor& clamped(const Tensor& x);
  void update_ranges(const qloom_tensor& t);
  /// Fills lo_ and hi_; RunError when a value is not finite.
  void find_extremes(const qloom_tensor& t);
  [[nodiscard]] bool wants_extremes() const {
    return quantizer_.has(QLOOM_QUANTIZER_WANTS_EXTREMES);
  }
  void observe(const qloom_tensor& t);
  void prepare(methods::Quantizer& quantizer, const qloom_tensor& t);
  /// The quantizer of the present tensor: the site's own, or in evaluation one that stands in.
  [[nodiscard]] methods::Quantizer& acting() {
    return present_ == Present::kStandIn ? trial_ : quantizer_;
  }
  [[nodiscard]] const methods::Quantizer& acting() const {
    return present_ == Present::kStandIn ? trial_ : quantizer_;
  }
  /// First values have to come from a tensor, and none has given them yet.
  [[nodiscard]] bool awaits_tensor() const {
    return quantizer_.has(QLOOM_QUANTIZER_WANTS_FIRST_TENSOR) && !is_initialised_;
  }
  [[nodiscard]] bool needs_stand_in() const;
  /// A method of the site, which knows where it acts.
  [[nodiscard]] registry::Instance make(const MethodSpec& spec) const;
  [[nodiscard]] bool keeps_range(const SiteState& before) const;
  void start(const Shape& shape, const float* data, const Phase& phase);
  /// Encodes elements first .. first + n - 1; y may be null.
  void encode_block(std::uint64_t first, std::uint64_t n, const float* x, float* y,
                    CodedTensor& codes) noexcept;
  void start_tiles() { acting().start_tiles(geometry_, call()); }
  void require_finite(std::uint64_t non_finite) const;
  void require_finite_tensor(const Tensor& x);
  [[nodiscard]] bool observes(const Phase& phase) const;  ///< does the range see each tensor?
  [[nodiscard]] bool has_round() const { return range_ && round_ != Round::kNone; }
  /// 0 everywhere: there is no scale that dx could depend on.
  [[nodiscard]] bool passes_gradient() const {
    return present_ == Present::kWaiting || (is_zero_ && !learns());
  }

  const registry::Registry* registry_;
  QuantizerSpec spec_;
  SiteContext context_;
  methods::Quantizer quantizer_, trial_;  ///< trial_: for one tensor of evaluation
  methods::Range range_;
  methods::Rounding rounding_;
  methods::Grouping grouping_;
  methods::Streams streams_;
  std::vector<LearnedParameter> learned_, trial_learned_;
  std::vector<qloom_range> ranges_, passing_ranges_;  ///< state; of one tensor of evaluation
  bool has_range_ = false, is_initialised_ = false;   ///< state
  Round round_ = Round::kNone;
  Tensor first_;  ///< calibration: the first tensor, until its range is known too
  Phase phase_;
  Stored stored_;
  std::vector<double> products_;
  std::uint64_t groups_ = 0;  ///< of the last observed tensor
  Tensor clamped_;
  // The present tensor.
  Present present_ = Present::kNothing;
  Seen seen_ = Seen::kNothing;
  bool is_zero_ = false;     ///< where the quantizer takes its scale from the tensor
  Shape shape_;              ///< geometry_ points to it
  qloom_tensor geometry_{};  ///< without data
  std::atomic<std::uint64_t> non_finite_ = 0;
  std::atomic<bool> has_misfits_ = false;  ///< a code outside of its encoding
  Coding coding_;
  std::vector<double> lo_, hi_;        ///< extremes per group
  std::vector<qloom_range> extremes_;  ///< the same for prepare()
  std::vector<std::uint64_t> group_non_finite_;
};

}  // namespace qloom::sites
