// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantize node from outside: its encoding, its values as operand, its state.
#include "host/sites/site_quantizer.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::network {
namespace {

using json::Json;

std::int32_t version_of(const registry::Instance& instance) {
  return instance ? static_cast<std::int32_t>(instance.state_version()) : 0;
}

template <class T>
std::vector<T> row(const T* values, std::uint64_t n) {
  return values == nullptr ? std::vector<T>{} : std::vector<T>(values, values + n);
}

}  // namespace

qloom_encoding SiteQuantizer::encoding() const {
  qloom_encoding e{};
  e.struct_size = sizeof e;
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  const bool has_one = !is_waiting_ && (is_prepared_ || is_initialised_);
  const auto read = [&] { return ops.encoding(acting().self(), &e); };
  if (!has_one || recorded(quantizer_, "encoding", read) != QLOOM_OK) {
    e.kind = QLOOM_ENCODING_NONE;
  }
  if (e.kind > QLOOM_ENCODING_VECTORS) {
    throw RunError(
        fmt::format("{}: quantizer \"{}\" gives an encoding of kind {}, which this host "
                    "does not know",
                    context_.name, quantizer_.method().id, e.kind));
  }
  return e;
}

std::uint32_t SiteQuantizer::bits() const {
  const qloom_encoding e = encoding();
  return e.kind == QLOOM_ENCODING_NONE ? 32 : e.bits;
}

Json SiteQuantizer::encoding_json() const {
  const qloom_encoding e = encoding();
  Json json{{"bits", e.bits},
            {"is_signed", e.is_signed != 0},
            {"groups", e.groups},
            {"granularity", granularity_of(spec_.quantizer)}};
  switch (e.kind) {
    case QLOOM_ENCODING_AFFINE:
      json["kind"] = "affine";
      json["scale"] = row(e.grid.scale, e.groups);
      json["zero_point"] = row(e.grid.zero_point, e.groups);
      json["code_min"] = row(e.grid.code_min, e.groups);
      json["code_max"] = row(e.grid.code_max, e.groups);
      if (e.grid.offset != nullptr) json["offset"] = row(e.grid.offset, e.groups);
      break;
    case QLOOM_ENCODING_FLOAT: {
      if (e.grid.scale != nullptr) json["scale"] = row(e.grid.scale, e.groups);
      static constexpr const char* kSpecials[] = {"none", "ieee", "fn", "fnuz"};
      json["kind"] = "float";
      json["exponent_bits"] = e.format.exponent_bits;
      json["mantissa_bits"] = e.format.mantissa_bits;
      json["bias"] = e.format.bias;
      json["specials"] = kSpecials[e.format.specials % 4];
      json["subnormals"] = e.format.subnormals != 0;
      break;
    }
    case QLOOM_ENCODING_CODEBOOK:
      json["kind"] = "codebook";
      json["codebook_size"] = e.codebook_size;
      json["codebook"] = row(e.codebook, e.groups * e.codebook_size);
      break;
    case QLOOM_ENCODING_BASES:
      json["kind"] = "bases";
      json["bases"] = e.bases;
      json["codebook"] = row(e.codebook, e.groups * e.bases);
      if (e.grid.offset != nullptr) json["offset"] = row(e.grid.offset, e.groups);
      break;
    case QLOOM_ENCODING_VECTORS:
      json["kind"] = "vectors";
      json["codebook_size"] = e.codebook_size;
      json["vector"] = e.vector;
      json["vector_inner"] = e.vector_inner;
      json["codebook"] = row(e.codebook, e.codebook_size * e.vector);
      break;
    case QLOOM_ENCODING_NONE:
      return {{"kind", "none"}, {"bits", 32}};
  }
  if ((e.flags & QLOOM_ENCODING_SHARED_EXPONENT) != 0) json["shared_exponent"] = true;
  if (e.bits_of_group != nullptr) json["bits_of_group"] = row(e.bits_of_group, e.groups);
  if (e.threshold != nullptr && e.codebook_size > 0) {
    json["threshold"] = row(e.threshold, e.groups * (e.codebook_size - 1));
  }
  if (e.stored_bits > 0) json["stored_bits"] = e.stored_bits;
  if (e.pad != 0) json["pad"] = e.pad;
  return json;
}

Operand SiteQuantizer::operand(const Tensor& y) const {
  Operand operand{.values = y.data()};
  const qloom_encoding e = encoding();
  if (e.kind != QLOOM_ENCODING_AFFINE || e.grid.offset != nullptr || e.groups == 0) return operand;
  const bool is_uniform = std::all_of(e.grid.scale, e.grid.scale + e.groups,
                                      [&](float s) { return s == e.grid.scale[0]; });
  const bool is_per_output = is_per_channel_ && context_.channel_axis == 0 && !y.shape().empty() &&
                             e.groups == static_cast<std::uint64_t>(y.shape()[0]);
  if (!is_uniform && !is_per_output) return operand;
  operand.scale_count = is_uniform ? 1 : e.groups;
  operand_scale_.assign(e.grid.scale, e.grid.scale + operand.scale_count);
  operand.scale = operand_scale_.data();
  for (std::uint64_t g = 0; g < e.groups; ++g) {
    const double zero = e.grid.zero_point[g];
    operand.code_min = std::min(operand.code_min, e.grid.code_min[g] - zero);
    operand.code_max = std::max(operand.code_max, e.grid.code_max[g] - zero);
  }
  return operand;
}

data::Arrays SiteQuantizer::save() const {
  data::Arrays all;
  const auto add = [&all](const std::string& prefix, const registry::Instance& instance) {
    if (!instance) return;
    for (auto& [key, array] : instance.save()) all[prefix + "/" + key] = std::move(array);
  };
  add("quantizer", quantizer_);
  add("range", range_);
  add("rounding", rounding_);
  all["site/versions"] = {
      {3},
      std::vector<std::int32_t>{version_of(quantizer_), version_of(range_), version_of(rounding_)}};
  all["site/flags"] = {{3}, std::vector<std::int32_t>{has_range_, is_initialised_, round_is_open_}};
  std::vector<double> ranges;
  for (const auto& r : ranges_) ranges.insert(ranges.end(), {r.lo, r.hi});
  if (range_) {
    const qloom_range_context c = range_context();
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
  quantizer_.load(reader, prefix + "quantizer/", static_cast<std::uint32_t>(versions[0]));
  if (range_) range_.load(reader, prefix + "range/", static_cast<std::uint32_t>(versions[1]));
  rounding_.load(reader, prefix + "rounding/", static_cast<std::uint32_t>(versions[2]));
  if (range_) static_cast<void>(reader.read<std::int64_t>(prefix + "site/grid", {4}));
  has_range_ = flags[0] != 0;
  is_initialised_ = flags[1] != 0;
  round_is_open_ = flags[2] != 0;
  ranges_.resize(ranges.size() / 2);
  for (std::size_t i = 0; i < ranges_.size(); ++i) ranges_[i] = {ranges[2 * i], ranges[2 * i + 1]};
  refresh_learned();
  for (auto& l : learned_) {
    const auto count = static_cast<std::int64_t>(l.gradient.size());
    const auto& values = reader.read<float>(prefix + "learned/" + l.name, {count});
    std::copy(values.begin(), values.end(), l.value);
  }
}

}  // namespace qloom::network
