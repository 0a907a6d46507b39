// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <map>
#include <string>
#include <vector>

#include "host/methods/norm.hpp"
#include "host/network/model.hpp"
#include "host/network/parameter.hpp"
#include "host/network/pass.hpp"

namespace qloom::network {

/// The norm of one layer: its method, parameters and the quantizers of its internals. Works on rows
/// of the tensor, so that one pass can do the work of its neighbours too.
class NormLayer {
 public:
  NormLayer(const registry::Registry& registry, MethodSpec spec, const Layer& layer,
            std::int64_t fan_in);
  /// Statistics of x, or the inference form where the pass does not train norms.
  void start(const Tensor& x, const Pass& pass);
  /// Rows first .. first + rows - 1; x and y point to row `first`; y may be x.
  void apply(std::uint64_t first, std::uint64_t rows, const float* x, float* y) const noexcept;

  /// Gradient of the last start(), same x. First the sums of each block of
  /// methods::pass_block(channels) elements, then backward_prepare(), then the rows of dx; dx may
  /// be dy.
  void backward_start();
  void backward_sums(std::uint64_t block, std::uint64_t first, std::uint64_t rows, const float* x,
                     const float* dy) noexcept;
  void backward_prepare();
  void backward(std::uint64_t first, std::uint64_t rows, const float* x, const float* dy,
                float* dx) const noexcept;

  /// y = scale * x + shift with the running statistics, of a pass like this.
  void inference(const Pass& pass, std::vector<float>& scale, std::vector<float>& shift);

  /// From now on shadows have statistics of their own, at first those of the weights; passes with
  /// use_shadows read and move them alone.
  void add_shadow();
  void drop_shadow() { shadow = {}; }
  /// Takes the statistics over from the norm that stood at this layer before.
  void adopt(const NormLayer& before);

  /// Quantizers of slots; set by lowering.
  std::map<std::string, SiteQuantizer*, std::less<>> slot_sites;
  Parameter *gamma = nullptr, *beta = nullptr;
  methods::Norm method;
  methods::Norm shadow;  ///< with the statistics of the shadows, where they have their own
  MethodSpec spec;
  std::int64_t fan_in = 0;
  bool has_affine = false;  ///< gamma and beta: of its method, and not without by the parameter
                            ///< "affine"

 private:
  [[nodiscard]] methods::Norm make() const;
  /// The method that the present pass uses.
  [[nodiscard]] const methods::Norm& acting() const {
    return pass_.use_shadows && shadow ? shadow : method;
  }
  void inference(std::vector<float>& scale, std::vector<float>& shift);
  [[nodiscard]] qloom_norm_call call(std::uint32_t mode, std::uint64_t rows);
  static qloom_status quantize_slot(void* self, const char* slot, const float* x, float* y,
                                    std::uint64_t n) noexcept;
  const registry::Registry* registry_;
  std::int64_t channels_ = 0;
  std::string name_;
  Pass pass_;
  qloom_norm_call call_{};
  methods::NormSums sums_;
  std::vector<float> scale_, shift_;
  Tensor slot_in_, slot_out_;
};

}  // namespace qloom::network
