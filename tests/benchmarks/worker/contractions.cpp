// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Convolutions in their three roles: real operands, integer-coded operands (the exact sum), a
// modelled accumulator; and oneDNN's int8 convolution of the same shape.
#include <memory>
#include <stdexcept>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/contraction/onednn.hpp"
#include "host/kernels/stored_codes.hpp"
#include "tests/benchmarks/products.hpp"
#include "tests/benchmarks/worker/cases.hpp"

namespace qloom::bench {
namespace {

contraction::ContractionShape shape_of(const Json& params) {
  contraction::ContractionShape s;
  s.batch = params.at("batch");
  s.in_h = s.in_w = params.at("size");
  s.in_c = params.at("in");
  s.out_c = params.at("out");
  s.kernel_h = s.kernel_w = params.value("kernel", 3);
  s.stride_h = s.stride_w = params.value("stride", 1);
  const std::int64_t pad = params.value("padding", (s.kernel_h - 1) / 2);
  s.pad_top = s.pad_bottom = s.pad_left = s.pad_right = pad;
  return s;
}

double products(const contraction::ContractionShape& s) {
  return static_cast<double>(s.batch * s.out_c * s.in_c / s.groups) *
         static_cast<double>(taps(s.in_h, s.out_h(), s.kernel_h, s.stride_h, s.pad_top)) *
         static_cast<double>(taps(s.in_w, s.out_w(), s.kernel_w, s.stride_w, s.pad_left));
}

/// Small integers around zero; codes of 8 bits when `coded`.
Tensor filled(std::int64_t n, std::uint32_t stride, int levels, bool coded) {
  Tensor t({n});
  for (std::size_t i = 0; i < t.size(); ++i) {
    const auto code = static_cast<int>((i * stride + i / 977) % static_cast<std::uint32_t>(levels));
    t[i] = static_cast<float>(code - levels / 2) * (coded ? 1.0F / 64 : 1.0F / 50);
  }
  return t;
}

/// The same as stored codes.
CodedTensor stored(const Tensor& t, CodeForm form) {
  std::vector<std::int32_t> codes(t.size());
  for (std::size_t i = 0; i < t.size(); ++i) codes[i] = static_cast<std::int32_t>(t[i] * 64);
  CodedTensor out;
  out.resize(t.size(), form);
  if (!kernels::store_codes(codes.data(), 0, form, out.at(0), t.size())) {
    throw std::logic_error("a code does not fit");
  }
  return out;
}

struct Layer {
  contraction::ContractionShape shape;
  contraction::Contraction contraction;
  Tensor x, w, dy, y, dx, dw;
  CodedTensor x_codes, w_codes, dy_codes;
  float scale = 1.0F / 64;
  bool coded;
  registry::Instance accumulator, rounding;
  contraction::AccumulatorRef reference;
  std::uint64_t overflows = 0;

  explicit Layer(const Json& params)
      : shape(shape_of(params)), coded(params.value("coded", false)) {
    x = filled(shape.x_size(), 31, 256, coded);
    w = filled(shape.w_size(), 37, 255, coded);
    dy = filled(shape.y_size(), 41, 255, coded);
    y.resize({shape.y_size()});
    dx.resize({shape.x_size()});
    dw.resize({shape.w_size()});
    if (coded) {
      x_codes = stored(x, {-128, 255});
      w_codes = stored(w, {-127, 254});
      dy_codes = stored(dy, {-127, 254});
    }
    if (params.contains("accumulator")) model(params["accumulator"]);
  }
  void model(const Json& params) {
    Json rest = params;
    rest.erase("plugin");
    const auto create = [](const char* kind, const std::string& id, const Json& given) {
      const auto& method = plugins().require(kind, id, "benchmark");
      return plugins().create(method, plugins().resolve_parameters(method, given, "benchmark"));
    };
    accumulator = create("accumulator", params.at("plugin"), rest);
    rounding = create("rounding", "nearest_even", Json::object());
    reference.self = accumulator.self();
    reference.ops = &accumulator.ops<qloom_accumulator>();
    reference.call.struct_size = sizeof reference.call;
    reference.call.rounding = {rounding.self(), &rounding.ops<qloom_rounding>(),
                               QLOOM_ROUND_NEAREST_EVEN, 0};
    reference.overflows = &overflows;
  }
  [[nodiscard]] contraction::Operand operand(const Tensor& t, const CodedTensor& codes) const {
    if (!coded) return {.values = t.data()};
    return {nullptr, &scale, 1, static_cast<double>(codes.form().lo), 127, codes.view()};
  }
  void run(const std::string& role) {
    if (role == "forward") {
      contraction.forward(shape, operand(x, x_codes), operand(w, w_codes), nullptr, y.data(),
                          reference);
    } else if (role == "input_gradient") {
      contraction.input_gradient(shape, operand(dy, dy_codes), operand(w, w_codes), dx.data(),
                                 reference);
    } else {
      contraction.weight_gradient(shape, operand(x, x_codes), operand(dy, dy_codes), dw.data(),
                                  reference);
    }
  }
};

Case contraction(const Json& params) {
  auto layer = std::make_shared<Layer>(params);
  const auto role = params.value("role", std::string("forward"));
  return {[layer, role] { layer->run(role); }, products(layer->shape)};
}

/// Unsigned 8-bit activations, signed 8-bit weights, 32-bit sums; weights in oneDNN's own layout.
struct Int8Convolution {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::convolution_forward primitive;
  std::unordered_map<int, dnnl::memory> arguments;

  explicit Int8Convolution(const contraction::ContractionShape& s) {
    using dnnl::memory;
    using Type = memory::data_type;
    const memory::desc x({s.batch, s.in_c, s.in_h, s.in_w}, Type::u8, memory::format_tag::nhwc);
    const memory::desc w({s.out_c, s.in_c, s.kernel_h, s.kernel_w}, Type::s8,
                         memory::format_tag::any);
    const memory::desc y({s.batch, s.out_c, s.out_h(), s.out_w()}, Type::s32,
                         memory::format_tag::nhwc);
    const auto description = contraction::onednn::convolution(
        {engine, {}}, dnnl::prop_kind::forward_inference, x, w, {}, y,
        {{s.stride_h, s.stride_w}, {0, 0}, {s.pad_top, s.pad_left}, {s.pad_bottom, s.pad_right}});
    primitive = dnnl::convolution_forward(description);
    arguments = {{DNNL_ARG_SRC, memory(x, engine)},
                 {DNNL_ARG_WEIGHTS, memory(description.weights_desc(), engine)},
                 {DNNL_ARG_DST, memory(y, engine)}};
    for (const int argument : {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS}) {
      auto& operand = arguments.at(argument);
      auto* bytes = static_cast<std::uint8_t*>(operand.get_data_handle());
      const std::size_t size = operand.get_desc().get_size();
      for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 % 127);
    }
  }
  void run() {
    primitive.execute(stream, arguments);
    stream.wait();
  }
};

}  // namespace

void add_contractions(Cases& cases) {
  cases["contraction"] = contraction;
  cases["onednn_int8_convolution"] = [](const Json& params) -> Case {
    const contraction::ContractionShape s = shape_of(params);
    auto convolution = std::make_shared<Int8Convolution>(s);
    return {[convolution] { convolution->run(); }, products(s)};
  };
}

}  // namespace qloom::bench
