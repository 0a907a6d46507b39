// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include "host/layers/common/losses.hpp"
#include "tests/contraction/naive.hpp"

namespace qloom::test {
namespace {

using layers::Loss;

constexpr std::int64_t kBatch = 37, kClasses = 10;

std::vector<std::int32_t> labels() {
  std::vector<std::int32_t> out;
  for (const std::int64_t code : random_codes(kBatch, 3, 0, kClasses - 1)) {
    out.push_back(static_cast<std::int32_t>(code));
  }
  return out;
}

double naive_cross_entropy(const std::vector<double>& logits) {
  const auto label = labels();
  double sum = 0;
  for (std::size_t r = 0; r < kBatch; ++r) {
    double total = 0;
    for (std::size_t c = 0; c < kClasses; ++c) total += std::exp(logits[r * kClasses + c]);
    sum -= std::log(std::exp(logits[r * kClasses + static_cast<std::size_t>(label[r])]) / total);
  }
  return sum;
}

double naive_squares(const std::vector<double>& logits) {
  const auto label = labels();
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool is_label = static_cast<std::int32_t>(i % kClasses) == label[i / kClasses];
    sum += 0.5 * std::pow(logits[i] - (is_label ? 1 : 0), 2);
  }
  return sum;
}

double naive_hinge(const std::vector<double>& logits) {
  const auto label = labels();
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool is_label = static_cast<std::int32_t>(i % kClasses) == label[i / kClasses];
    sum += std::pow(std::max(0.0, 1 - (is_label ? logits[i] : -logits[i])), 2) / kClasses;
  }
  return sum;
}

std::int64_t naive_correct(const std::vector<float>& logits) {
  const auto label = labels();
  std::int64_t correct = 0;
  for (std::size_t r = 0; r < kBatch; ++r) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(r * kClasses);
    correct += std::max_element(row, row + kClasses) - row == label[r] ? 1 : 0;
  }
  return correct;
}

TEST(SoftmaxCrossEntropy, ValueAndGradientEqualTheDefinition) {
  const auto logits = random_values(kBatch * kClasses, 1, -4, 4);
  std::vector<float> gradient(logits.size(), NAN);
  const Loss loss = layers::softmax_cross_entropy(logits.data(), labels().data(), kBatch, kClasses,
                                                  gradient.data());
  EXPECT_NEAR(loss.sum, naive_cross_entropy(widened(logits)), 1e-10);
  EXPECT_EQ(loss.correct, naive_correct(logits));
  const auto expected = differences(widened(logits), [](const std::vector<double>& z) {
    return naive_cross_entropy(z) / kBatch;
  });
  expect_near(gradient, expected, 1e-8, "gradient of the batch mean");
}

TEST(SoftmaxCrossEntropy, LargeLogitsStayFinite) {
  const std::vector<float> logits{1e4F, 0, -1e4F, 0, 1e4F, -1e4F};
  const std::vector<std::int32_t> label{0, 0};
  std::vector<float> gradient(6);
  const Loss loss =
      layers::softmax_cross_entropy(logits.data(), label.data(), 2, 3, gradient.data());
  EXPECT_DOUBLE_EQ(loss.sum, 1e4);
  EXPECT_EQ(loss.correct, 1);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0, -0.5F, 0.5F, 0}));
}

TEST(SumOfSquares, ValueAndGradientEqualTheDefinition) {
  const auto logits = random_values(kBatch * kClasses, 1, -2, 2);
  std::vector<float> gradient(logits.size(), NAN);
  const Loss loss =
      layers::sum_of_squares(logits.data(), labels().data(), kBatch, kClasses, gradient.data());
  EXPECT_NEAR(loss.sum, naive_squares(widened(logits)), 1e-10);
  EXPECT_EQ(loss.correct, naive_correct(logits));
  expect_near(gradient, differences(widened(logits), naive_squares), 1e-6, "gradient of the sum");
}

TEST(SquaredHinge, ValueAndGradientEqualTheDefinition) {
  const auto logits = random_values(kBatch * kClasses, 1, -3, 3);
  std::vector<float> gradient(logits.size(), NAN);
  const Loss loss =
      layers::squared_hinge(logits.data(), labels().data(), kBatch, kClasses, gradient.data());
  EXPECT_NEAR(loss.sum, naive_hinge(widened(logits)), 1e-10);
  EXPECT_EQ(loss.correct, naive_correct(logits));
  const auto expected = differences(
      widened(logits), [](const std::vector<double>& y) { return naive_hinge(y) / kBatch; });
  expect_near(gradient, expected, 1e-7, "gradient of the batch mean");
}

/// One sample, three classes: (1 - .5)^2, 0 beyond the margin, (1 + 2)^2, their mean.
TEST(SquaredHinge, IsTheMeanOfWhatIsMissingToTheMargin) {
  const std::vector<float> logits{0.5F, -1.5F, 2};
  const std::vector<std::int32_t> label{0};
  std::vector<float> gradient(3);
  const Loss loss = layers::squared_hinge(logits.data(), label.data(), 1, 3, gradient.data());
  EXPECT_DOUBLE_EQ(loss.sum, (0.25 + 9) / 3);
  EXPECT_EQ(loss.correct, 0);
  EXPECT_EQ(gradient, (std::vector<float>{-1.0F / 3, 0, 2}));
}

TEST(Losses, AreFoundByTheirNames) {
  EXPECT_EQ(layers::find_loss("squared_hinge"), &layers::squared_hinge);
  EXPECT_EQ(layers::find_loss("sum_of_squares"), &layers::sum_of_squares);
  EXPECT_EQ(layers::find_loss("softmax_cross_entropy"), &layers::softmax_cross_entropy);
  EXPECT_EQ(layers::find_loss("hinge"), nullptr);
}

TEST(Losses, TheFirstOfEqualLogitsDecides) {
  const std::vector<float> logits{2, 2, 1, 0, 3, 3};
  const std::vector<std::int32_t> label{0, 2};
  EXPECT_EQ(layers::softmax_cross_entropy(logits.data(), label.data(), 2, 3, nullptr).correct, 1);
  EXPECT_EQ(layers::sum_of_squares(logits.data(), label.data(), 2, 3, nullptr).correct, 1);
}

TEST(Losses, BitsDoNotDependOnTheNumberOfThreads) {
  const auto logits = random_values(kBatch * kClasses, 1, -4, 4);
  const auto label = labels();
  expect_same_for_any_threads([&] {
    return std::vector{
        layers::softmax_cross_entropy(logits.data(), label.data(), kBatch, kClasses, nullptr).sum,
        layers::sum_of_squares(logits.data(), label.data(), kBatch, kClasses, nullptr).sum,
        layers::squared_hinge(logits.data(), label.data(), kBatch, kClasses, nullptr).sum};
  });
}

}  // namespace
}  // namespace qloom::test
