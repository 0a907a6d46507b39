// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/sites/site_quantizer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"
#include "host/tensor/random.hpp"

namespace qloom::sites {
bool is_zero(const qloom_tensor& t) {
  return std::all_of(t.data, t.data + t.n, [](float v) { return v == 0.0F; });
}

SiteQuantizer::SiteQuantizer(const registry::Registry& registry, QuantizerSpec spec,
                             SiteContext context)
    : registry_(&registry),
      spec_(std::move(spec)),
      context_(std::move(context)),
      streams_(context_.name) {
  quantizer_ = methods::Quantizer(make(spec_.quantizer), context_.name,
                                  methods::encoding_groups_of(spec_.quantizer));
  rounding_ = methods::Rounding(make(spec_.rounding), context_.name);
  if (spec_.range.method != nullptr) {
    range_ = methods::Range(make(spec_.range), context_.name);
  }
  grouping_ = methods::grouping_of(granularity_of(spec_.quantizer), context_.channel_axis);
  if (quantizer_.has(QLOOM_QUANTIZER_GROUPS_PER_SAMPLE)) {
    grouping_.by = methods::Grouping::By::kSample;
  }
  if (wants_products()) grouping_ = {.by = methods::Grouping::By::kChannel, .channel_axis = 0};
  grouping_.inside_samples = context_.tracks_range && range_ && context_.has_batch_axis;
  quantizer_.read_learned(learned_);
}

registry::Instance SiteQuantizer::make(const MethodSpec& spec) const {
  const std::optional<qloom_site> record = context_.record();
  return methods::create(*registry_, spec, record ? &*record : nullptr);
}

void SiteQuantizer::set_shape(const Shape& shape) {
  shape_ = shape;
  geometry_ = geometry(shape_, nullptr);
}

qloom_call SiteQuantizer::call() const {
  return methods::call_of(rounding_.ref(), streams_, context_.seed, phase_.step, phase_.training);
}

const Tensor& SiteQuantizer::clamped(const Tensor& x) {
  if (!spec_.clamp) return x;
  clamped_.resize(x.shape());
  const auto lo = static_cast<float>(spec_.clamp->first),
             hi = static_cast<float>(spec_.clamp->second);
  for_each_tile(x.size(), [&](std::uint64_t first, std::uint64_t n) {
    for (std::uint64_t i = first; i < first + n; ++i) clamped_[i] = std::clamp(x[i], lo, hi);
  });
  return clamped_;
}

std::uint32_t SiteQuantizer::passes() const {
  if (!context_.tracks_range) return 0;
  if (range_) return range_.passes();
  return quantizer_.has(QLOOM_QUANTIZER_WANTS_FIRST_TENSOR) ? 1 : 0;
}

bool SiteQuantizer::is_known() const {
  return !context_.tracks_range || ((!range_ || has_range_) && !awaits_tensor());
}

void SiteQuantizer::begin_pass(std::uint32_t pass) {
  if (range_) range_.begin(quantizer_.grid(context_.after_relu), pass);
  round_ = Round::kPass;
}

void SiteQuantizer::observe(const Tensor& x) {
  phase_ = {};
  if (present_ == Present::kStandIn) present_ = Present::kSite;
  const Tensor& in = clamped(x);
  seen_ = Seen::kNothing;
  const qloom_tensor t = geometry(in.shape(), in.data());
  if (t.n == 0) return;
  if (range_) observe(t);
  if (awaits_tensor() && is_zero(t)) return;
  if (!range_) {
    prepare(quantizer_, t);
    is_initialised_ = true;
  } else if (awaits_tensor() && first_.empty()) {
    first_.resize(in.shape());
    std::copy(in.begin(), in.end(), first_.begin());
  }
}

void SiteQuantizer::observe(const qloom_tensor& t) {
  if (seen_ == Seen::kExtremes) {
    range_.observe_extremes(lo_, hi_);
  } else {
    range_.observe(t);
  }
  groups_ = t.groups;
}

void SiteQuantizer::end_pass(std::uint32_t pass) {
  round_ = range_ ? Round::kOpen : Round::kNone;
  if (!range_) return;
  range_.end(pass);
  if (pass + 1 < range_.passes()) return;
  range_.read(ranges_, groups_);
  has_range_ = true;
  if (first_.empty()) return;
  prepare(quantizer_, geometry(first_.shape(), first_.data()));
  is_initialised_ = true;
  first_ = Tensor();
}

void SiteQuantizer::update_ranges(const qloom_tensor& t) {
  if (context_.tracks_range && !phase_.training) {
    if (!has_range_) {
      throw RunError(fmt::format("{}: no range is known; add a calibrate stage before this one",
                                 context_.name));
    }
    if (ranges_.size() != t.groups) {
      throw RunError(fmt::format("{}: {} ranges are known, the tensor has {} groups", context_.name,
                                 ranges_.size(), t.groups));
    }
    return;
  }
  const std::uint32_t count = range_.passes();
  // Evaluation must not move an estimator that remembers: it sees what comes next and forgets it.
  const bool forgets = !phase_.training;
  data::Arrays before;
  const bool remembers = range_.instance().has_state();
  if (forgets && remembers) before = range_.instance().save();
  const bool had_range = has_range_;
  const Round before_this = round_;
  if (forgets) std::swap(ranges_, passing_ranges_);
  // An estimator of one pass follows an activation over all steps in one round; all others see
  // every tensor as a round of its own.
  const bool is_running = context_.tracks_range && count == 1;
  for (std::uint32_t pass = 0; pass < count; ++pass) {
    if (!(is_running && has_round())) begin_pass(pass);
    observe(t);
    end_pass(pass);
  }
  if (!forgets) return;
  if (remembers) range_.instance().load(before, range_.instance().state_version());
  std::swap(ranges_, passing_ranges_);
  has_range_ = had_range;
  round_ = before_this;
}

/// Evaluation initialises nothing: where the quantizer holds nothing yet, a new one takes its place
/// for this tensor.
bool SiteQuantizer::needs_stand_in() const {
  const bool holds = quantizer_.instance().has_state() || learns();
  if (phase_.training || is_initialised_ || !holds) return false;
  if (context_.tracks_range && quantizer_.has(QLOOM_QUANTIZER_WANTS_FIRST_TENSOR)) {
    throw RunError(
        fmt::format("{}: quantizer \"{}\" has seen no tensor of training or calibration "
                    "that is not 0; add a calibrate stage before this one",
                    context_.name, quantizer_.method().id));
  }
  return true;
}

void SiteQuantizer::prepare(methods::Quantizer& quantizer, const qloom_tensor& t) {
  qloom_prepare in{};
  in.struct_size = sizeof in;
  in.training = phase_.training ? 1 : 0;
  in.step = phase_.step;
  in.epoch = phase_.epoch;
  in.learning_rate = phase_.learning_rate;
  in.held = stored_.held;
  in.importance = stored_.importance;
  in.second_moment = stored_.second_moment;
  const qloom_call now = call();
  in.seed = now.seed;
  in.stream = now.stream;
  in.total_steps = context_.length.steps;
  in.total_epochs = context_.length.epochs;
  in.x = t;
  if (!awaits_tensor() && !quantizer_.has(QLOOM_QUANTIZER_WANTS_TENSOR)) in.x.data = nullptr;
  const bool is_passing = !phase_.training && !context_.tracks_range;
  if (range_) in.ranges = (is_passing ? passing_ranges_ : ranges_).data();
  if (wants_products()) {
    if (products_.size() != t.groups) {
      throw RunError(
          fmt::format("{}: quantizer \"{}\" takes the scales of a contraction's products, "
                      "one for each of {} groups; {} are known",
                      context_.name, quantizer_.method().id, t.groups, products_.size()));
    }
    in.product_scales = products_.data();
  }
  if (wants_extremes()) {
    if (seen_ != Seen::kExtremes) find_extremes(t);
    extremes_.resize(t.groups);
    for (std::size_t g = 0; g < extremes_.size(); ++g) extremes_[g] = {lo_[g], hi_[g]};
    in.ranges = extremes_.data();
  }
  quantizer.prepare(in);
  present_ = &quantizer == &trial_ ? Present::kStandIn : Present::kSite;
  if (phase_.training) is_initialised_ = true;
  quantizer.read_learned(learned());
}

void SiteQuantizer::after_update() { quantizer_.after_update(); }

}  // namespace qloom::sites
