// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Layers behind output sites work on integer codes: they choose, move or add them exactly.
#include <algorithm>
#include <array>
#include <cstring>

#include "host/kernels/stored_codes.hpp"
#include "host/layers/common/pool.hpp"
#include "host/layers/common/rows.hpp"
#include "host/network/plan/execution.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

using layers::OfCodes;

/// Does every input hand codes on, all at one scale?
bool has_common_scale(const Execution& e, const Node& node) {
  const Operand first = handed_on(e, e.node(node.inputs[0]));
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](int i) {
    const Operand x = handed_on(e, e.node(i));
    return x.codes && x.scale_count == 1 && *x.scale == *first.scale;
  });
}

/// Does every input hand codes on, at one scale or one for each channel?
bool has_codes(const Execution& e, const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](int i) {
    const Operand x = handed_on(e, e.node(i));
    return x.codes && x.scale_count > 0;
  });
}

/// Element of `form.bytes()` bytes number places[i], for each i.
void choose(CodeView from, const std::vector<std::int32_t>& places, CodedTensor& to) {
  const std::size_t bytes = from.form.bytes();
  for_each_tile(places.size(), [&](std::uint64_t first, std::uint64_t n) {
    for (std::uint64_t i = first; i < first + n; ++i) {
      std::memcpy(to.at(i), from.from(static_cast<std::uint64_t>(places[i])).data, bytes);
    }
  });
}

/// Codes of rows x channels beside each other, in a form that holds those of all inputs.
void put_beside(const Operand& x, std::int64_t rows, std::int64_t channels, std::int64_t pitch,
                std::int64_t offset, CodedTensor& to) {
  const CodeForm form = to.form();
  layers::for_each_rows(rows, channels, [&](std::int64_t first, std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(channels));
    std::vector<std::int32_t> codes(values.size());
    for (std::int64_t r = first; r < first + count; ++r) {
      kernels::load_codes(x.codes.from(static_cast<std::uint64_t>(r * channels)), values.data(),
                          values.size());
      std::copy(values.begin(), values.end(), codes.begin());  // each within the form
      static_cast<void>(kernels::store_codes(codes.data(), 0, form,
                                             to.at(static_cast<std::uint64_t>(r * pitch + offset)),
                                             codes.size()));
    }
  });
}

/// The scale of each channel of inputs that lie side by side.
void take_scales(const Execution& e, Node& node) {
  node.channel_scales.clear();
  for (const int i : node.inputs) {
    const Operand x = handed_on(e, e.node(i));
    const auto channels = static_cast<std::size_t>(e.node(i).out_shape.channels);
    for (std::size_t c = 0; c < channels; ++c) {
      node.channel_scales.push_back(x.scale[x.scale_count == 1 ? 0 : c]);
    }
  }
  node.coded.scale = node.channel_scales.data();
  node.coded.scale_count = node.channel_scales.size();
}

void join_beside(const Execution& e, Node& node) {
  double lo = 0, hi = 0;
  for (const int i : node.inputs) {
    const Operand x = handed_on(e, e.node(i));
    lo = std::min(lo, x.code_min);
    hi = std::max(hi, x.code_max);
  }
  if (!has_common_scale(e, node)) take_scales(e, node);
  node.coded.code_min = lo;
  node.coded.code_max = hi;
  node.codes.resize(node.out.size(),
                    {static_cast<std::int32_t>(lo), static_cast<std::uint32_t>(hi - lo)});
  const std::int64_t pitch = node.out_shape.channels;
  const auto rows = static_cast<std::int64_t>(node.out.size()) / pitch;
  std::int64_t offset = 0;
  for (const int i : node.inputs) {
    const std::int64_t channels = e.node(i).out_shape.channels;
    put_beside(handed_on(e, e.node(i)), rows, channels, pitch, offset, node.codes);
    offset += channels;
  }
  node.coded.codes = node.codes.view();
}

/// The codes of a whole tensor as numbers, exactly.
const float* numbers_of(CodeView codes, std::size_t n, Tensor& memory) {
  memory.resize({static_cast<std::int64_t>(n)});
  for_each_tile(n, [&](std::uint64_t first, std::uint64_t count) {
    kernels::load_codes(codes.from(first), memory.data() + first, count);
  });
  return memory.data();
}

/// y = sums * scale, in double, rounded once.
void scale(const std::vector<std::int64_t>& sums, double scale, float* y) {
  for_each_tile(sums.size(), [&](std::uint64_t first, std::uint64_t n) {
    for (std::uint64_t i = first; i < first + n; ++i) {
      y[i] = static_cast<float>(static_cast<double>(sums[i]) * scale);
    }
  });
}

}  // namespace

Operand handed_on(const Execution& e, const Node& node) {
  if (e.pass.rules != Pass::Rules::kOn) return {.values = node.values()};
  if (node.type == Node::Type::kQuantize) return node.site->operand(node.values(), node.codes);
  if (!node.coded.codes) return {.values = node.values()};
  Operand operand = node.coded;
  operand.values = node.values();
  return operand;
}

void forward_codes(Execution& e, Node& node) {
  node.codes.clear();
  node.coded = {};
  if (node.grid == nullptr || e.pass.rules != Pass::Rules::kOn) return;
  if ((node.code_readers == 0 && !node.makes_sums) || !has_codes(e, node)) return;
  const Operand x = handed_on(e, e.node(node.inputs[0]));
  const OfCodes of_codes = node.layer->type->of_codes;
  if (of_codes == OfCodes::kMoved && x.scale_count != 1) return;
  node.coded = x;
  if (of_codes == OfCodes::kBeside) return join_beside(e, node);
  if (of_codes == OfCodes::kMoved) return;  // the very ones
  node.codes.resize(node.out.size(), x.codes.form);
  choose(x.codes, node.places, node.codes);
  node.coded.codes = node.codes.view();
}

bool forward_sums(Execution& e, Node& node) {
  const OfCodes of_codes = node.layer->type->of_codes;
  node.sums.clear();
  if (of_codes != OfCodes::kSum && of_codes != OfCodes::kMean) return false;
  const bool is_mean = of_codes == OfCodes::kMean;
  if (e.pass.rules != Pass::Rules::kOn || !has_codes(e, node)) return false;
  if (!is_mean && !has_common_scale(e, node)) return false;
  const layers::PoolShape shape = layers::pool_shape(*node.layer, e.batch);
  if (is_mean && layers::common_count(shape) == 0) return false;
  const Node& first = e.node(node.inputs[0]);
  const Operand x = handed_on(e, first);
  const float* const a = numbers_of(x.codes, element_count(first.shape), e.code_numbers[0]);
  node.out.resize(node.shape);
  node.value = &node.out;
  node.sums.resize(node.out.size());
  if (is_mean) {
    layers::sum_pool(shape, a, node.sums.data());
    layers::mean_of_sums(shape, node.sums.data(), {x.scale, x.scale_count}, node.out.data());
    return true;
  }
  const Operand y = handed_on(e, e.node(node.inputs[1]));
  const float* const b = numbers_of(y.codes, node.out.size(), e.code_numbers[1]);
  for_each_tile(node.sums.size(), [&](std::uint64_t at, std::uint64_t n) {
    for (std::uint64_t i = at; i < at + n; ++i) {
      node.sums[i] = static_cast<std::int64_t>(a[i]) + static_cast<std::int64_t>(b[i]);
    }
  });
  scale(node.sums, double{*x.scale}, node.out.data());
  return true;
}

}  // namespace qloom::network
