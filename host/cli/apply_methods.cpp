// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/cli/apply.hpp"
#include "host/cli/channel_axis.hpp"
#include "host/cli/json_array.hpp"
#include "host/contraction/codes.hpp"
#include "host/data/arrays/array_reader.hpp"
#include "host/json/printable.hpp"
#include "host/methods/accumulator.hpp"
#include "host/methods/norm.hpp"
#include "host/methods/rounding.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

using json::Json;

/// Evaluation's statistics are constants: its gradient is that of the frozen mode.
void apply_backward(const methods::Norm& norm, qloom_norm_call call, const Tensor& x,
                    const Tensor& dy, Tensor& dx, Json& learned) {
  if (call.mode == QLOOM_MODE_EVALUATE) {
    call.mode = QLOOM_MODE_FROZEN;
    norm.prepare(call, x.data());
  }
  std::vector<float> dgamma(call.channels), dbeta(call.channels);
  const bool has_affine = norm.has_affine();
  norm.backward(call, x.data(), dy.data(), dx.data(), has_affine ? dgamma.data() : nullptr,
                has_affine ? dbeta.data() : nullptr);
  if (has_affine) learned = {{"gamma", dgamma}, {"beta", dbeta}};
}

void infer(const methods::Norm& norm, const qloom_norm_call& call, const Tensor& x, Tensor& y) {
  std::vector<float> scale, shift;
  norm.inference(call, scale, shift);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % call.channels;
    y[i] = x[i] * scale[c] + shift[c];
  }
}

methods::Norm norm_of(registry::Instance instance, std::uint64_t channels) {
  const std::string id = instance.method().id;
  try {
    return methods::Norm(std::move(instance), channels, 0);
  } catch (const registry::Refusal& e) {  // parameters that do not fit an array on its own
    if (e.status() != QLOOM_E_INVALID) throw;
    const std::string call = fmt::format("norm \"{}\": ", id), text = e.what();
    throw InputError(call + text.substr(call.size() + std::string("begin: ").size()));
  }
}

struct GammaAndBeta {
  std::vector<float> gamma, beta;
};

/// 1 and 0 unless they are given.
GammaAndBeta gamma_and_beta(const Given& given, bool has_affine, std::size_t channels) {
  given.require_known(has_affine ? std::vector<std::string>{"gamma", "beta"}
                                 : std::vector<std::string>{});
  const auto values = [&](const std::string& name, float otherwise) {
    if (!given.has(name)) return std::vector<float>(channels, otherwise);
    const std::vector<double> numbers = given.numbers("/" + name, channels);
    return std::vector<float>(numbers.begin(), numbers.end());
  };
  return {values("gamma", 1.0F), values("beta", 0.0F)};
}

Result apply_norm(const pipeline::Rule& rule, const registry::Registry& registry,
                  const Request& in) {
  if (in.wants_codes) throw InputError("--codes: a norm has no integer codes");
  if (in.wants_encoding) throw InputError("--encoding: a norm has no encoding");
  const ChannelAxis axis(in.x.shape(), in.channel_axis);
  registry::Instance instance = methods::create(
      registry, methods::resolve(registry, "norm", rule.body["norm"], rule.where + "/norm"));
  Result out;
  out.y.resize(in.x.shape());
  out.dx.resize(in.x.shape());
  const bool has_affine = (instance.ops<qloom_norm>().caps & QLOOM_NORM_AFFINE) != 0;
  const auto [gamma, beta] = gamma_and_beta(in.given, has_affine, axis.channels);
  if (in.x.empty()) {  // no rows, no statistics: nothing moves
    const std::vector<float> none(axis.channels, 0.0F);
    if (in.dy && has_affine) out.learned = {{"gamma", none}, {"beta", none}};
    return out;
  }
  const methods::Norm norm = norm_of(std::move(instance), axis.channels);
  constexpr std::uint32_t kModes[] = {QLOOM_MODE_TRAINING, QLOOM_MODE_EVALUATE, QLOOM_MODE_FROZEN};
  qloom_norm_call call =
      methods::norm_call(kModes[static_cast<int>(in.mode)], axis.rows(), axis.channels);
  call.slots = methods::kept_slots();
  if (norm.has_affine()) {
    call.gamma = gamma.data();
    call.beta = beta.data();
  }
  const Tensor x = axis.to_rows(in.x);
  Tensor y(x.shape());
  if (in.mode == Mode::kEvaluate) {
    infer(norm, call, x, y);
  } else {
    norm.forward(call, x.data(), y.data());
  }
  out.y = axis.from_rows(y);
  if (in.dy) {
    Tensor dx(x.shape());
    apply_backward(norm, call, x, axis.to_rows(*in.dy), dx, out.learned);
    out.dx = axis.from_rows(dx);
  }
  return out;
}

/// Rounds to integers; the gradient passes straight through.
Result apply_rounding(const pipeline::Rule& rule, const registry::Registry& registry,
                      const Request& in) {
  if (in.mode == Mode::kFrozen) throw InputError("--mode frozen: only norms know it");
  const methods::Rounding rounding(methods::create(
      registry,
      methods::resolve(registry, "rounding", rule.body.at("rounding"), rule.where + "/rounding")));
  Result out;
  out.y.resize(in.x.shape());
  if (in.dy) out.dx = *in.dy;
  const qloom_call call =
      methods::call_of(rounding.ref(), methods::Streams(std::string(kApplyStream)), in.seed,
                       in.step, in.mode == Mode::kTraining);
  rounding.round(call, 0, in.x.data(), out.y.data(), in.x.size());
  for (std::size_t i = 0; in.wants_codes && i < out.y.size(); ++i) {
    constexpr float kLimit = 0x1p31F;  // codes are 32-bit integers
    if (!(out.y[i] >= -kLimit && out.y[i] < kLimit)) {
      throw InputError(
          fmt::format("--codes: element {} rounds to {}, which is no 32-bit integer", i, out.y[i]));
    }
    out.codes.push_back(static_cast<std::int32_t>(out.y[i]));
  }
  out.encoding = {{"kind", "affine"},        {"bits", 32},     {"is_signed", true},  {"groups", 1},
                  {"granularity", "tensor"}, {"scale", {1.0}}, {"zero_point", {0.0}}};
  return out;
}

/// An integer accumulator adds products of codes: a value that is none is refused by its place.
void require_codes(const Tensor& x, const char* option, const std::string& id) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double code = x[i];
    if (code == std::nearbyint(code) && std::fabs(code) <= contraction::kLargestCode) continue;
    throw InputError(
        fmt::format("{}: element {} is {}, but \"{}\" adds integer codes: expected whole numbers "
                    "from {:.0f} to "
                    "{:.0f}",
                    option, data::index_text(x.shape(), i), x[i], id, -contraction::kLargestCode,
                    contraction::kLargestCode));
  }
}

/// y[i, j] = sum over l of x[i, l] * weight[l, j], as the accumulator adds up.
Result apply_accumulator(const pipeline::Rule& rule, const registry::Registry& registry,
                         const Request& in) {
  const std::string where = rule.where + "/accumulator";
  if (!in.weight) {
    throw InputError(where +
                     ": an accumulator adds up the products of a contraction: expected --weight, "
                     "the matrix that the input is multiplied by");
  }
  if (in.wants_codes || in.wants_encoding || in.dy) {
    throw InputError(where + ": an accumulator has no codes, encoding or gradient");
  }
  const Shape &a = in.x.shape(), &b = in.weight->shape();
  if (a.size() != 2 || b.size() != 2 || a[1] != b[0]) {
    throw InputError(fmt::format("{}: --input of {} and --weight of {}, expected (m, k) and (k, n)",
                                 where, shape_text(a), shape_text(b)));
  }
  const methods::AccumulatorSpec spec =
      methods::resolve_accumulator(registry, rule.body, rule.where);
  const methods::Accumulator accumulator(registry, spec, nullptr, "", std::string(kApplyStream));
  if (accumulator.wants_codes()) {
    require_codes(in.x, "--input", spec.accumulator.method->id);
    require_codes(*in.weight, "--weight", spec.accumulator.method->id);
  }
  const std::vector<double> c = accumulator.product({.m = static_cast<std::uint64_t>(a[0]),
                                                     .n = static_cast<std::uint64_t>(b[1]),
                                                     .k = static_cast<std::uint64_t>(a[1]),
                                                     .a = in.x.data(),
                                                     .b = in.weight->data()},
                                                    in.seed, in.step, in.mode == Mode::kTraining);
  Result out;
  out.y.resize({a[0], b[1]});
  for (std::size_t i = 0; i < c.size(); ++i) out.y[i] = static_cast<float>(c[i]);
  return out;
}

}  // namespace

Result apply_rule(const pipeline::Rule& rule, const registry::Registry& registry,
                  const Request& request) {
  const Json& body = rule.body;
  const bool is_quantizer = body.contains("quantizer");
  if (request.calibration && !is_quantizer) {
    throw InputError("--calibrate: only quantizers are calibrated");
  }
  if (!is_quantizer && !body.contains("norm") && !body.contains("requantizer")) {
    request.given.require_known({});
  }
  if (body.contains("accumulator")) return apply_accumulator(rule, registry, request);
  if (request.weight) throw InputError("--weight: only accumulators multiply");
  if (body.contains("norm")) return apply_norm(rule, registry, request);
  if (body.contains("requantizer")) return apply_requantizer(rule, registry, request);
  if (!body.contains("quantizer")) return apply_rounding(rule, registry, request);
  if (body["quantizer"].is_null()) {
    throw InputError(rule.where +
                     "/quantizer: null does nothing to an array; expected an object "
                     "with \"plugin\"");
  }
  return apply_quantizer(rule, registry, request);
}

}  // namespace qloom::cli
