// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// oneDNN 2 and 3: descriptions of primitives, made the same way for both. Each throws dnnl::error
// where the library has no such primitive.
#pragma once

#include <string_view>

#include <dnnl.hpp>

namespace qloom::contraction::onednn {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

/// Steps of a kernel over an image, and what it is padded with. dilates counts the pixels left out
/// between two places of the kernel.
struct Window {
  Dims strides, dilates, before, after;
};

/// What all descriptions need.
struct Setting {
  const dnnl::engine& engine;
  const dnnl::primitive_attr& attr;
};

#if DNNL_VERSION_MAJOR >= 3

inline auto convolution(const Setting& s, dnnl::prop_kind kind, const Desc& x, const Desc& w,
                        const Desc& bias, const Desc& y, const Window& window) {
  return dnnl::convolution_forward::primitive_desc(
      s.engine, kind, dnnl::algorithm::convolution_direct, x, w, bias, y, window.strides,
      window.dilates, window.before, window.after, s.attr);
}
inline auto convolution_input_gradient(const Setting& s, const Desc& dx, const Desc& w,
                                       const Desc& dy, const Window& window,
                                       const dnnl::convolution_forward::primitive_desc& forward) {
  return dnnl::convolution_backward_data::primitive_desc(
      s.engine, dnnl::algorithm::convolution_direct, dx, w, dy, window.strides, window.dilates,
      window.before, window.after, forward, s.attr);
}
inline auto convolution_weight_gradient(const Setting& s, const Desc& x, const Desc& dw,
                                        const Desc& dy, const Window& window,
                                        const dnnl::convolution_forward::primitive_desc& forward) {
  return dnnl::convolution_backward_weights::primitive_desc(
      s.engine, dnnl::algorithm::convolution_direct, x, dw, dy, window.strides, window.dilates,
      window.before, window.after, forward, s.attr);
}
inline auto deconvolution(const Setting& s, const Desc& x, const Desc& w, const Desc& y,
                          const Window& window) {
  return dnnl::deconvolution_forward::primitive_desc(
      s.engine, dnnl::prop_kind::forward_inference, dnnl::algorithm::deconvolution_direct, x, w, y,
      window.strides, window.dilates, window.before, window.after, s.attr);
}
inline auto matrix_product(const Setting& s, const Desc& a, const Desc& b, const Desc& c) {
  return dnnl::matmul::primitive_desc(s.engine, a, b, c, s.attr);
}
/// Batch normalisation in training; x describes the input, the output and their gradients.
inline auto normalization(const Setting& s, const Desc& x, float epsilon,
                          dnnl::normalization_flags flags) {
  return dnnl::batch_normalization_forward::primitive_desc(
      s.engine, dnnl::prop_kind::forward_training, x, x, epsilon, flags, s.attr);
}
inline auto normalization_gradient(
    const Setting& s, const Desc& x, float epsilon, dnnl::normalization_flags flags,
    const dnnl::batch_normalization_forward::primitive_desc& forward) {
  return dnnl::batch_normalization_backward::primitive_desc(s.engine, dnnl::prop_kind::backward, x,
                                                            x, x, epsilon, flags, forward, s.attr);
}
/// The source's zero point comes with each call.
inline void set_source_zero_point(dnnl::primitive_attr& attr) {
  attr.set_zero_points_mask(DNNL_ARG_SRC, 0);
}

#else

inline auto convolution(const Setting& s, dnnl::prop_kind kind, const Desc& x, const Desc& w,
                        const Desc& bias, const Desc& y, const Window& window) {
  return dnnl::convolution_forward::primitive_desc(
      {kind, dnnl::algorithm::convolution_direct, x, w, bias, y, window.strides, window.dilates,
       window.before, window.after},
      s.attr, s.engine);
}
inline auto convolution_input_gradient(const Setting& s, const Desc& dx, const Desc& w,
                                       const Desc& dy, const Window& window,
                                       const dnnl::convolution_forward::primitive_desc& forward) {
  return dnnl::convolution_backward_data::primitive_desc(
      {dnnl::algorithm::convolution_direct, dx, w, dy, window.strides, window.dilates,
       window.before, window.after},
      s.attr, s.engine, forward);
}
inline auto convolution_weight_gradient(const Setting& s, const Desc& x, const Desc& dw,
                                        const Desc& dy, const Window& window,
                                        const dnnl::convolution_forward::primitive_desc& forward) {
  return dnnl::convolution_backward_weights::primitive_desc(
      {dnnl::algorithm::convolution_direct, x, dw, dy, window.strides, window.dilates,
       window.before, window.after},
      s.attr, s.engine, forward);
}
inline auto deconvolution(const Setting& s, const Desc& x, const Desc& w, const Desc& y,
                          const Window& window) {
  return dnnl::deconvolution_forward::primitive_desc(
      {dnnl::prop_kind::forward_inference, dnnl::algorithm::deconvolution_direct, x, w, y,
       window.strides, window.dilates, window.before, window.after},
      s.attr, s.engine);
}
inline auto matrix_product(const Setting& s, const Desc& a, const Desc& b, const Desc& c) {
  return dnnl::matmul::primitive_desc({a, b, c}, s.attr, s.engine);
}
/// Batch normalisation in training; x describes the input, the output and their gradients.
inline auto normalization(const Setting& s, const Desc& x, float epsilon,
                          dnnl::normalization_flags flags) {
  return dnnl::batch_normalization_forward::primitive_desc(
      {dnnl::prop_kind::forward_training, x, epsilon, flags}, s.attr, s.engine);
}
inline auto normalization_gradient(
    const Setting& s, const Desc& x, float epsilon, dnnl::normalization_flags flags,
    const dnnl::batch_normalization_forward::primitive_desc& forward) {
  return dnnl::batch_normalization_backward::primitive_desc(
      {dnnl::prop_kind::backward, x, x, epsilon, flags}, s.attr, s.engine, forward);
}
/// The source's zero point comes with each call.
inline void set_source_zero_point(dnnl::primitive_attr& attr) {
  attr.set_zero_points(DNNL_ARG_SRC, 0, {DNNL_RUNTIME_S32_VAL});
}

#endif

/// Is it of the family whose sums of bytes are integers to the end? ("brgconv" in oneDNN 2,
/// "brg_conv_fwd" in 3.)
template <class Description>
bool is_batch_reduced(const Description& description) {
  const std::string_view name(description.impl_info_str());
  return name.starts_with("brgconv") || name.starts_with("brg_conv");
}

/// Does an implementation of oneDNN 3 that is known for it compute something else for such windows?
/// Those with "brg" in their name read beyond an image that is padded by the whole kernel or more,
/// and give zeros where an output one pixel wide or high has two strides (3.7.2, found by brute
/// force).
inline bool is_faulty(std::string_view name, bool is_odd) {
  return DNNL_VERSION_MAJOR >= 3 && is_odd && name.find("brg") != name.npos;
}

/// The first implementation that is right for the window; dnnl::error where there is none.
template <class Description>
Description right_one(Description description, bool is_odd) {
  while (is_faulty(description.impl_info_str(), is_odd)) {
    if (!description.next_impl()) {
      throw dnnl::error(dnnl_unimplemented, "no implementation is right for such a window");
    }
  }
  return description;
}

}  // namespace qloom::contraction::onednn
