// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "host/cli/apply.hpp"
#include "host/cli/json_array.hpp"
#include "host/contraction/codes.hpp"
#include "host/data/array_reader.hpp"
#include "host/json/printable.hpp"
#include "host/network/norm_call.hpp"
#include "host/registry/call_record.hpp"
#include "host/sites/site_quantizer.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"

namespace qloom::cli {
namespace {

using json::Json;

Result apply_quantizer(const pipeline::Rule& rule, const registry::Registry& registry,
                       const Request& in) {
  if (in.mode == Mode::kFrozen) throw InputError("--mode frozen: only norms know it");
  network::SiteQuantizer node(
      registry, network::resolve_quantizer(registry, rule.body, rule.where),
      {.name = kApplyStream, .seed = in.seed, .channel_axis = in.channel_axis});
  Result out;
  // The learning rate of a step on its own is 1: a gradient quantizer that contains it shows
  // itself.
  node.forward(
      in.x, out.y,
      {.step = in.step, .epoch = 0, .training = in.mode == Mode::kTraining, .learning_rate = 1.0});
  if (in.wants_codes) {
    try {
      node.encode(in.x, out.codes);
    } catch (const RunError& e) {  // forward succeeded: the method has no codes
      throw InputError(fmt::format("--codes: {}", e.what()));
    }
  }
  if (in.wants_encoding) out.encoding = node.encoding_json();
  if (in.dy) {
    node.backward(in.x, *in.dy, out.dx);
    for (const auto& l : node.learned()) out.learned[json::printable(l.name)] = l.gradient;
  }
  return out;
}

/// x is outer x channels x inner.
struct ChannelAxis {
  std::size_t outer = 1, channels = 1, inner = 1;

  ChannelAxis(const Shape& shape, int axis) {
    const auto rank = static_cast<int>(shape.size());
    if (rank == 0 && (axis == -1 || axis == 0)) return;  // one row of one channel
    const int a = axis < 0 ? axis + rank : axis;
    if (a < 0 || a >= rank) {
      throw InputError(
          fmt::format("--channel-axis: an array of rank {} has no axis {}", rank, axis));
    }
    for (int i = 0; i < rank; ++i) {
      (i < a    ? outer
       : i == a ? channels
                : inner) *= static_cast<std::size_t>(shape[static_cast<std::size_t>(i)]);
    }
  }
  [[nodiscard]] std::size_t rows() const { return outer * inner; }

  /// Rows of channels, and back.
  [[nodiscard]] Tensor to_rows(const Tensor& x) const {
    Tensor moved(x.shape());
    visit([&](std::size_t from, std::size_t to) { moved[to] = x[from]; });
    return moved;
  }
  [[nodiscard]] Tensor from_rows(const Tensor& moved) const {
    Tensor x(moved.shape());
    visit([&](std::size_t from, std::size_t to) { x[from] = moved[to]; });
    return x;
  }

 private:
  template <class Body>
  void visit(Body body) const {
    for (std::size_t o = 0; o < outer; ++o) {
      for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t i = 0; i < inner; ++i) {
          body((o * channels + c) * inner + i, (o * inner + i) * channels + c);
        }
      }
    }
  }
};

qloom_status keep_slot(void*, const char*, const float* x, float* y, std::uint64_t n) noexcept {
  if (y != x) std::memcpy(y, x, n * sizeof(float));
  return QLOOM_OK;
}

/// A norm on rows x channels with gamma 1 and beta 0.
class NormCall {
 public:
  NormCall(const registry::Instance& norm, const ChannelAxis& axis)
      : norm_(norm),
        ops_(norm.ops<qloom_norm>()),
        gamma_(axis.channels, 1.0F),
        beta_(axis.channels, 0.0F) {
    qloom_norm_context context{};
    context.struct_size = sizeof context;
    context.channels = axis.channels;
    qloom_error error = registry::empty_error();
    const qloom_status status = ops_.begin(norm_.self(), &context, &error);
    if (status == QLOOM_E_INVALID) {  // parameters that do not fit an array on its own
      throw InputError(
          fmt::format("norm \"{}\": {}", norm_.method().id, json::printable(error.message)));
    }
    registry::check(norm_.method(), "begin", status, error);
    call_.struct_size = sizeof call_;
    call_.rows = axis.rows();
    call_.channels = axis.channels;
    call_.momentum = -1;
    call_.slots = {nullptr, &keep_slot};
    if (has_affine()) {
      call_.gamma = gamma_.data();
      call_.beta = beta_.data();
    }
  }
  [[nodiscard]] bool has_affine() const { return (ops_.caps & QLOOM_NORM_AFFINE) != 0; }

  void forward(std::uint32_t mode, const Tensor& x, Tensor& y) {
    call_.mode = mode;
    network::norm_forward(norm_, call_, x.data(), y.data());
  }
  void inference(const Tensor& x, Tensor& y) {
    call_.mode = QLOOM_MODE_EVALUATE;
    std::vector<float> scale(call_.channels), shift(call_.channels);
    qloom_error error = registry::empty_error();
    const auto status = ops_.inference(norm_.self(), &call_, scale.data(), shift.data(), &error);
    registry::check(norm_.method(), "inference", status, error);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % call_.channels;
      y[i] = x[i] * scale[c] + shift[c];
    }
  }
  void backward(const Tensor& x, const Tensor& dy, Tensor& dx, Json& learned) {
    std::vector<float> dgamma(call_.channels), dbeta(call_.channels);
    network::norm_backward(norm_, call_, x.data(), dy.data(), dx.data(),
                           has_affine() ? dgamma.data() : nullptr,
                           has_affine() ? dbeta.data() : nullptr);
    if (has_affine()) learned = {{"gamma", dgamma}, {"beta", dbeta}};
  }

 private:
  const registry::Instance& norm_;
  const qloom_norm& ops_;
  std::vector<float> gamma_, beta_;
  qloom_norm_call call_{};
};

Result apply_norm(const pipeline::Rule& rule, const registry::Registry& registry,
                  const Request& in) {
  if (in.wants_codes) throw InputError("--codes: a norm has no integer codes");
  if (in.wants_encoding) throw InputError("--encoding: a norm has no encoding");
  const ChannelAxis axis(in.x.shape(), in.channel_axis);
  Json params = rule.body["norm"];
  const registry::Method& method =
      registry.require("norm", params["plugin"].get<std::string>(), rule.where + "/norm/plugin");
  params.erase("plugin");
  const registry::Instance norm = registry.create(method, params);
  Result out;
  out.y.resize(in.x.shape());
  out.dx.resize(in.x.shape());
  if (in.x.empty()) {  // no rows, no statistics: nothing moves
    const bool has_affine = (norm.ops<qloom_norm>().caps & QLOOM_NORM_AFFINE) != 0;
    const std::vector<float> zeros(axis.channels);
    if (in.dy && has_affine) out.learned = {{"gamma", zeros}, {"beta", zeros}};
    return out;
  }
  NormCall call(norm, axis);
  const Tensor x = axis.to_rows(in.x);
  Tensor y(x.shape());
  if (in.mode == Mode::kEvaluate) {
    call.inference(x, y);
  } else {
    call.forward(in.mode == Mode::kFrozen ? QLOOM_MODE_FROZEN : QLOOM_MODE_TRAINING, x, y);
  }
  out.y = axis.from_rows(y);
  if (in.dy) {
    // Evaluation's statistics are constants: its gradient is that of the frozen mode.
    if (in.mode == Mode::kEvaluate) call.forward(QLOOM_MODE_FROZEN, x, y);
    Tensor dx(x.shape());
    call.backward(x, axis.to_rows(*in.dy), dx, out.learned);
    out.dx = axis.from_rows(dx);
  }
  return out;
}

/// A call that carries the rule's rounding, nearest_even where it has none.
struct RoundingCall {
  RoundingCall(const pipeline::Rule& rule, const registry::Registry& registry, const Request& in) {
    Json params = rule.body.value("rounding", Json{{"plugin", "nearest_even"}});
    const registry::Method& method = registry.require(
        "rounding", params["plugin"].get<std::string>(), rule.where + "/rounding/plugin");
    params.erase("plugin");
    rounding = registry.create(method, params);
    call.struct_size = sizeof call;
    call.training = in.mode == Mode::kTraining ? 1 : 0;
    call.seed = in.seed;
    call.stream = stream_id(in.mode == Mode::kTraining ? std::string(kApplyStream)
                                                       : std::string(kApplyStream) + "/evaluate");
    call.step = in.step;
    call.rounding = network::rounding_ref(rounding);
    call.error = &error;
  }
  RoundingCall(const RoundingCall&) = delete;
  RoundingCall& operator=(const RoundingCall&) = delete;

  registry::Instance rounding;
  qloom_error error = registry::empty_error();
  qloom_call call{};
};

/// Rounds to integers; the gradient passes straight through.
Result apply_rounding(const pipeline::Rule& rule, const registry::Registry& registry,
                      const Request& in) {
  if (in.mode == Mode::kFrozen) throw InputError("--mode frozen: only norms know it");
  const RoundingCall rounding(rule, registry, in);
  const registry::Instance& method = rounding.rounding;
  Result out;
  out.y.resize(in.x.shape());
  if (in.dy) out.dx = *in.dy;
  const auto status = registry::recorded(method.method(), "round", "", [&] {
    return method.ops<qloom_rounding>().round(method.self(), &rounding.call, 0, in.x.data(),
                                              out.y.data(), in.x.size());
  });
  registry::check(method.method(), "round", status, rounding.error);
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
    if (code == std::nearbyint(code) && std::fabs(code) <= network::kLargestCode) continue;
    throw InputError(
        fmt::format("{}: element {} is {}, but \"{}\" adds integer codes: expected whole numbers "
                    "from {:.0f} to "
                    "{:.0f}",
                    option, data::index_text(x.shape(), i), x[i], id, -network::kLargestCode,
                    network::kLargestCode));
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
  Json params = rule.body["accumulator"];
  const registry::Method& method =
      registry.require("accumulator", params["plugin"].get<std::string>(), where + "/plugin");
  params.erase("plugin");
  const registry::Instance accumulator = registry.create(method, params);
  if ((accumulator.ops<qloom_accumulator>().caps & QLOOM_ACCUMULATOR_INTEGER) != 0) {
    require_codes(in.x, "--input", method.id);
    require_codes(*in.weight, "--weight", method.id);
  }
  const RoundingCall rounding(rule, registry, in);
  const auto m = static_cast<std::uint64_t>(a[0]), n = static_cast<std::uint64_t>(b[1]);
  std::vector<double> c(m * n);
  const qloom_tile tile{in.x.data(),
                        in.weight->data(),
                        c.data(),
                        a[1],
                        b[1],
                        b[1],
                        m,
                        n,
                        static_cast<std::uint64_t>(a[1]),
                        0,
                        n};
  std::uint64_t overflows = 0;
  const auto status = registry::recorded(method, "accumulate", "", [&] {
    return accumulator.ops<qloom_accumulator>().accumulate(accumulator.self(), &rounding.call,
                                                           &tile, &overflows);
  });
  registry::check(method, "accumulate", status, rounding.error);
  Result out;
  out.y.resize({a[0], b[1]});
  for (std::size_t i = 0; i < c.size(); ++i) out.y[i] = static_cast<float>(c[i]);
  return out;
}

}  // namespace

Result apply_rule(const pipeline::Rule& rule, const registry::Registry& registry,
                  const Request& request) {
  const Json& body = rule.body;
  if (body.contains("accumulator")) return apply_accumulator(rule, registry, request);
  if (request.weight) throw InputError("--weight: only accumulators multiply");
  if (body.contains("norm")) return apply_norm(rule, registry, request);
  if (!body.contains("quantizer")) return apply_rounding(rule, registry, request);
  if (body["quantizer"].is_null()) {
    throw InputError(rule.where +
                     "/quantizer: null does nothing to an array; expected an object "
                     "with \"plugin\"");
  }
  return apply_quantizer(rule, registry, request);
}

}  // namespace qloom::cli
