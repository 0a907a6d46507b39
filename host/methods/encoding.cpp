// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/encoding.hpp"

#include <numeric>
#include <vector>

namespace qloom::methods {
namespace {

using json::Json;

template <class T>
std::vector<T> row(const T* values, std::uint64_t n) {
  return values == nullptr ? std::vector<T>{} : std::vector<T>(values, values + n);
}

void add_grid(const qloom_encoding& e, Json& json) {
  json["scale"] = row(e.grid.scale, e.groups);
  json["zero_point"] = row(e.grid.zero_point, e.groups);
  json["code_min"] = row(e.grid.code_min, e.groups);
  json["code_max"] = row(e.grid.code_max, e.groups);
  if (e.grid.offset != nullptr) json["offset"] = row(e.grid.offset, e.groups);
}

void add_format(const qloom_encoding& e, Json& json) {
  static constexpr const char* kSpecials[] = {"none", "ieee", "fn", "fnuz"};
  if (e.grid.scale != nullptr) json["scale"] = row(e.grid.scale, e.groups);
  json["exponent_bits"] = e.format.exponent_bits;
  json["mantissa_bits"] = e.format.mantissa_bits;
  json["bias"] = e.format.bias;
  json["specials"] = kSpecials[e.format.specials % 4];
  json["subnormals"] = e.format.subnormals != 0;
}

void add_bases(const qloom_encoding& e, Json& json) {
  json["bases"] = e.bases;
  json["codebook"] = row(e.codebook, e.groups * e.bases);
  if (e.grid.offset != nullptr) json["offset"] = row(e.grid.offset, e.groups);
}

void add_vectors(const qloom_encoding& e, Json& json) {
  json["codebook_size"] = e.codebook_size;
  json["vector"] = e.vector;
  json["vector_inner"] = e.vector_inner;
  json["codebook"] = row(e.codebook, e.codebook_size * e.vector);
}

/// Name of the kind, and what encodings of that kind alone have.
const char* add_kind(const qloom_encoding& e, Json& json) {
  switch (e.kind) {
    case QLOOM_ENCODING_AFFINE:
      add_grid(e, json);
      return "affine";
    case QLOOM_ENCODING_FLOAT:
      add_format(e, json);
      return "float";
    case QLOOM_ENCODING_CODEBOOK:
      json["codebook_size"] = e.codebook_size;
      json["codebook"] = row(e.codebook, e.groups * e.codebook_size);
      return "codebook";
    case QLOOM_ENCODING_BASES:
      add_bases(e, json);
      return "bases";
    case QLOOM_ENCODING_VECTORS:
      add_vectors(e, json);
      return "vectors";
    case QLOOM_ENCODING_NONE:
      break;
  }
  return "none";
}

}  // namespace

Json to_json(const qloom_encoding& e, const Json& granularity) {
  if (e.kind == QLOOM_ENCODING_NONE) return {{"kind", "none"}, {"bits", 32}};
  Json json{{"bits", e.bits},
            {"is_signed", e.is_signed != 0},
            {"groups", e.groups},
            {"granularity", granularity}};
  json["kind"] = add_kind(e, json);
  if ((e.flags & QLOOM_ENCODING_SHARED_EXPONENT) != 0) json["shared_exponent"] = true;
  for (std::uint64_t g = 0; e.bits_of_group != nullptr && g < e.groups; ++g) {
    json["bits_of_group"].push_back(width(e.bits_of_group[g]));
  }
  if (e.threshold != nullptr && e.codebook_size > 0) {
    json["threshold"] = row(e.threshold, e.groups * (e.codebook_size - 1));
  }
  if (e.stored_bits > 0) json["stored_bits"] = e.stored_bits;
  if (e.pad != 0) json["pad"] = e.pad;
  return json;
}

std::vector<float> values_of_bases(const qloom_encoding& e, std::uint64_t group) {
  std::vector<float> values(std::size_t{1} << e.bases);
  for (std::size_t code = 0; code < values.size(); ++code) {
    double value = e.grid.offset == nullptr ? 0.0 : double{e.grid.offset[group]};
    for (std::uint32_t j = 0; j < e.bases; ++j) {
      const double scale = e.codebook[group * e.bases + j];
      value += (code >> j & 1U) != 0 ? scale : -scale;
    }
    values[code] = static_cast<float>(value);
  }
  return values;
}

Json width(double bits) {
  const auto whole = static_cast<std::uint32_t>(bits);
  return double(whole) == bits ? Json(whole) : Json(bits);
}

double mean_bits(const qloom_encoding& e) {
  if (e.kind == QLOOM_ENCODING_NONE) return 32;
  if (e.bits_of_group == nullptr || e.groups == 0) return e.bits;
  return std::accumulate(e.bits_of_group, e.bits_of_group + e.groups, 0.0) / double(e.groups);
}

}  // namespace qloom::methods
