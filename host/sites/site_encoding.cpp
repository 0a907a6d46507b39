// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantize node from outside: its encoding, its values as operand, its state.
#include "host/sites/site_quantizer.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/methods/encoding.hpp"
#include "host/tensor/error.hpp"

namespace qloom::sites {

using json::Json;

qloom_encoding SiteQuantizer::encoding() const {
  const bool has_one =
      present_ != Present::kWaiting && (present_ != Present::kNothing || is_initialised_);
  qloom_encoding encoding{};
  encoding.struct_size = sizeof encoding;
  if (has_one) encoding = acting().encoding();
  encoding.pad = spec_.pad;
  return encoding;
}

std::uint32_t SiteQuantizer::bits() const {
  const qloom_encoding e = encoding();
  return e.kind == QLOOM_ENCODING_NONE ? 32 : e.bits;
}

Json SiteQuantizer::encoding_json() const {
  const qloom_encoding e = encoding();
  Json groups = methods::encoding_groups_of(spec_.quantizer);
  // One scale may find the codes, and each channel have values of its own.
  const bool is_finer = grouping_.by == methods::Grouping::By::kTensor && e.groups > 1;
  if (groups == "tensor" && (is_finer || wants_products())) groups = "channel";
  return methods::to_json(e, groups);
}

bool SiteQuantizer::is_coded() {
  if (!quantizer_.has_codes() || shape_.empty()) return false;
  const bool is_per_output =
      grouping_.by == methods::Grouping::By::kChannel && context_.channel_axis == 0;
  return coding_.take(encoding(), is_per_output ? static_cast<std::uint64_t>(shape_[0]) : 0);
}

data::Arrays SiteQuantizer::save() const {
  data::Arrays all;
  quantizer_.save(all, "quantizer/");
  range_.save(all, "range/");
  rounding_.save(all, "rounding/");
  all["site/versions"] = {
      {3},
      std::vector<std::int32_t>{quantizer_.state_version(), range_.state_version(),
                                rounding_.state_version()}};
  all["site/flags"] = {{3}, std::vector<std::int32_t>{has_range_, is_initialised_, has_round()}};
  std::vector<double> ranges;
  for (const auto& r : ranges_) ranges.insert(ranges.end(), {r.lo, r.hi});
  if (range_) {
    const qloom_range_context c = quantizer_.grid(context_.after_relu);
    all["site/grid"] = {{4},
                        std::vector<std::int64_t>{
                            c.bits, c.is_signed, static_cast<std::int64_t>(c.levels), c.symmetric}};
  }
  all["site/ranges"] = {{static_cast<std::int64_t>(ranges.size())}, std::move(ranges)};
  for (const auto& l : learned_) {
    all["learned/" + l.name] = {{static_cast<std::int64_t>(l.gradient.size())},
                                std::vector<float>(l.value, l.value + l.gradient.size())};
  }
  return all;
}

void SiteQuantizer::load(data::ArrayReader& reader, const std::string& prefix) {
  const auto versions = reader.read<std::int32_t>(prefix + "site/versions", {3});
  const auto flags = reader.read<std::int32_t>(prefix + "site/flags", {3});
  const auto& ranges = reader.read_list<double>(prefix + "site/ranges");
  if (ranges.size() % 2 != 0)
    reader.refuse(prefix + "site/ranges", "a low and a high end per group");
  quantizer_.instance().load(reader, prefix + "quantizer/",
                             static_cast<std::uint32_t>(versions[0]));
  if (range_)
    range_.instance().load(reader, prefix + "range/", static_cast<std::uint32_t>(versions[1]));
  rounding_.instance().load(reader, prefix + "rounding/", static_cast<std::uint32_t>(versions[2]));
  if (range_) static_cast<void>(reader.read<std::int64_t>(prefix + "site/grid", {4}));
  has_range_ = flags[0] != 0;
  is_initialised_ = flags[1] != 0;
  round_ = flags[2] != 0 ? Round::kOpen : Round::kNone;
  ranges_.resize(ranges.size() / 2);
  for (std::size_t i = 0; i < ranges_.size(); ++i) ranges_[i] = {ranges[2 * i], ranges[2 * i + 1]};
  quantizer_.read_learned(learned_);
  for (auto& l : learned_) {
    const auto count = static_cast<std::int64_t>(l.gradient.size());
    const auto& values = reader.read<float>(prefix + "learned/" + l.name, {count});
    std::copy(values.begin(), values.end(), l.value);
  }
}

}  // namespace qloom::sites
