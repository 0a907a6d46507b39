// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What holds for every type of layer: one way of doing its work, gradients that are central
// differences, chunks that leave no trace.
#include <algorithm>
#include <cmath>
#include <map>

#include "host/layers/common/reader.hpp"
#include "host/tensor/error.hpp"
#include "tests/contraction/naive.hpp"

namespace qloom::test {
namespace {
using layers::Elementwise;
using layers::Layer;
using layers::LayerType;
using layers::SampleShape;
using nlohmann::json;

constexpr std::int64_t kTableBatch = 3;
constexpr SampleShape kShape{4, 3, 5};
constexpr layers::Step kTableTraining{7, 2, true};

/// Keys that a type cannot be without, and keys that make it less trivial.
json keys_of(const std::string& type) {
  static const std::map<std::string, json> keys{
      {"conv", {{"filters", 2}, {"kernel", 2}, {"dilation", 2}}},
      {"dense", {{"units", 4}}},
      {"max_pool", {{"kernel", 2}, {"stride", 1}}},
      {"average_pool", {{"kernel", 2}, {"padding", "same"}}},
      {"dropout", {{"rate", 0.25}}},
      {"leaky_relu", {{"slope", 0.125}}},
      {"pad", {{"top", 1}, {"right", 2}, {"value", -1.5}}}};
  const auto found = keys.find(type);
  return found == keys.end() ? json::object() : found->second;
}

Layer layer_of(const LayerType& type) {
  json object = keys_of(type.name);
  object["type"] = type.name;
  Layer layer;
  layer.name = "layer";
  layer.type = &type;
  layer.sign = type.sign;
  layer.in = layer.out = kShape;
  const auto count = static_cast<std::size_t>(type.least_inputs);
  layer.inputs.assign(count, 0);
  layers::Reader reader(object, "test", std::vector<SampleShape>(count, kShape), 10);
  if (type.read != nullptr) type.read(reader, layer);
  return layer;
}

/// The layer's function, however it is done, and its gradient.
class Function {
 public:
  explicit Function(const Layer& layer) : layer_(layer), shapes_(layer.inputs.size(), kShape) {}

  std::vector<float> forward(const std::vector<std::vector<float>>& x) {
    const std::int64_t n = kTableBatch * layer_.out.size();
    std::vector<float> y(static_cast<std::size_t>(n), NAN);
    const Elementwise& each = layer_.type->elementwise;
    if (each.forward != nullptr) {
      each.forward(layer_, kTableTraining, {0, y.size()}, x[0].data(),
                   x.size() > 1 ? x[1].data() : nullptr, y.data());
    } else {
      layer_.type->whole.forward(layer_, inputs(x), y.data(), places_);
    }
    return y;
  }
  /// Of input `i`; after forward().
  std::vector<float> gradient(const std::vector<std::vector<float>>& x, const std::vector<float>& y,
                              const std::vector<float>& dy, std::size_t i) {
    std::vector<float> dx(x[i].size(), NAN);
    const Elementwise& each = layer_.type->elementwise;
    if (layer_.type->whole.gradient != nullptr) {
      layer_.type->whole.gradient(layer_, inputs(x), places_, dy.data(), i, dx.data());
    } else if (each.gradient != nullptr) {
      each.gradient(layer_, kTableTraining, {0, dx.size()},
                    each.reads == Elementwise::Reads::kOutput ? y.data() : x[i].data(), dy.data(),
                    dx.data());
    } else {
      dx = dy;
    }
    return dx;
  }

 private:
  layers::Inputs inputs(const std::vector<std::vector<float>>& x) {
    values_.clear();
    for (const auto& one : x) values_.push_back(one.data());
    return {kTableBatch, values_, shapes_};
  }

  const Layer& layer_;
  std::vector<SampleShape> shapes_;
  std::vector<const float*> values_;
  std::vector<std::int32_t> places_;
};

/// Values apart from each other and from the corners at -3, 0, 3 and 6, so that a step of 2^-7
/// crosses none and makes no other element the largest of a window.
std::vector<float> smooth_values(std::size_t input) {
  const std::int64_t n = kTableBatch * kShape.size();
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {  // 180 places in a fixed disorder, 1/16 apart
    x[static_cast<std::size_t>(i)] =
        static_cast<float>((i * 77 + static_cast<std::int64_t>(input) * 13) % n - n / 2) / 16.0F +
        1.0F / 32.0F;
  }
  return x;
}

bool works_on_tensors(const LayerType& type) {
  return type.elementwise.forward != nullptr || type.whole.forward != nullptr;
}

TEST(LayerTable, EveryTypeWorksInOneWay) {
  std::vector<std::string> names;
  for (const LayerType* type : layers::table()) {
    const int ways = (type->contraction != nullptr ? 1 : 0) + (type->is_norm ? 1 : 0) +
                     (type->same_bytes ? 1 : 0) + (type->elementwise.forward != nullptr ? 1 : 0) +
                     (type->whole.forward != nullptr ? 1 : 0);
    EXPECT_EQ(ways, 1) << type->name;
    EXPECT_FALSE(type->whole.forward != nullptr && type->whole.gradient == nullptr) << type->name;
    EXPECT_FALSE(type->elementwise.gradient != nullptr && type->whole.gradient != nullptr)
        << type->name;
    EXPECT_LE(type->least_inputs, type->most_inputs) << type->name;
    EXPECT_EQ(layers::find_type(type->name), type);
    names.emplace_back(type->name);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
  EXPECT_GE(names.size(), 19U);
}

TEST(LayerTable, EveryGradientEqualsCentralDifferences) {
  constexpr double kStep = 0x1p-7;
  omp_set_num_threads(1);  // thousands of small tensors
  for (const LayerType* type : layers::table()) {
    if (!works_on_tensors(*type)) continue;
    const Layer layer = layer_of(*type);
    Function function(layer);
    std::vector<std::vector<float>> x;
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) x.push_back(smooth_values(i));
    const std::vector<float> y = function.forward(x);
    const auto dy = random_values(static_cast<std::int64_t>(y.size()), 3);
    for (std::size_t input = 0; input < x.size(); ++input) {
      function.forward(x);
      const std::vector<float> dx = function.gradient(x, y, dy, input);
      for (std::size_t i = 0; i < x[input].size(); ++i) {
        auto up = x, down = x;
        up[input][i] += static_cast<float>(kStep);
        down[input][i] -= static_cast<float>(kStep);
        const auto above = function.forward(up), below = function.forward(down);
        double slope = 0, size = 0;
        for (std::size_t k = 0; k < y.size(); ++k) {
          slope += dy[k] * (double{above[k]} - double{below[k]}) / (2 * kStep);
          size += std::abs(dy[k] * (above[k] != below[k] ? 1.0 : 0.0) * y[k]);
        }
        // Rounding of y by half an ulp, twice, over the step; curvature: |f'''| <= 2, times the
        // square of the step over 6.
        const double bound = (size * 0x1p-23 / kStep) + 4 * kStep * kStep / 6 + 1e-5;
        ASSERT_NEAR(dx[i], slope, bound) << type->name << ", input " << input << ", " << i;
      }
    }
  }
}

TEST(LayerTable, ChunksAndPlaceLeaveNoTrace) {
  constexpr std::size_t kElements = 9001;
  const auto x = random_values(kElements, 5, -8, 8), second = random_values(kElements, 6),
             dy = random_values(kElements, 7);
  for (const LayerType* type : layers::table()) {
    const Elementwise& each = type->elementwise;
    if (each.forward == nullptr) continue;
    const Layer layer = layer_of(*type);
    std::vector<float> whole(kElements), chunks(kElements), in_place = x, dx(kElements),
                                                            dx_in_place = dy;
    each.forward(layer, kTableTraining, {0, kElements}, x.data(), second.data(), whole.data());
    each.forward(layer, kTableTraining, {0, kElements}, in_place.data(), second.data(),
                 in_place.data());
    EXPECT_EQ(in_place, whole) << type->name;
    for (std::size_t first = 0, n = 1; first < kElements; first += n, n = n * 3 % 1021 + 1) {
      n = std::min(n, kElements - first);
      each.forward(layer, kTableTraining, {first, n}, x.data() + first, second.data() + first,
                   chunks.data() + first);
      if (each.gradient == nullptr) continue;
      const float* seen = (each.reads == Elementwise::Reads::kOutput ? whole : x).data() + first;
      each.gradient(layer, kTableTraining, {first, n}, seen, dy.data() + first, dx.data() + first);
    }
    EXPECT_EQ(chunks, whole) << type->name;
    if (each.gradient == nullptr) continue;
    each.gradient(layer, kTableTraining, {0, kElements},
                  (each.reads == Elementwise::Reads::kOutput ? whole : x).data(),
                  dx_in_place.data(), dx_in_place.data());
    EXPECT_EQ(dx_in_place, dx) << type->name;
  }
}

TEST(LayerTable, SignsAreKept) {
  const std::vector<std::vector<float>> x(2, random_values(kTableBatch * kShape.size(), 8, 0, 9));
  const std::vector<std::vector<float>> any(2,
                                            random_values(kTableBatch * kShape.size(), 8, -9, 9));
  for (const LayerType* type : layers::table()) {
    if (!works_on_tensors(*type)) continue;
    const Layer layer = layer_of(*type);
    const auto smallest = [&](const auto& values) {
      const auto y = Function(layer).forward({values.begin(), values.begin() + type->least_inputs});
      return *std::min_element(y.begin(), y.end());
    };
    if (layer.sign == layers::Sign::kOfInputs) {
      EXPECT_GE(smallest(x), 0) << type->name;
    }
    if (layer.sign == layers::Sign::kNotNegative) {
      EXPECT_GE(smallest(any), 0) << type->name;
    }
  }
}

}  // namespace
}  // namespace qloom::test
