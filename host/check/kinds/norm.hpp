// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A norm called as the host calls it, on rows x channels.
#pragma once

#include <algorithm>

#include "host/check/kinds/record.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::check {

class NormDriver {
 public:
  NormDriver(Context& context, registry::Instance& instance, const Tensor& x);

  [[nodiscard]] std::string begin();
  /// The refusal of prepare().
  [[nodiscard]] std::string prepare(const qloom_norm_call& call);
  /// prepare(), then apply() in blocks of `block` rows.
  [[nodiscard]] Entry forward(const char* what, std::uint32_t mode, std::uint64_t block);
  /// Sums in the host's blocks, backward() in blocks of `block` rows: dx, dgamma, dbeta.
  [[nodiscard]] Record backward(const char* what, std::uint32_t mode, const Tensor& dy,
                                std::uint64_t block);
  [[nodiscard]] Record inference();

  [[nodiscard]] qloom_norm_call call(std::uint32_t mode) const;
  [[nodiscard]] const qloom_norm& ops() const { return instance_.ops<qloom_norm>(); }
  [[nodiscard]] void* self() const { return instance_.self(); }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t channels() const { return channels_; }
  [[nodiscard]] Tensor& gamma() { return gamma_; }
  [[nodiscard]] Tensor& beta() { return beta_; }

 private:
  template <class Body>
  void for_rows(std::uint64_t block, const Body& body) const {
    for_each((rows_ + block - 1) / block,
             [&](std::uint64_t i) { body(i * block, std::min(block, rows_ - i * block)); });
  }
  Context& context_;
  registry::Instance& instance_;
  const Tensor& x_;
  std::uint64_t rows_, channels_;
  Tensor gamma_, beta_;
};

}  // namespace qloom::check
