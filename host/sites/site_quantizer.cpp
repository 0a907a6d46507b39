// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/sites/site_quantizer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"
#include "host/tensor/random.hpp"

namespace qloom::network {
namespace {

using json::Json;

}  // namespace

bool is_zero(const qloom_tensor& t) {
  return std::all_of(t.data, t.data + t.n, [](float v) { return v == 0.0F; });
}

SiteQuantizer::SiteQuantizer(const registry::Registry& registry, QuantizerSpec spec,
                             SiteContext context)
    : registry_(&registry),
      spec_(std::move(spec)),
      context_(std::move(context)),
      stream_(stream_id(context_.name)),
      evaluation_stream_(stream_id(context_.name + "/evaluate")) {
  const Json granularity = granularity_of(spec_.quantizer);
  is_per_channel_ = granularity == "channel";
  if (granularity.is_object()) group_size_ = granularity.at("group").get<std::uint64_t>();
  quantizer_ = make(spec_.quantizer);
  rounding_ = make(spec_.rounding);
  if (spec_.range.method != nullptr) range_ = make(spec_.range);
  refresh_learned();
}

registry::Instance SiteQuantizer::make(const MethodSpec& spec) const {
  const std::optional<qloom_site> record = context_.record();
  return registry_->create(*spec.method, spec.params, record ? &*record : nullptr);
}

qloom_tensor SiteQuantizer::geometry(const Shape& shape, const float* data) const {
  const std::uint64_t n = element_count(shape);
  qloom_tensor t{data, shape.data(), shape.size(), n, 1, 1, std::max<std::uint64_t>(n, 1)};
  if (has_cap(QLOOM_QUANTIZER_GROUPS_PER_SAMPLE)) {
    t.groups = shape.empty() ? 1 : static_cast<std::uint64_t>(shape[0]);
    t.inner = std::max<std::uint64_t>(1, t.n / std::max<std::uint64_t>(1, t.groups));
    return t;
  }
  if (is_per_channel_) {
    const auto rank = static_cast<int>(shape.size());
    const int axis =
        context_.channel_axis < 0 ? context_.channel_axis + rank : context_.channel_axis;
    if (axis < 0 || axis >= rank) {
      throw InputError(fmt::format("{}: an array of rank {} has no channel axis {}", context_.name,
                                   rank, context_.channel_axis));
    }
    t.inner = 1;
    for (int i = 0; i < rank; ++i) {
      const auto extent = static_cast<std::uint64_t>(shape[static_cast<std::size_t>(i)]);
      if (i < axis) t.outer *= extent;
      if (i == axis) t.groups = extent;
      if (i > axis) t.inner *= extent;
    }
  } else if (group_size_ > 0) {
    const std::uint64_t k = group_size_;
    t.inner = k;
    if (context_.tracks_range && range_ && context_.has_batch_axis && !shape.empty()) {
      const std::uint64_t sample =
          t.n / static_cast<std::uint64_t>(std::max<std::int64_t>(shape[0], 1));
      if (sample % k != 0) {
        throw InputError(fmt::format("{}: {} values per sample do not divide into groups of {}",
                                     context_.name, sample, k));
      }
      t.outer = static_cast<std::uint64_t>(shape[0]);
      t.groups = sample / k;
    } else {
      t.groups = (t.n + k - 1) / k;
    }
  }
  return t;
}

qloom_call SiteQuantizer::call() const {
  qloom_call c{};
  c.struct_size = sizeof(qloom_call);
  c.training = phase_.training ? 1 : 0;
  c.seed = context_.seed;
  c.stream = phase_.training ? stream_ : evaluation_stream_;
  c.step = phase_.step;
  c.rounding = rounding_ref(rounding_);
  return c;
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

qloom_range_context SiteQuantizer::range_context() const {
  qloom_range_context c{};
  c.struct_size = sizeof c;
  c.bits = 8;
  c.is_signed = 1;
  c.after_relu = context_.after_relu ? 1 : 0;  // a grid may follow from it
  c.levels = 256;
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if (ops.context != nullptr) {
    registry::check(
        quantizer_.method(), "context",
        recorded(quantizer_, "context", [&] { return ops.context(quantizer_.self(), &c); }),
        registry::empty_error());
  }
  c.after_relu = context_.after_relu ? 1 : 0;
  return c;
}

std::uint32_t SiteQuantizer::passes() const {
  if (!context_.tracks_range) return 0;
  if (range_) return range_.ops<qloom_range_estimator>().passes;
  return has_cap(QLOOM_QUANTIZER_WANTS_FIRST_TENSOR) ? 1 : 0;
}

bool SiteQuantizer::is_known() const {
  return !context_.tracks_range || ((!range_ || has_range_) && !awaits_tensor());
}

bool SiteQuantizer::awaits_tensor() const {
  return has_cap(QLOOM_QUANTIZER_WANTS_FIRST_TENSOR) && !is_initialised_;
}

void SiteQuantizer::begin_pass(std::uint32_t pass) {
  is_observing_ = true;
  if (!range_) return;
  const qloom_range_context c = range_context();
  qloom_error error = registry::empty_error();
  const auto status = recorded(range_, "begin", [&] {
    return range_.ops<qloom_range_estimator>().begin(range_.self(), &c, pass, &error);
  });
  registry::check(range_.method(), "begin", status, error);
  round_is_open_ = true;
}

void SiteQuantizer::observe(const Tensor& x) {
  phase_ = {};
  uses_trial_ = false;
  const Tensor& in = clamped(x);
  has_extremes_ = false;
  const qloom_tensor t = geometry(in.shape(), in.data());
  if (t.n == 0) return;
  if (range_) observe(t);
  if (awaits_tensor() && is_zero(t)) return;
  if (!range_) {
    prepare(t);
    is_initialised_ = true;
  } else if (awaits_tensor() && first_.empty()) {
    first_.resize(in.shape());
    std::copy(in.begin(), in.end(), first_.begin());
  }
}

void SiteQuantizer::observe(const qloom_tensor& t) {
  qloom_error error = registry::empty_error();
  const auto& ops = range_.ops<qloom_range_estimator>();
  const auto status = recorded(range_, "observe", [&] {
    return has_extremes_
               ? ops.observe_extremes(range_.self(), lo_.data(), hi_.data(), t.groups, &error)
               : ops.observe(range_.self(), &t, &error);
  });
  check(range_, "observe", status, error);
  groups_ = t.groups;
}

void SiteQuantizer::end_pass(std::uint32_t pass) {
  is_observing_ = false;
  if (!range_) return;
  qloom_error error = registry::empty_error();
  const auto& ops = range_.ops<qloom_range_estimator>();
  const auto status = recorded(range_, "end", [&] { return ops.end(range_.self(), pass, &error); });
  registry::check(range_.method(), "end", status, error);
  if (pass + 1 == ops.passes) read_ranges(groups_);
  if (first_.empty() || pass + 1 < ops.passes) return;
  prepare(geometry(first_.shape(), first_.data()));
  is_initialised_ = true;
  first_ = Tensor();
}

void SiteQuantizer::read_ranges(std::uint64_t groups) {
  ranges_.resize(groups);
  qloom_error error = registry::empty_error();
  const auto status = recorded(range_, "ranges", [&] {
    return range_.ops<qloom_range_estimator>().ranges(range_.self(), ranges_.data(), groups,
                                                      &error);
  });
  check(range_, "ranges of", status, error);
  has_range_ = true;
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
  const std::uint32_t count = range_.ops<qloom_range_estimator>().passes;
  // Evaluation must not move an estimator that remembers: it sees what comes next and forgets it.
  const bool forgets = !phase_.training;
  data::Arrays before;
  if (forgets && range_.has_state()) before = range_.save();
  const bool had_range = has_range_, was_open = round_is_open_;
  if (forgets) std::swap(ranges_, passing_ranges_);
  // An estimator of one pass follows an activation over all steps in one round; all others see
  // every tensor as a round of its own.
  const bool is_running = context_.tracks_range && count == 1;
  for (std::uint32_t pass = 0; pass < count; ++pass) {
    if (!(is_running && round_is_open_)) begin_pass(pass);
    observe(t);
    end_pass(pass);
  }
  if (!forgets) return;
  if (range_.has_state()) range_.load(before, range_.state_version());
  std::swap(ranges_, passing_ranges_);
  has_range_ = had_range;
  round_is_open_ = was_open;
}

/// Evaluation initialises nothing: where the quantizer holds nothing yet, a new one takes its place
/// for this tensor.
void SiteQuantizer::choose_acting() {
  uses_trial_ = !phase_.training && !is_initialised_ && (quantizer_.has_state() || learns());
  if (!uses_trial_) return;
  if (context_.tracks_range && has_cap(QLOOM_QUANTIZER_WANTS_FIRST_TENSOR)) {
    throw RunError(
        fmt::format("{}: quantizer \"{}\" has seen no tensor of training or calibration "
                    "that is not 0; add a calibrate stage before this one",
                    context_.name, quantizer_.method().id));
  }
  trial_ = make(spec_.quantizer);
  refresh_learned(trial_, context_.name, trial_learned_);
}

void SiteQuantizer::prepare(const qloom_tensor& t) {
  const registry::Instance& quantizer = acting();
  const auto& ops = quantizer.ops<qloom_quantizer>();
  qloom_prepare in{};
  in.struct_size = sizeof in;
  in.training = phase_.training ? 1 : 0;
  in.step = phase_.step;
  in.epoch = phase_.epoch;
  in.learning_rate = phase_.learning_rate;
  in.x = t;
  if (!awaits_tensor() && !has_cap(QLOOM_QUANTIZER_WANTS_TENSOR)) in.x.data = nullptr;
  const bool is_passing = !phase_.training && !context_.tracks_range;
  if (range_) in.ranges = (is_passing ? passing_ranges_ : ranges_).data();
  if (wants_extremes()) {
    if (!has_extremes_) find_extremes(t);
    extremes_.resize(t.groups);
    for (std::size_t g = 0; g < extremes_.size(); ++g) extremes_[g] = {lo_[g], hi_[g]};
    in.ranges = extremes_.data();
  }
  qloom_error error = registry::empty_error();
  const auto status =
      recorded(quantizer, "prepare", [&] { return ops.prepare(quantizer.self(), &in, &error); });
  check(quantizer, "prepare", status, error);
  is_prepared_ = true;
  if (phase_.training) is_initialised_ = true;
  refresh_learned(quantizer, context_.name, learned());
}

void SiteQuantizer::refresh_learned(const registry::Instance& quantizer, const std::string& site,
                                    std::vector<LearnedParameter>& learned) {
  const auto& ops = quantizer.ops<qloom_quantizer>();
  if (ops.learned == nullptr) return;
  for (std::uint32_t i = 0;; ++i) {
    qloom_learned l{};
    l.struct_size = sizeof l;
    const auto status = registry::recorded(quantizer.method(), "learned", site.c_str(),
                                           [&] { return ops.learned(quantizer.self(), i, &l); });
    if (status != QLOOM_OK) return;
    if (learned.size() <= i) learned.emplace_back();
    LearnedParameter& own = learned[i];
    if (own.name != l.name) {
      own.name = l.name;
      own.key = site + "/" + l.name;
    }
    own.value = l.value;
    own.gradient.resize(l.count);
    own.rate_factor = l.rate_factor;
    own.decay_factor = l.decay_factor;
  }
}

void SiteQuantizer::check(const registry::Instance& instance, const char* what, qloom_status status,
                          const qloom_error& error) const {
  if (status == QLOOM_OK) return registry::require_floating_point();
  registry::check(instance.method(), (std::string(what) + " " + context_.name).c_str(), status,
                  error);
}

void SiteQuantizer::after_update() {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if (ops.after_update == nullptr) return;
  qloom_error error = registry::empty_error();
  const auto status = recorded(quantizer_, "after_update",
                               [&] { return ops.after_update(quantizer_.self(), &error); });
  check(quantizer_, "after_update", status, error);
}

}  // namespace qloom::network
