// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/kinds/quantizer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <qloom/stochastic.h>

#include "host/json/printable.hpp"
#include "host/kernels/kernels.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::check {
namespace {

constexpr std::uint64_t kSeed = 11, kStream = 12;

/// A rounding method that is a rule of the kernels without saying so.
template <std::uint32_t kRule>
qloom_status round_by_rule(const void*, const qloom_call* call, std::uint64_t first, const float* x,
                           float* y, std::uint64_t n) noexcept {
  qloom_call lowered = *call;
  lowered.rounding = {nullptr, nullptr, kRule, 0};
  if (kRule == QLOOM_ROUND_STOCHASTIC) {
    lowered.rounding.argument =
        32U | (call->rounding.argument & std::uint32_t{QLOOM_STOCHASTIC_MAGNITUDE});
  }
  return kernels::table().round(&lowered, first, x, y, n);
}
qloom_status keep(const void*, const qloom_call*, std::uint64_t, const float* x, float* y,
                  std::uint64_t n) noexcept {
  if (n > 0) std::memmove(y, x, n * sizeof(float));
  return QLOOM_OK;
}
constexpr qloom_rounding kNearestTable{sizeof(qloom_rounding), 0,
                                       &round_by_rule<QLOOM_ROUND_NEAREST_EVEN>, nullptr};
constexpr qloom_rounding kStochasticTable{sizeof(qloom_rounding), 0,
                                          &round_by_rule<QLOOM_ROUND_STOCHASTIC>, nullptr};
constexpr qloom_rounding kKeepTable{sizeof(qloom_rounding), 0, &keep, nullptr};

/// Scales of a contraction's products, others for each group.
std::vector<double> products_of(const qloom_tensor& t) {
  std::vector<double> scales(t.groups);
  for (std::size_t g = 0; g < scales.size(); ++g) scales[g] = 0.0078 / double(1 + g % 5);
  return scales;
}

std::vector<qloom_range> ranges_of(const qloom_tensor& t) {
  std::vector<qloom_range> ranges(t.groups, {0.0, 0.0});
  std::vector<bool> is_seen(t.groups, false);
  for (std::uint64_t i = 0; i < t.n; ++i) {
    const std::uint64_t g = i / t.inner % t.groups;
    const double x = t.data[i];
    if (!std::isfinite(x)) continue;
    ranges[g] = is_seen[g] ? qloom_range{std::min(ranges[g].lo, x), std::max(ranges[g].hi, x)}
                           : qloom_range{x, x};
    is_seen[g] = true;
  }
  return ranges;
}

}  // namespace

const char* name(Rounding rounding) {
  constexpr const char* kNames[] = {
      "nearest_even",           "stochastic",  "nearest_even not lowered",
      "stochastic not lowered", "no rounding", "errors kept"};
  return kNames[static_cast<int>(rounding)];
}

qloom_rounding_ref rounding_ref(Rounding rounding) {
  switch (rounding) {
    case Rounding::kStochastic:
      return {&kStochasticTable, &kStochasticTable, QLOOM_ROUND_STOCHASTIC, 32};
    case Rounding::kGenericNearest:
      return {&kNearestTable, &kNearestTable, QLOOM_ROUND_GENERIC, 0};
    case Rounding::kGenericStochastic:
      return {&kStochasticTable, &kStochasticTable, QLOOM_ROUND_GENERIC, 0};
    case Rounding::kIdentity:
      return {&kKeepTable, &kKeepTable, QLOOM_ROUND_GENERIC, 0};
    case Rounding::kNearest:
    case Rounding::kErrorKept:
      break;  // whose table belongs to a driver
  }
  return {&kNearestTable, &kNearestTable, QLOOM_ROUND_NEAREST_EVEN, 0};
}

qloom_call pure_call(Rounding rounding, std::uint64_t round, qloom_error* error) {
  qloom_call call{};
  call.struct_size = sizeof call;
  call.training = 1;
  call.seed = kSeed;
  call.stream = kStream;
  call.step = round;
  call.rounding = rounding_ref(rounding);
  call.error = error;
  return call;
}

std::string refusal_of(qloom_status status, const qloom_error& error) {
  if (status == QLOOM_OK) return {};
  return fmt::format("status {}: {}", status, json::printable(error.message));
}

qloom_tensor geometry_of(const Json& params, std::uint32_t caps, const Tensor& x,
                         int channel_axis) {
  const Shape& shape = x.shape();
  qloom_tensor t{
      x.data(), shape.data(), shape.size(), x.size(), 1, 1, std::max<std::uint64_t>(1, x.size())};
  const Json granularity = params.value("granularity", Json("tensor"));
  constexpr std::uint32_t kByFirstAxis =
      QLOOM_QUANTIZER_GROUPS_PER_SAMPLE | QLOOM_QUANTIZER_WANTS_PRODUCTS;
  if ((caps & kByFirstAxis) != 0 || granularity == "sample") {
    t.groups = static_cast<std::uint64_t>(shape.at(0));
    t.inner = x.size() / t.groups;
  } else if (granularity == "channel") {
    const auto axis = std::min(static_cast<std::size_t>(channel_axis), shape.size() - 1);
    t.groups = static_cast<std::uint64_t>(shape[axis]);
    for (std::size_t i = 0; i < axis; ++i) t.outer *= static_cast<std::uint64_t>(shape[i]);
    t.inner = x.size() / (t.outer * t.groups);
  } else if (granularity.is_object()) {
    t.inner = granularity.at("group").get<std::uint64_t>();
    t.groups = (x.size() + t.inner - 1) / t.inner;
  }
  return t;
}

const qloom_rounding KeptErrors::kTable{sizeof(qloom_rounding), 0, &KeptErrors::round, nullptr};

qloom_rounding_ref KeptErrors::ref() const { return {this, &kTable, QLOOM_ROUND_GENERIC, 0}; }

qloom_status KeptErrors::round(const void* self, const qloom_call*, std::uint64_t first,
                               const float* x, float* y, std::uint64_t n) noexcept {
  const auto& kept = *static_cast<const KeptErrors*>(self);
  if (kept.errors_.size() < first + n) kept.errors_.resize(first + n, 0.0F);
  for (std::uint64_t i = 0; i < n; ++i) {
    float& error = kept.errors_[first + i];
    if (kept.are_recorded_) error = std::nearbyint(x[i]) - x[i];
    y[i] = x[i] + error;
  }
  return QLOOM_OK;
}

QuantizerDriver::QuantizerDriver(Context& context, const Case& c, registry::Instance& instance,
                                 const Tensor& x, int channel_axis)
    : context_(context),
      instance_(instance),
      x_(x),
      weights_(uniform({static_cast<std::int64_t>(x.size())}, context.seed(), 0.25F, 1.0F)) {
  geometry_ = geometry_of(c.grid(), ops().caps, x, channel_axis);
  groups_ = EncodingGroups(c.grid(), geometry_);
  encoded_groups_ = methods::EncodedGroups(geometry_, c.grid());
  if (is_wanted(QLOOM_QUANTIZER_WANTS_RANGE | QLOOM_QUANTIZER_WANTS_EXTREMES))
    ranges_ = ranges_of(geometry_);
  if (is_wanted(QLOOM_QUANTIZER_WANTS_PRODUCTS)) products_ = products_of(geometry_);
}

qloom_block QuantizerDriver::block(std::uint64_t first, std::uint64_t n) const {
  qloom_block b{first, n, geometry_.groups, geometry_.inner, 0, geometry_.groups};
  const std::uint64_t last = first + std::max<std::uint64_t>(n, 1) - 1;
  const std::uint64_t begin = first / b.inner, end = last / b.inner;
  if (begin / b.groups == end / b.groups) {
    b.group_first = begin % b.groups;
    b.group_count = end - begin + 1;
  }
  return b;
}

std::string QuantizerDriver::prepare(std::uint64_t round, bool with_data) {
  round_ = round;
  qloom_prepare in{};
  in.struct_size = sizeof in;
  in.training = is_training_ ? 1 : 0;
  in.step = round;
  in.x = geometry_;
  const bool is_first = round == 0 || with_data;
  if (!is_wanted(QLOOM_QUANTIZER_WANTS_TENSOR) &&
      !(is_first && is_wanted(QLOOM_QUANTIZER_WANTS_FIRST_TENSOR))) {
    in.x.data = nullptr;
  }
  in.ranges = ranges_.empty() ? nullptr : ranges_.data();
  if (!products_.empty()) in.product_scales = products_.data();
  in.learning_rate = is_training_ ? 0.125 : 0.0;
  in.importance = in.second_moment = weights_.data();
  in.seed = context_.seed();
  qloom_error error = registry::empty_error();
  const qloom_status status =
      context_.call("prepare", [&] { return ops().prepare(self(), &in, &error); });
  return refusal_of(status, error);
}

template <class Body>
std::string QuantizerDriver::for_blocks(std::uint64_t step, const Body& body) {
  const std::uint64_t count = (geometry_.n + step - 1) / step;
  std::vector<std::string> refusals(count);
  for_each(count, [&](std::uint64_t i) {
    const qloom_block b = block(i * step, std::min(step, geometry_.n - i * step));
    qloom_error error = registry::empty_error();
    const qloom_status status = body(b, error);
    if (status != QLOOM_OK) refusals[i] = refusal_of(status, error);
  });
  for (const std::string& refusal : refusals) {
    if (!refusal.empty()) return refusal;
  }
  return {};
}

Entry QuantizerDriver::apply(Rounding rounding, std::uint64_t step) {
  std::vector<float> y(geometry_.n, kUnwritten);
  std::string refusal = for_blocks(step, [&](const qloom_block& b, qloom_error& error) {
    const qloom_call c = call_of(rounding, &error);
    return context_.pure("apply", [&] {
      return ops().apply(self(), &c, &b, x_.data() + b.first, y.data() + b.first);
    });
  });
  return {fmt::format("apply, {}", name(rounding)), std::move(y), std::move(refusal)};
}

Entry QuantizerDriver::encode(Rounding rounding, std::uint64_t step) {
  std::vector<std::int32_t> codes(geometry_.n);
  std::string refusal = for_blocks(step, [&](const qloom_block& b, qloom_error& error) {
    const qloom_call c = call_of(rounding, &error);
    return context_.pure("encode", [&] {
      return ops().encode(self(), &c, &b, x_.data() + b.first, codes.data() + b.first);
    });
  });
  return {fmt::format("encode, {}", name(rounding)), std::move(codes), std::move(refusal)};
}

EncodingGroups QuantizerDriver::groups_of(const qloom_encoding& encoding) const {
  qloom_tensor t = geometry_;
  if (groups_.count() != 1 || encoding.groups <= 1 || t.rank == 0) return groups_;
  t.groups = static_cast<std::uint64_t>(t.shape[0]);
  t.inner = t.n / t.groups;
  return encoding.groups == t.groups ? EncodingGroups(Json::object(), t) : groups_;
}

std::optional<qloom_encoding> QuantizerDriver::encoding() const {
  qloom_encoding e{};
  e.struct_size = sizeof e;
  const bool has_one = ops().encoding(self(), &e) == QLOOM_OK && e.kind != QLOOM_ENCODING_NONE;
  if (!has_one || !methods::fault_of(e, encoded_groups_).empty()) return {};
  return e;
}

std::string QuantizerDriver::encoding_fault() const {
  qloom_encoding e{};
  e.struct_size = sizeof e;
  if (ops().encoding(self(), &e) != QLOOM_OK) return {};
  return methods::fault_of(e, encoded_groups_);
}

bool QuantizerDriver::encodes() const {
  if (ops().encode == nullptr) return false;
  qloom_encoding encoding{};
  encoding.struct_size = sizeof encoding;
  if (ops().encoding(self(), &encoding) != QLOOM_E_UNSUPPORTED || geometry_.n == 0) return true;
  qloom_error error = registry::empty_error();
  const qloom_call call = call_of(Rounding::kNearest, &error);
  const qloom_block first = block(0, 1);
  std::int32_t code = 0;
  return ops().encode(self(), &call, &first, x_.data(), &code) != QLOOM_E_UNSUPPORTED;
}

Entry QuantizerDriver::decode(const std::vector<std::int32_t>& codes, std::uint64_t step) {
  std::vector<float> y(geometry_.n, kUnwritten);
  std::string refusal = for_blocks(step, [&](const qloom_block& b, qloom_error&) {
    return context_.pure("decode", [&] {
      return ops().decode(self(), &b, codes.data() + b.first, y.data() + b.first);
    });
  });
  return {"decode", std::move(y), std::move(refusal)};
}

std::string QuantizerDriver::backward_prepare(const Tensor& dy) {
  if (ops().backward_prepare == nullptr) return {};
  qloom_tensor x = geometry_, g = geometry_;
  x.data = x_.data();
  g.data = dy.data();
  qloom_error error = registry::empty_error();
  const qloom_status status = context_.call(
      "backward_prepare", [&] { return ops().backward_prepare(self(), &x, &g, &error); });
  return refusal_of(status, error);
}

Record QuantizerDriver::backward(Rounding rounding, const Tensor& dy, std::uint64_t step) {
  std::vector<float> dx(dy.begin(), dy.end());  // written over dy, as the host may do
  const std::uint64_t width = ops().sums_per_group, count = (geometry_.n + step - 1) / step;
  std::vector<std::vector<double>> sums(count);
  std::string refusal = backward_prepare(dy);
  if (refusal.empty() && ops().backward != nullptr) {
    refusal = for_blocks(step, [&](const qloom_block& b, qloom_error& error) {
      const qloom_call c = call_of(rounding, &error);
      std::vector<double>& own = sums[b.first / step];
      own.assign(b.group_count * width, 0.0);
      float* const at = dx.data() + b.first;
      return context_.pure("backward", [&] {
        return ops().backward(self(), &c, &b, x_.data() + b.first, at, at, own.data());
      });
    });
  }
  Record record{{fmt::format("backward, {}", name(rounding)), std::move(dx), refusal}};
  if (!refusal.empty() || width == 0 || ops().learned_gradients == nullptr) return record;
  std::vector<double> total(geometry_.groups * width, 0.0);
  for (std::uint64_t i = 0; i < count; ++i) {
    const qloom_block b = block(i * step, std::min(step, geometry_.n - i * step));
    for (std::uint64_t k = 0; k < sums[i].size(); ++k) {
      total[b.group_first * width + k] += sums[i][k];
    }
  }
  append(record, learned_gradients(total));
  return record;
}

Record QuantizerDriver::learned_gradients(const std::vector<double>& sums) {
  const std::vector<qloom_learned> all = learned();
  std::vector<std::vector<float>> gradients;
  std::vector<float*> pointers;
  for (const qloom_learned& l : all) gradients.emplace_back(l.count, kUnwritten);
  for (auto& g : gradients) pointers.push_back(g.data());
  qloom_error error = registry::empty_error();
  const qloom_status status = context_.call("learned_gradients", [&] {
    return ops().learned_gradients(self(), sums.data(), geometry_.groups, pointers.data(), &error);
  });
  Record record;
  for (std::size_t i = 0; i < all.size(); ++i) {
    record.push_back({fmt::format("gradient of {}", all[i].name), std::move(gradients[i]),
                      refusal_of(status, error)});
  }
  return record;
}

qloom_call QuantizerDriver::call_of(Rounding rounding, qloom_error* error) const {
  qloom_call call = pure_call(rounding, round_, error);
  call.training = is_training_ ? 1 : 0;
  if (rounding == Rounding::kErrorKept) call.rounding = errors_.ref();
  return call;
}

void QuantizerDriver::keep_errors() {
  errors_.record(true);
  static_cast<void>(apply(Rounding::kErrorKept, geometry_.n));
  errors_.record(false);
}

std::string QuantizerDriver::move_learned() {
  for (const qloom_learned& l : learned()) {
    for (std::uint64_t i = 0; i < l.count; ++i) {
      l.value[i] *= 1.0F + 0.0625F * static_cast<float>(i % 5 + 1);
    }
  }
  if (ops().after_update == nullptr) return {};
  qloom_error error = registry::empty_error();
  const qloom_status status =
      context_.call("after_update", [&] { return ops().after_update(self(), &error); });
  return refusal_of(status, error);
}

void QuantizerDriver::spread() {
  if (learned().empty()) return;
  static_cast<void>(move_learned());
  static_cast<void>(prepare(1));
  set_round(0);
}

std::optional<Ends> QuantizerDriver::ends_of(std::uint64_t g) {
  const std::optional<qloom_encoding> found = encoding();
  if (!found) return {};
  const qloom_encoding& e = *found;
  if (e.kind == QLOOM_ENCODING_CODEBOOK) {
    const float* const levels = e.codebook + g * e.codebook_size;
    const auto [lo, hi] = std::minmax_element(levels, levels + e.codebook_size);
    return Ends{*lo, *hi};
  }
  if (e.kind == QLOOM_ENCODING_BASES) {
    const double offset = e.grid.offset == nullptr ? 0.0 : double{e.grid.offset[g]};
    double reach = 0;
    for (std::uint32_t j = 0; j < e.bases; ++j) reach += std::abs(e.codebook[g * e.bases + j]);
    return Ends{offset - reach, offset + reach};
  }
  if (e.kind == QLOOM_ENCODING_AFFINE) {
    const double offset = e.grid.offset == nullptr ? 0.0 : double{e.grid.offset[g]};
    const auto value = [&](std::int32_t code) {
      return offset + static_cast<double>(std::int64_t{code} - e.grid.zero_point[g]) *
                          double{e.grid.scale[g]};
    };
    return Ends{value(e.grid.code_min[g]), value(e.grid.code_max[g])};
  }
  return {};
}

std::vector<qloom_learned> QuantizerDriver::learned() {
  std::vector<qloom_learned> all;
  if (ops().learned == nullptr) return all;
  constexpr std::uint32_t kMost = 1000;  // one that never says UNSUPPORTED would go on for ever
  for (std::uint32_t i = 0; i < kMost; ++i) {
    qloom_learned l{};
    l.struct_size = sizeof l;
    if (context_.call("learned", [&] { return ops().learned(self(), i, &l); }) != QLOOM_OK) break;
    all.push_back(l);
  }
  return all;
}

Record exercise_quantizer(Context& context, const Case& c, registry::Instance& instance,
                          const Input& input, std::uint64_t round) {
  const Tensor x = scaled(input.x, factor_of(round));
  QuantizerDriver driver(context, c, instance, x, input.channel_axis);
  qloom_range_context grid{};
  grid.struct_size = sizeof grid;
  context.call("context", [&] { return driver.ops().context(driver.self(), &grid); });
  const std::string refusal = driver.prepare(round);
  if (!refusal.empty()) return {{"prepare", std::vector<float>{}, refusal}};
  Record record;
  for (const Rounding r :
       {Rounding::kNearest, Rounding::kStochastic, Rounding::kGenericStochastic}) {
    record.push_back(driver.apply(r, kTileElements));
  }
  if (driver.encodes()) {
    record.push_back(driver.encode(Rounding::kStochastic, kTileElements));
    const auto codes = std::get<std::vector<std::int32_t>>(record.back().values);
    if (record.back().refusal.empty()) record.push_back(driver.decode(codes, kTileElements));
  }
  qloom_encoding encoding{};
  encoding.struct_size = sizeof encoding;
  context.call("encoding", [&] { return driver.ops().encoding(driver.self(), &encoding); });
  const Tensor dy = gaussian(x.shape(), context.seed() + 977);
  for (const Rounding r : {Rounding::kNearest, Rounding::kStochastic}) {
    append(record, driver.backward(r, dy, kTileElements));
  }
  return record;
}

}  // namespace qloom::check
