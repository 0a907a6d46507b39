// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/losses.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "host/tensor/parallel.hpp"

namespace qloom::layers {
namespace {

/// Adds row(r, loss) over all rows: sixteen parts at most, each in order, then the parts in order.
template <class Row>
Loss sum_rows(std::int64_t batch, const Row& row) {
  constexpr std::int64_t kParts = 16;
  const std::int64_t size = (batch + kParts - 1) / kParts;
  std::array<Loss, kParts> parts{};
  for_each(static_cast<std::uint64_t>(kParts), [&](std::uint64_t p) {
    const std::int64_t first = static_cast<std::int64_t>(p) * size;
    Loss part;
    for (std::int64_t r = first; r < std::min(first + size, batch); ++r) row(r, part);
    parts[p] = part;
  });
  Loss total;
  for (const Loss& part : parts) {
    total.sum += part.sum;
    total.correct += part.correct;
  }
  return total;
}

bool is_correct(const float* logits, std::int64_t classes, std::int32_t label) {
  return std::max_element(logits, logits + classes) - logits == label;
}

}  // namespace

Loss softmax_cross_entropy(const float* logits, const std::int32_t* labels, std::int64_t batch,
                           std::int64_t classes, float* gradient) {
  const double count = static_cast<double>(batch);
  return sum_rows(batch, [&](std::int64_t r, Loss& loss) {
    const float* z = logits + r * classes;
    const double largest = *std::max_element(z, z + classes);
    double total = 0;
    for (std::int64_t c = 0; c < classes; ++c) total += std::exp(z[c] - largest);
    loss.sum += std::log(total) + largest - z[labels[r]];
    loss.correct += is_correct(z, classes, labels[r]) ? 1 : 0;
    if (gradient == nullptr) return;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double probability = std::exp(z[c] - largest) / total;
      gradient[r * classes + c] =
          static_cast<float>((probability - (c == labels[r] ? 1 : 0)) / count);
    }
  });
}

Loss sum_of_squares(const float* logits, const std::int32_t* labels, std::int64_t batch,
                    std::int64_t classes, float* gradient) {
  return sum_rows(batch, [&](std::int64_t r, Loss& loss) {
    const float* y = logits + r * classes;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double difference = double{y[c]} - (c == labels[r] ? 1 : 0);
      loss.sum += 0.5 * difference * difference;
      if (gradient != nullptr) gradient[r * classes + c] = static_cast<float>(difference);
    }
    loss.correct += is_correct(y, classes, labels[r]) ? 1 : 0;
  });
}

Loss squared_hinge(const float* logits, const std::int32_t* labels, std::int64_t batch,
                   std::int64_t classes, float* gradient) {
  const double number = static_cast<double>(classes), count = static_cast<double>(batch) * number;
  return sum_rows(batch, [&](std::int64_t r, Loss& loss) {
    const float* y = logits + r * classes;
    double sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double target = c == labels[r] ? 1 : -1;
      const double missing = std::max(0.0, 1.0 - target * double{y[c]});
      sum += missing * missing;
      if (gradient == nullptr) continue;
      gradient[r * classes + c] = static_cast<float>(-2.0 * target * missing / count);
    }
    loss.sum += sum / number;
    loss.correct += is_correct(y, classes, labels[r]) ? 1 : 0;
  });
}

LossFunction find_loss(std::string_view name) {
  static constexpr std::pair<std::string_view, LossFunction> kLosses[] = {
      {"softmax_cross_entropy", &softmax_cross_entropy},
      {"sum_of_squares", &sum_of_squares},
      {"squared_hinge", &squared_hinge}};
  for (const auto& [known, loss] : kLosses) {
    if (known == name) return loss;
  }
  return nullptr;
}

}  // namespace qloom::layers
