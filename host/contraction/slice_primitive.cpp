// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/slice_primitive.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "host/contraction/onednn.hpp"
#include "host/contraction/slices.hpp"

namespace qloom::contraction {
namespace {

using dnnl::memory;
constexpr auto kF32 = memory::data_type::f32;
constexpr int kShift = DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC;

memory::dims weight_dims(const ContractionShape& s) {
  if (s.groups == 1) return {s.out_c, s.in_c, s.kernel_h, s.kernel_w};
  return {s.groups, s.out_c / s.groups, s.in_c / s.groups, s.kernel_h, s.kernel_w};
}

memory::dims x_dims(const ContractionShape& s) { return {s.batch, s.in_c, s.in_h, s.in_w}; }
memory::dims y_dims(const ContractionShape& s) { return {s.batch, s.out_c, s.out_h(), s.out_w()}; }

onednn::Window window_of(const ContractionShape& s) {
  return {{s.stride_h, s.stride_w},
          {s.dilation_h - 1, s.dilation_w - 1},
          {s.pad_top, s.pad_left},
          {s.pad_bottom, s.pad_right}};
}

/// Padding by the whole kernel, or two strides at an output of one pixel: onednn::right_one().
bool is_odd(const ContractionShape& s) {
  const bool is_far = std::max(s.pad_top, s.pad_bottom) >= s.extent_h() ||
                      std::max(s.pad_left, s.pad_right) >= s.extent_w();
  const bool is_thin = std::min(s.out_h(), s.out_w()) == 1 || std::min(s.in_h, s.in_w) == 1;
  return is_far || (is_thin && s.stride_h != s.stride_w);
}

/// oneDNN takes all pointers as writable; it only reads its sources.
void set_source(const memory& target, const void* values) {
  target.set_data_handle(const_cast<void*>(values));
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

}  // namespace

class SlicePrimitive::Made {
 public:
  explicit Made(const PrimitiveKey& key);

  [[nodiscard]] const PrimitiveKey& key() const { return key_; }
  [[nodiscard]] bool has_wide_sums() const { return has_wide_sums_; }
  void reserve(std::size_t slots);
  [[nodiscard]] std::size_t packed_size() const { return has_reorder_ ? weights_.get_size() : 0; }
  void set_weights(std::size_t index, const void* plain, void* packed);
  void run(std::size_t slot, const Call& call);

 private:
  using Arguments = std::unordered_map<int, dnnl::memory>;
  struct Slot {
    dnnl::stream stream;
    Arguments arguments, reorder_arguments;
    dnnl::memory shift{};                 ///< of left, in bytes
    std::vector<dnnl_exec_arg_t> list{};  ///< of the present call
  };
  /// The role whose arguments the primitive takes: a transposed convolution has those of a forward.
  [[nodiscard]] Role takes() const { return key_.in_bytes ? Role::kForward : key_.role; }
  static void execute(const dnnl::primitive& primitive, Slot& slot, const Arguments& arguments);
  void make_convolution();
  void make_byte_convolution();
  void make_wide_convolution();
  void set_byte_images();
  [[nodiscard]] dnnl::memory::desc any_byte_weights() const;
  void make_reorder();
  void make_byte_reorder();
  void make_matrix_product();
  void add_slot();
  template <class Description>
  void adopt(const Description& description, const dnnl::memory::desc& weights) {
    weights_ = weights;
    scratchpad_ = description.scratchpad_desc();
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  PrimitiveKey key_;
  dnnl::primitive primitive_;
  dnnl::reorder reorder_;
  bool has_reorder_ = false, has_wide_sums_ = false;
  dnnl::memory::desc left_, right_, plain_weights_, weights_, bias_, out_, scratchpad_;
  std::vector<dnnl::memory> packed_;
  std::vector<Slot> slots_;
};

SlicePrimitive::Made::Made(const PrimitiveKey& key) : key_(key) {
  const SingleThread guard;
  if (key.role == Role::kDenseWeightGradient) {
    make_matrix_product();
  } else if (key.is_wide) {
    make_wide_convolution();
  } else if (key.in_bytes) {
    make_byte_convolution();
  } else {
    make_convolution();
  }
}

void SlicePrimitive::Made::make_convolution() {
  const ContractionShape& s = key_.shape;
  const memory::desc x(x_dims(s), kF32, memory::format_tag::nhwc);
  const memory::desc y(y_dims(s), kF32, memory::format_tag::nhwc);
  const memory::desc any(weight_dims(s), kF32, memory::format_tag::any);
  const dnnl::primitive_attr attr = attributes();
  const onednn::Setting setting{engine_, attr};
  const onednn::Window window = window_of(s);
  if (key_.has_bias) bias_ = memory::desc({s.out_c}, kF32, memory::format_tag::a);

  const auto forward = onednn::right_one(
      onednn::convolution(setting, dnnl::prop_kind::forward_training, x, any, bias_, y, window),
      is_odd(s));
  left_ = x;
  out_ = y;
  if (key_.role == Role::kForward) {
    adopt(forward, forward.weights_desc());
    primitive_ = dnnl::convolution_forward(forward);
  } else if (key_.role == Role::kInputGradient) {
    const auto backward = onednn::right_one(
        onednn::convolution_input_gradient(setting, x, any, y, window, forward), is_odd(s));
    adopt(backward, backward.weights_desc());
    primitive_ = dnnl::convolution_backward_data(backward);
    left_ = y;
    out_ = x;
  } else {
    const auto backward = onednn::right_one(
        onednn::convolution_weight_gradient(setting, x, any, y, window, forward), is_odd(s));
    adopt(backward, backward.diff_weights_desc());
    primitive_ = dnnl::convolution_backward_weights(backward);
    right_ = y;
  }
  make_reorder();
}

/// The input gradient is the transposed convolution ("deconvolution") of dy.
void SlicePrimitive::Made::make_byte_convolution() {
  const ContractionShape& s = key_.shape;
  const bool is_forward = key_.role == Role::kForward;
  set_byte_images();
  dnnl::primitive_attr attr = attributes();
  onednn::set_source_zero_point(attr);
  const onednn::Setting setting{engine_, attr};
  onednn::Window window = window_of(s);
  const memory::desc any = any_byte_weights();
  if (is_forward) {
    const auto forward =
        onednn::right_one(onednn::convolution(setting, dnnl::prop_kind::forward_inference, left_,
                                              any, bias_, out_, window),
                          is_odd(s));
    adopt(forward, forward.weights_desc());
    primitive_ = dnnl::convolution_forward(forward);
  } else {
    window.after = {s.pad_bottom - s.unread_rows(), s.pad_right - s.unread_columns()};
    const auto transposed =
        onednn::right_one(onednn::deconvolution(setting, left_, any, out_, window), is_odd(s));
    adopt(transposed, transposed.weights_desc());
    primitive_ = dnnl::deconvolution_forward(transposed);
  }
  make_byte_reorder();
}

/// The input's gradient is the convolution of dy, padded by what the kernel reaches beyond it.
void SlicePrimitive::Made::make_wide_convolution() {
  const ContractionShape& s = key_.shape;
  set_byte_images();
  const dnnl::primitive_attr attr = attributes();
  onednn::Window window = window_of(s);
  if (key_.role != Role::kForward) {
    const std::int64_t h = s.extent_h() - 1, w = s.extent_w() - 1;
    window.before = {h - s.pad_top, w - s.pad_left};
    window.after = {h - s.pad_bottom, w - s.pad_right};
  }
  // The gradient's padding is what the kernel reaches beyond the image: less than the kernel.
  const auto description =
      onednn::right_one(onednn::convolution({engine_, attr}, dnnl::prop_kind::forward_inference,
                                            left_, any_byte_weights(), bias_, out_, window),
                        is_odd(s));
  adopt(description, description.weights_desc());
  has_wide_sums_ = onednn::is_batch_reduced(description);
  primitive_ = dnnl::convolution_forward(description);
  make_byte_reorder();
}

/// Unsigned codes come in, 32-bit sums go out.
void SlicePrimitive::Made::set_byte_images() {
  const bool is_forward = key_.role == Role::kForward;
  const memory::dims x = x_dims(key_.shape), y = y_dims(key_.shape);
  left_ = {is_forward ? x : y, memory::data_type::u8, memory::format_tag::nhwc};
  out_ = {is_forward ? y : x, memory::data_type::s32, memory::format_tag::nhwc};
}

/// Signed codes of the weights, in whatever order the primitive likes.
memory::desc SlicePrimitive::Made::any_byte_weights() const {
  const ContractionShape& s = key_.shape;
  const memory::dims turned{s.in_c, s.out_c, s.kernel_h, s.kernel_w};
  return {key_.role == Role::kForward ? weight_dims(s) : turned, memory::data_type::s8,
          memory::format_tag::any};
}

/// From (out_channel, kernel_h, kernel_w, in_channel) in the order of the primitive's axes.
void SlicePrimitive::Made::make_byte_reorder() {
  const ContractionShape& s = key_.shape;
  const memory::dim place = s.in_c / s.groups, row = s.kernel_w * place, kernel = s.kernel_h * row;
  constexpr auto kS8 = memory::data_type::s8;
  memory::dims strides{kernel, 1, row, place};
  if (s.groups > 1) strides.insert(strides.begin(), s.out_c / s.groups * kernel);
  plain_weights_ = key_.role == Role::kForward
                       ? memory::desc(weight_dims(s), kS8, strides)
                       : memory::desc({s.in_c, s.out_c, s.kernel_h, s.kernel_w}, kS8,
                                      memory::dims{1, kernel, row, place});
  has_reorder_ = true;  // also sums the weights, which the shift needs
  reorder_ = dnnl::reorder({engine_, plain_weights_, engine_, weights_});
}

void SlicePrimitive::Made::make_reorder() {
  const bool is_gradient = key_.role == Role::kWeightGradient;
  plain_weights_ =
      memory::desc(weight_dims(key_.shape), kF32,
                   key_.shape.groups == 1 ? memory::format_tag::ohwi : memory::format_tag::gohwi);
  if (is_gradient) out_ = plain_weights_;
  has_reorder_ = weights_ != plain_weights_;
  if (!has_reorder_) return;
  const memory::desc& from = is_gradient ? weights_ : plain_weights_;
  const memory::desc& to = is_gradient ? plain_weights_ : weights_;
  reorder_ = dnnl::reorder({engine_, from, engine_, to});
}

/// dw[m][i] = sum over rows n of dy[n][m] * x[n][i].
void SlicePrimitive::Made::make_matrix_product() {
  const ContractionShape& s = key_.shape;
  right_ = memory::desc({s.out_c, s.batch}, kF32, memory::dims{1, key_.row_pitch});
  left_ = memory::desc({s.batch, s.in_c}, kF32, memory::format_tag::ab);
  out_ = memory::desc({s.out_c, s.in_c}, kF32, memory::format_tag::ab);
  const dnnl::primitive_attr attr = attributes();
  const auto product = onednn::matrix_product({engine_, attr}, right_, left_, out_);
  scratchpad_ = product.scratchpad_desc();
  primitive_ = dnnl::matmul(product);
}

void SlicePrimitive::Made::reserve(std::size_t slots) {
  while (slots_.size() < slots) add_slot();
}

void SlicePrimitive::Made::add_slot() {
  const auto unset = [&](const memory::desc& desc) { return memory(desc, engine_, nullptr); };
  Slot slot{dnnl::stream(engine_), {}, {}};
  Arguments& arguments = slot.arguments;
  arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(scratchpad_, engine_));
  if (key_.in_bytes && !key_.is_wide) {
    slot.shift = memory({{1}, memory::data_type::s32, memory::format_tag::a}, engine_);
    arguments.emplace(kShift, slot.shift);
  }
  switch (takes()) {
    case Role::kForward:
      arguments.emplace(DNNL_ARG_SRC, unset(left_));
      arguments.emplace(DNNL_ARG_DST, unset(out_));
      arguments.emplace(DNNL_ARG_WEIGHTS, unset(weights_));
      if (key_.has_bias) arguments.emplace(DNNL_ARG_BIAS, unset(bias_));
      break;
    case Role::kInputGradient:
      arguments.emplace(DNNL_ARG_DIFF_DST, unset(left_));
      arguments.emplace(DNNL_ARG_DIFF_SRC, unset(out_));
      arguments.emplace(DNNL_ARG_WEIGHTS, unset(weights_));
      break;
    case Role::kWeightGradient: {
      arguments.emplace(DNNL_ARG_SRC, unset(left_));
      arguments.emplace(DNNL_ARG_DIFF_DST, unset(right_));
      const memory gradient = has_reorder_ ? memory(weights_, engine_) : unset(weights_);
      arguments.emplace(DNNL_ARG_DIFF_WEIGHTS, gradient);
      if (!has_reorder_) break;
      slot.reorder_arguments.emplace(DNNL_ARG_FROM, gradient);
      slot.reorder_arguments.emplace(DNNL_ARG_TO, unset(plain_weights_));
      break;
    }
    case Role::kDenseWeightGradient:
      arguments.emplace(DNNL_ARG_SRC, unset(right_));
      arguments.emplace(DNNL_ARG_WEIGHTS, unset(left_));
      arguments.emplace(DNNL_ARG_DST, unset(out_));
      break;
  }
  slot.list.reserve(std::max(arguments.size(), slot.reorder_arguments.size()) + 1);
  slots_.push_back(std::move(slot));
}

void SlicePrimitive::Made::set_weights(std::size_t index, const void* plain, void* packed) {
  const SingleThread guard;
  reserve(1);
  while (packed_.size() <= index) packed_.push_back(memory(weights_, engine_, nullptr));
  if (!has_reorder_) return set_source(packed_[index], plain);
  packed_[index].set_data_handle(packed);
  Slot& slot = slots_.front();
  Arguments& arguments = slot.reorder_arguments;
  if (arguments.empty()) {
    arguments.emplace(DNNL_ARG_FROM, memory(plain_weights_, engine_, nullptr));
    arguments.emplace(DNNL_ARG_TO, packed_[index]);
  }
  set_source(arguments.at(DNNL_ARG_FROM), plain);
  arguments.at(DNNL_ARG_TO) = packed_[index];
  execute(reorder_, slot, arguments);
}

/// dnnl::primitive::execute() without its list on the heap.
void SlicePrimitive::Made::execute(const dnnl::primitive& primitive, Slot& slot,
                                   const Arguments& arguments) {
  slot.list.clear();
  for (const auto& [index, memory] : arguments) slot.list.push_back({index, memory.get()});
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive.get(), slot.stream.get(), static_cast<int>(slot.list.size()),
                             slot.list.data()),
      "a oneDNN primitive did not run");
}

void SlicePrimitive::Made::run(std::size_t slot_index, const Call& call) {
  Slot& slot = slots_[slot_index];
  Arguments& arguments = slot.arguments;
  if (key_.in_bytes && !key_.is_wide)
    std::memcpy(slot.shift.get_data_handle(), &call.shift, sizeof call.shift);
  switch (takes()) {
    case Role::kForward:
      set_source(arguments.at(DNNL_ARG_SRC), call.left);
      if (key_.has_bias) set_source(arguments.at(DNNL_ARG_BIAS), call.bias);
      arguments.at(DNNL_ARG_WEIGHTS) = packed_[call.weights];
      arguments.at(DNNL_ARG_DST).set_data_handle(call.out);
      break;
    case Role::kInputGradient:
      set_source(arguments.at(DNNL_ARG_DIFF_DST), call.left);
      arguments.at(DNNL_ARG_WEIGHTS) = packed_[call.weights];
      arguments.at(DNNL_ARG_DIFF_SRC).set_data_handle(call.out);
      break;
    case Role::kWeightGradient:
      set_source(arguments.at(DNNL_ARG_SRC), call.left);
      set_source(arguments.at(DNNL_ARG_DIFF_DST), call.right);
      if (!has_reorder_) arguments.at(DNNL_ARG_DIFF_WEIGHTS).set_data_handle(call.out);
      break;
    case Role::kDenseWeightGradient:
      set_source(arguments.at(DNNL_ARG_SRC), call.right);
      set_source(arguments.at(DNNL_ARG_WEIGHTS), call.left);
      arguments.at(DNNL_ARG_DST).set_data_handle(call.out);
      break;
  }
  execute(primitive_, slot, arguments);
  if (slot.reorder_arguments.empty() || key_.role != Role::kWeightGradient) return;
  slot.reorder_arguments.at(DNNL_ARG_TO).set_data_handle(call.out);
  execute(reorder_, slot, slot.reorder_arguments);
}

SlicePrimitive::SlicePrimitive(const PrimitiveKey& key) try : made_(std::make_unique<Made>(key)) {
} catch (const dnnl::error& error) {
  if (error.status == dnnl_unimplemented) throw NoPrimitive(error.what());
  throw;
}
SlicePrimitive::~SlicePrimitive() = default;
const PrimitiveKey& SlicePrimitive::key() const { return made_->key(); }
bool SlicePrimitive::has_wide_sums() const { return made_->has_wide_sums(); }
void SlicePrimitive::reserve(std::size_t slots) { made_->reserve(slots); }
std::size_t SlicePrimitive::packed_size() const { return made_->packed_size(); }
void SlicePrimitive::set_weights(std::size_t index, const void* plain, void* packed) {
  made_->set_weights(index, plain, packed);
}
void SlicePrimitive::run(std::size_t slot, const Call& call) { made_->run(slot, call); }

bool has_exact_bytes() {
  static const bool has_vnni = [] {
    constexpr auto kVnni = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_vnni);
    return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & kVnni) == kVnni;
  }();
  return has_vnni;
}

void multiply_bytes(std::int64_t channels, std::int64_t k, std::int64_t rows, const void* dy,
                    const void* x, std::int64_t x_pitch, std::int32_t x_shift, bool is_first,
                    std::int32_t* sums) {
  constexpr std::int32_t kNoOffset = 0;
  const dnnl_status_t status = dnnl_gemm_s8s8s32(
      'T', 'N', 'F', channels, k, rows, 1.0F, static_cast<const std::int8_t*>(dy), channels, 0,
      static_cast<const std::int8_t*>(x), x_pitch, static_cast<std::int8_t>(x_shift),
      is_first ? 0.0F : 1.0F, sums, k, &kNoOffset);
  dnnl::error::wrap_c_api(status, "oneDNN's product of bytes failed");
}

}  // namespace qloom::contraction
