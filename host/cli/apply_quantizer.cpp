// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantizer on one array, with the values that are given and the data it was calibrated on.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <qloom/geometry.hpp>

#include "host/cli/apply.hpp"
#include "host/data/arrays/array_reader.hpp"
#include "host/json/printable.hpp"
#include "host/kernels/kernels.hpp"
#include "host/methods/encoding.hpp"
#include "host/methods/geometry.hpp"
#include "host/methods/rounding.hpp"
#include "host/sites/site_quantizer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

using sites::SiteQuantizer;

qloom_tensor geometry_of(const SiteQuantizer& node, const Tensor& x) {
  const auto& spec = node.spec().quantizer;
  return methods::tensor_of(
      methods::grouping_of(methods::granularity_of(spec), node.context().channel_axis), x.shape(),
      x.data(), kApplyStream);
}

void calibrate(SiteQuantizer& node, const Tensor& data) {
  const std::uint32_t passes = node.passes();
  if (passes == 0) {
    throw InputError(fmt::format(
        "--calibrate: quantizer \"{}\" keeps nothing of earlier data, expected one with "
        "a range or with values that a first tensor gives",
        node.spec().quantizer.method->id));
  }
  for (std::uint32_t pass = 0; pass < passes; ++pass) {
    node.begin_pass(pass);
    node.observe(data);
    node.end_pass(pass);
  }
}

void give_range(SiteQuantizer& node, const Request& in) {
  if (node.spec().range.method == nullptr) {
    in.given.refuse("/range", fmt::format("none: quantizer \"{}\" takes no range",
                                          node.spec().quantizer.method->id));
  }
  in.given.require_known({"lo", "hi"}, "/range");
  const std::size_t groups = geometry_of(node, in.x).groups;
  const std::vector<double> lo = in.given.numbers("/range/lo", groups),
                            hi = in.given.numbers("/range/hi", groups);
  std::vector<double> ranges;
  for (std::size_t g = 0; g < groups; ++g) {
    if (lo[g] > hi[g]) in.given.refuse("/range", "lo at most hi");
    ranges.insert(ranges.end(), {lo[g], hi[g]});
  }
  data::Arrays state = node.save();
  const auto count = static_cast<std::int64_t>(ranges.size());
  state["site/ranges"] = {{count}, std::move(ranges)};
  std::get<std::vector<std::int32_t>>(state["site/flags"].values)[0] = 1;  // a range is known
  data::ArrayReader reader(state, "--given");
  node.load(reader, "");
}

/// What the sums of a contraction would tell the quantizer of its bias.
void give_products(SiteQuantizer& node, const Request& in) {
  const Shape& shape = in.x.shape();
  const std::size_t channels = shape.empty() ? 1 : static_cast<std::size_t>(shape[0]);
  std::vector<double> scales = in.given.numbers("/product_scales", channels);
  for (const double scale : scales) {
    if (!(scale > 0)) in.given.refuse("/product_scales", "numbers above 0");
  }
  node.tell_products(std::move(scales));
}

/// Learned values; true where there are some.
bool give_learned(SiteQuantizer& node, const Given& given) {
  std::vector<std::string> known{"range", "scale", "zero_point"};
  if (node.wants_products()) known.emplace_back("product_scales");
  for (const auto& l : node.learned()) known.push_back(l.name);
  given.require_known(known);
  bool has_some = false;
  for (auto& l : node.learned()) {
    if (!given.has(l.name)) continue;
    if (!node.is_initialised()) {
      given.refuse("/" + l.name,
                   "it in mode training, on values that are not all 0, without a "
                   "range beside it");
    }
    const std::vector<double> values = given.numbers("/" + l.name, l.gradient.size());
    std::transform(values.begin(), values.end(), l.value,
                   [](double v) { return static_cast<float>(v); });
    has_some = true;
  }
  return has_some;
}

/// The codes of the quantizer's encoding on a grid of given scales and zero points.
class GivenGrid {
 public:
  GivenGrid(const SiteQuantizer& node, const Request& in) : e_(node.encoding()) {
    const Given& given = in.given;
    const bool wraps = node.spec().quantizer.params.value("overflow", "") == "wrap";
    constexpr std::int32_t kMost = 1 << 24;  // of a kernel's codes
    if (e_.kind != QLOOM_ENCODING_AFFINE || e_.grid.offset != nullptr || wraps ||
        e_.groups != geometry_of(node, in.x).groups || *e_.grid.code_min < -kMost ||
        *e_.grid.code_max > kMost) {
      given.refuse(given.has("scale") ? "/scale" : "/zero_point",
                   "a quantizer whose codes are integers of up to 24 bits with a scale and a zero "
                   "point, saturating");
    }
    if (in.dy)
      throw InputError("--grad-output: a grid of given scale and zero point has no gradient");
    scale_.assign(e_.grid.scale, e_.grid.scale + e_.groups);
    zero_.assign(e_.grid.zero_point, e_.grid.zero_point + e_.groups);
    if (given.has("scale")) take_scales(given);
    if (given.has("zero_point")) take_zero_points(given);
    for (const float scale : scale_) inverse_.push_back(1.0F / scale);
    e_.grid.scale = scale_.data();
    e_.grid.inv_scale = inverse_.data();
    e_.grid.zero_point = zero_.data();
  }
  GivenGrid(const GivenGrid&) = delete;
  GivenGrid& operator=(const GivenGrid&) = delete;

  [[nodiscard]] const qloom_encoding& encoding() const { return e_; }

 private:
  void take_scales(const Given& given) {
    const std::vector<double> values = given.numbers("/scale", e_.groups);
    for (std::size_t g = 0; g < scale_.size(); ++g) {
      scale_[g] = static_cast<float>(values[g]);
      const double codes = static_cast<double>(e_.grid.code_max[g]) - e_.grid.code_min[g];
      constexpr float kLeast = 0x1p-126F;
      if (scale_[g] >= kLeast && std::isfinite(scale_[g] * static_cast<float>(codes))) continue;
      given.refuse("/scale", "numbers from 2^-126 whose codes all stand for float32 values");
    }
  }
  void take_zero_points(const Given& given) {
    const std::vector<double> values = given.numbers("/zero_point", e_.groups);
    for (std::size_t g = 0; g < zero_.size(); ++g) {
      const double low = e_.grid.code_min[g], high = e_.grid.code_max[g], zero = values[g];
      if (!(low <= zero && zero <= high) || zero != std::nearbyint(zero)) {
        given.refuse("/zero_point", fmt::format("a code, a whole number from {} to {}", low, high));
      }
      zero_[g] = static_cast<std::int32_t>(zero);
    }
  }

  qloom_encoding e_;
  std::vector<float> scale_, inverse_;
  std::vector<std::int32_t> zero_;
};

void apply_grid(const registry::Registry& registry, const SiteQuantizer& node, const Request& in,
                Result& out) {
  const GivenGrid grid(node, in);
  Tensor x = in.x;
  if (const auto& clamp = node.spec().clamp) {
    for (float& v : x) {
      v = std::clamp(v, static_cast<float>(clamp->first), static_cast<float>(clamp->second));
    }
  }
  const methods::Rounding rounding(methods::create(registry, node.spec().rounding));
  const qloom_call call =
      methods::call_of(rounding.ref(), methods::Streams(std::string(kApplyStream)), in.seed,
                       in.step, in.mode == Mode::kTraining);
  const qloom_tensor t = geometry_of(node, x);
  const qloom_block all{0, t.n, t.groups, t.inner, 0, t.groups};
  if (in.wants_codes) out.codes.resize(t.n);
  std::int32_t* const codes = in.wants_codes ? out.codes.data() : nullptr;
  if (kernels::table().affine(&call, &grid.encoding().grid, &all, x.data(), out.y.data(), codes) !=
      QLOOM_OK) {
    throw RunError("--given: the rounding method failed");
  }
  const auto& quantizer = node.spec().quantizer;
  if (in.wants_encoding) {
    out.encoding = methods::to_json(grid.encoding(), methods::granularity_of(quantizer));
  }
}

void forward(SiteQuantizer& node, const Request& in, bool keeps_range, Result& out) {
  // The learning rate of a step on its own is 1: a gradient quantizer that contains it shows
  // itself.
  const sites::Phase phase{.step = in.step,
                           .epoch = 0,
                           .training = in.mode == Mode::kTraining && !keeps_range,
                           .learning_rate = 1.0};
  sites::Phase first = phase;  // learned values belong to a quantizer that has its first ones
  first.training = phase.training || (!keeps_range && !in.given.empty());
  node.forward(in.x, out.y, first);
  if (give_learned(node, in.given)) node.forward(in.x, out.y, phase);
}

void encode(SiteQuantizer& node, const Request& in, Result& out) {
  if (in.wants_codes) {
    try {
      node.encode(in.x, out.codes);
    } catch (const RunError& e) {  // forward succeeded: the method has no codes
      throw InputError(fmt::format("--codes: {}", e.what()));
    }
  }
  if (in.wants_encoding) out.encoding = node.encoding_json();
}

}  // namespace

Result apply_quantizer(const pipeline::Rule& rule, const registry::Registry& registry,
                       const Request& in) {
  if (in.mode == Mode::kFrozen) throw InputError("--mode frozen: only norms know it");
  const bool has_range = in.given.has("range"), keeps_range = has_range || in.calibration;
  if (has_range && in.calibration) in.given.refuse("/range", "no --calibrate beside a given range");
  SiteQuantizer node(registry, sites::resolve_quantizer(registry, rule.body, rule.where),
                     {.name = kApplyStream,
                      .seed = in.seed,
                      .channel_axis = in.channel_axis,
                      .tracks_range = keeps_range});
  if (in.calibration) calibrate(node, *in.calibration);
  if (has_range) give_range(node, in);
  if (node.wants_products()) give_products(node, in);
  Result out;
  forward(node, in, keeps_range, out);
  if (in.given.has("scale") || in.given.has("zero_point")) {
    apply_grid(registry, node, in, out);
    return out;
  }
  encode(node, in, out);
  if (in.dy) {
    node.backward(in.x, *in.dy, out.dx);
    for (const auto& l : node.learned()) out.learned[json::printable(l.name)] = l.gradient;
  }
  return out;
}

}  // namespace qloom::cli
