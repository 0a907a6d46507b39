// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/random_network.hpp"

#include <string>
#include <vector>

#include "host/tensor/random.hpp"

namespace qloom::test {
namespace {

using json::Json;

/// A tensor of codes that layers may read.
struct Coded {
  std::string name;
  std::int64_t side = 8, channels = 2;
};

class NetworkMaker {
 public:
  explicit NetworkMaker(std::uint64_t seed) : seed_(seed) {
    has_one_grid_ = one_of(4) == 0;
    has_product_bias_ = one_of(2) == 0;
    has_planes_ = !has_product_bias_ && one_of(3) == 0;
  }

  RandomNetwork make() {
    add_weight_rules();
    open_ = {contraction({"", 8, 2})};
    const std::uint64_t depth = 2 + one_of(5);
    for (std::uint64_t i = 0; i < depth; ++i) open_.push_back(layer());
    finish();
    return {{{"format", 1}, {"name", "random"}, {"layers", layers_}}, rules_};
  }

 private:
  std::uint64_t one_of(std::uint64_t n) { return random_word(seed_, 41, 0, words_++) % n; }
  bool flips() { return one_of(2) == 0; }
  template <class... T>
  std::string choice(T... texts) {
    const std::vector<std::string> all{texts...};
    return all[one_of(all.size())];
  }

  void add_weight_rules() {
    const Json quantizer =
        has_planes_ ? Json{{"plugin", "ttq"}, {"granularity", choice("tensor", "channel")}}
                    : Json{{"plugin", "affine"},
                           {"bits", 3 + one_of(6)},
                           {"symmetric", true},
                           {"granularity", choice("tensor", "channel")}};
    rules_.push_back({{"site", "weight"}, {"quantizer", quantizer}});
    rules_.push_back({{"site", "input"},
                      {"quantizer", {{"plugin", "affine"}, {"bits", 4 + one_of(5)}}},
                      {"range", {{"plugin", "moving_average_min_max"}}}});
    if (has_product_bias_) {
      rules_.push_back({{"site", "bias"}, {"quantizer", {{"plugin", "product"}}}});
    }
  }

  enum class Requantizer { kNone, kMaybe, kNeeded };

  /// Codes of the layer's group; kNeeded: only a requantizer makes integers there.
  void add_rule(const std::string& layer, Requantizer wanted, const std::string& site = "output") {
    Json rule{{"site", site}, {"layers", Json::array({layer})}};
    if (has_one_grid_) {
      rule["quantizer"] = {{"plugin", "fixed_point"}, {"bits", 8}, {"fraction_bits", 4}};
    } else {
      rule["quantizer"] = {{"plugin", "affine"}, {"bits", 3 + one_of(7)}, {"symmetric", flips()}};
      rule["range"] = {{"plugin", "moving_average_min_max"}};
    }
    if (wanted == Requantizer::kNeeded || (wanted == Requantizer::kMaybe && flips())) {
      rule["requantizer"] = {
          {"plugin", "multiplier"},
          {"preset", choice("tflite_reference", "ruy", "cmsis_nn_single", "dory")}};
      if (flips()) rule["requantizer"] = {{"plugin", "multiplier"}, {"bits", 12 + one_of(20)}};
    }
    rules_.push_back(std::move(rule));
  }

  [[nodiscard]] Requantizer of_contraction() const {
    return has_planes_ ? Requantizer::kNeeded : Requantizer::kMaybe;
  }

  void add(Json layer, const std::vector<std::string>& inputs) {
    if (!inputs.empty() && !inputs[0].empty()) layer["input"] = inputs;
    if (inputs.size() == 1 && !inputs[0].empty()) layer["input"] = inputs[0];
    layers_.push_back(std::move(layer));
  }
  std::string fresh(const char* type) { return type + std::to_string(layers_.size()); }
  /// What may follow in the group of a sum.
  std::string behind(std::string name, bool has_norm) {
    if (has_norm) {
      add({{"name", name + "n"}, {"type", "norm"}}, {name});
      name += "n";
    }
    const std::string type = choice("", "relu", "relu6");
    if (type.empty()) return name;
    add({{"name", name + "r"}, {"type", type}}, {name});
    return name + "r";
  }

  Coded contraction(const Coded& x) {
    const std::string name = fresh("c");
    const auto channels = static_cast<std::int64_t>(2 + one_of(4));
    add({{"name", name},
         {"type", "conv"},
         {"filters", channels},
         {"kernel", flips() ? 3 : 1},
         {"padding", "same"},
         {"bias", flips()}},
        {x.name});
    const std::string last = behind(name, flips());
    add_rule(name, of_contraction());
    return {last, x.side, channels};
  }

  /// An open tensor; mostly nobody else reads it.
  Coded take() {
    const auto at = static_cast<std::ptrdiff_t>(one_of(open_.size()));
    Coded taken = open_[static_cast<std::size_t>(at)];
    if (open_.size() > 1 && one_of(3) != 0) open_.erase(open_.begin() + at);
    return taken;
  }
  /// Another one of this side, and of these channels where that matters.
  Coded partner(const Coded& x, bool is_add) {
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const Coded& other = open_[(i + words_) % open_.size()];
      const bool fits = other.side == x.side && (!is_add || other.channels == x.channels);
      if (fits && other.name != x.name) return other;
    }
    const std::string name = fresh("q");
    add({{"name", name}, {"type", "conv"}, {"filters", x.channels}, {"kernel", 1}}, {x.name});
    add_rule(name, of_contraction());
    return {name, x.side, x.channels};
  }

  Coded layer() {
    const Coded x = take();
    switch (one_of(6)) {
      case 0:
        return contraction(x);
      case 1:
        return joined(x, true);
      case 2:
      case 3:
        return joined(x, false);
      default:
        return pooled(x);
    }
  }
  Coded joined(const Coded& x, bool is_add) {
    const Coded other = partner(x, is_add);
    const std::string name = fresh(is_add ? "a" : "b");
    add({{"name", name}, {"type", is_add ? "add" : "concat"}}, {x.name, other.name});
    const std::string last = behind(name, is_add && flips());
    const bool is_grouped = is_add || last == name;
    add_rule(is_grouped ? name : last,
             is_add && !has_one_grid_ ? Requantizer::kNeeded : Requantizer::kMaybe);
    return {last, x.side, is_add ? x.channels : x.channels + other.channels};
  }
  Coded pooled(Coded x) {
    const auto kernel = static_cast<std::int64_t>(2 + one_of(2));
    if (x.side < kernel) return contraction(x);
    if (one_of(3) == 0) x = beside(x);
    const bool is_mean = one_of(3) != 0, pads = flips();
    const std::string name = fresh(is_mean ? "m" : "p");
    const auto stride = static_cast<std::int64_t>(1 + one_of(2));
    const std::int64_t side =
        pads ? (x.side + stride - 1) / stride : (x.side - kernel) / stride + 1;
    add({{"name", name},
         {"type", is_mean ? "average_pool" : "max_pool"},
         {"kernel", kernel},
         {"stride", stride},
         {"padding", pads ? "same" : "valid"}},
        {x.name});
    if (is_mean) add_rule(name, Requantizer::kMaybe);
    if (!is_mean && is_beside_) add_rule(name, Requantizer::kNone);
    is_beside_ = false;
    return {name, side, x.channels};
  }
  /// A concatenation that a pool reads as it is, whose channels may have several scales.
  Coded beside(const Coded& x) {
    const Coded other = partner(x, false);
    const std::string name = fresh("b");
    add({{"name", name}, {"type", "concat"}}, {x.name, other.name});
    is_beside_ = true;
    return {name, x.side, x.channels + other.channels};
  }

  /// One tensor out of all that nobody reads yet, and the logits.
  void finish() {
    std::vector<std::string> means;
    for (const Coded& x : open_) {
      const std::string name = fresh("g");
      add({{"name", name}, {"type", "global_average_pool"}}, {x.name});
      add_rule(name, Requantizer::kMaybe);
      means.push_back(name);
    }
    std::string last = means[0];
    if (means.size() > 1) {
      last = fresh("b");
      add({{"name", last}, {"type", "concat"}}, means);
      add_rule(last, Requantizer::kMaybe);
    }
    add({{"name", "d"},
         {"type", "dense"},
         {"units", "classes"},
         {"bias", has_product_bias_ || flips()}},
        {last});
    if (has_planes_ || flips()) add_rule("d", of_contraction(), "logits");
  }

  std::uint64_t seed_, words_ = 0;
  bool has_one_grid_ = false, has_product_bias_ = false, has_planes_ = false, is_beside_ = false;
  Json layers_ = Json::array(), rules_ = Json::array();
  std::vector<Coded> open_;
};

}  // namespace

RandomNetwork random_network(std::uint64_t seed) { return NetworkMaker(seed).make(); }

}  // namespace qloom::test
