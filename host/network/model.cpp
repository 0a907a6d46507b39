// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/model.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/arrays/npy.hpp"
#include "host/json/names.hpp"
#include "host/json/text.hpp"
#include "host/json/validate.hpp"
#include "host/layers/common/reader.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/memory.hpp"

namespace qloom::network {
namespace {

using json::Json;

constexpr int kFormat = 1;                   // newest revision of model files that is understood
constexpr const char* kInputName = "input";  // the network's input, as layers call it

/// One layer of the file; the layers before it are known.
class LayerReader {
 public:
  LayerReader(const Json& object, std::size_t index, const Json& all, const Model& model,
              std::int64_t classes, const std::string& file_where)
      : object_(object),
        all_(all),
        model_(model),
        classes_(classes),
        where_(fmt::format("{}/layers/{}", file_where, index)) {}

  Layer read() {
    layer_.name = object_["name"].get<std::string>();
    layer_.type = layers::find_type(object_["type"].get<std::string>());
    if (layer_.type == nullptr) refuse("/type", object_["type"].dump() + " is no known type");
    check_name();
    check_keys();
    read_inputs();
    std::vector<SampleShape> shapes;
    for (const int i : layer_.inputs) shapes.push_back(shape_of(i));
    layer_.in = layer_.out = shapes[0];
    layer_.sign = layer_.type->sign;
    layers::Reader reader(object_, where_, std::move(shapes), classes_);
    if (layer_.type->read != nullptr) layer_.type->read(reader, layer_);
    check_size();
    return std::move(layer_);
  }

 private:
  [[noreturn]] void refuse(const std::string& pointer, const std::string& message) const {
    throw InputError(fmt::format("{}{}: {}", where_, pointer, message));
  }
  [[nodiscard]] const SampleShape& shape_of(int index) const {
    return index < 0 ? model_.input : model_.layers[static_cast<std::size_t>(index)].out;
  }

  void check_name() const {
    if (layer_.name == kInputName) refuse("/name", "\"input\" is the name of the network's input");
    if (const int first = model_.find(layer_.name); first >= 0) {
      refuse("/name", fmt::format("\"{}\" is already the name of layer {}; expected a unique name",
                                  layer_.name, first));
    }
  }

  void check_keys() const {
    std::vector<std::string> known;
    for (const char* key : layer_.type->keys) {
      if (key != nullptr) known.emplace_back(key);
    }
    std::sort(known.begin(), known.end());
    for (const auto& [key, value] : object_.items()) {
      if (key == "name" || key == "type" || key == "input") continue;
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      refuse("/" + key, fmt::format("{} has no meaning in a layer of type \"{}\"{}", value.dump(),
                                    layer_.type->name,
                                    known.empty() ? "" : json::nearest_or_known(key, known)));
    }
  }

  void read_inputs() {
    const layers::LayerType& type = *layer_.type;
    if (!object_.contains("input")) {
      if (type.least_inputs > 1) {
        refuse("", fmt::format("missing key \"input\", which type \"{}\" needs", type.name));
      }
      layer_.inputs = {static_cast<int>(model_.layers.size()) - 1};
      return;
    }
    const Json& input = object_["input"];
    const auto names = input.is_array() ? input.get<std::vector<std::string>>()
                                        : std::vector<std::string>{input.get<std::string>()};
    for (std::size_t i = 0; i < names.size(); ++i) {
      layer_.inputs.push_back(
          find_input(names[i], input.is_array() ? fmt::format("/input/{}", i) : "/input"));
    }
    const auto count = static_cast<int>(names.size());
    if (count >= type.least_inputs && count <= type.most_inputs) return;
    refuse("/input",
           fmt::format("{} are {} inputs; type \"{}\" takes {}", input.dump(), count, type.name,
                       type.most_inputs == 1   ? "one input"
                       : type.most_inputs == 2 ? "two inputs"
                                               : "two or more inputs"));
  }

  [[nodiscard]] int find_input(const std::string& wanted, const std::string& pointer) const {
    if (wanted == kInputName) return -1;
    const int index = model_.find(wanted);
    if (index >= 0) return index;
    std::vector<std::string> known{kInputName};
    for (const Json& other : all_) {
      if (other["name"] == wanted) {
        refuse(pointer,
               fmt::format("\"{}\" does not stand before this layer; a layer reads earlier "
                           "ones, cycles have no order",
                           wanted));
      }
    }
    for (const Layer& layer : model_.layers) known.push_back(layer.name);
    refuse(pointer, fmt::format("\"{}\" is no earlier layer{}", wanted,
                                json::nearest_or_known(wanted, known)));
  }

  /// The weights with their gradient, and one sample of the output, fit into this machine.
  void check_size() const {
    std::int64_t weights = 0;
    if (layer_.is_contraction()) {
      const contraction::ContractionShape s = layer_.type->contraction(layer_, 1);
      weights = data::checked_count({s.out_c, s.kernel_h, s.kernel_w, s.in_c / s.groups});
    }
    const std::int64_t outputs =
        data::checked_count({layer_.out.height, layer_.out.width, layer_.out.channels});
    check_memory(weights, 2 * sizeof(float), "weights with a gradient");
    check_memory(outputs, sizeof(float), "outputs per sample");
  }
  /// `count` is -1 when it is 2^56 or more.
  void check_memory(std::int64_t count, std::uint64_t bytes_each, const char* what) const {
    const std::uint64_t memory = machine_memory();
    if (count >= 0 && static_cast<std::uint64_t>(count) <= memory / bytes_each) return;
    refuse("", fmt::format("layer \"{}\" has {} {}, which do not fit into the {} bytes of this "
                           "machine",
                           layer_.name, count < 0 ? "2^56 or more" : std::to_string(count), what,
                           memory));
  }

  const Json& object_;
  const Json& all_;
  const Model& model_;
  std::int64_t classes_;
  std::string where_;
  Layer layer_;
};

/// Every layer but the last is read by another, and the last one gives one logit per class.
void check_ends(const Model& model, std::int64_t classes, const std::string& where) {
  std::set<int> read;
  for (const Layer& layer : model.layers) read.insert(layer.inputs.begin(), layer.inputs.end());
  const int last = static_cast<int>(model.layers.size()) - 1;
  for (int i = 0; i < last; ++i) {
    if (read.contains(i)) continue;
    throw InputError(
        fmt::format("{}/layers/{}: nobody reads layer \"{}\"; only the last layer gives "
                    "its output away",
                    where, i, model.layers[static_cast<std::size_t>(i)].name));
  }
  const SampleShape& out = model.layers.back().out;
  if (!(out == SampleShape{1, 1, classes})) {
    throw InputError(
        fmt::format("{}/layers/{}: the last layer \"{}\" gives {}; expected 1 x 1 x {}, "
                    "one logit per class",
                    where, last, model.layers.back().name, layers::text(out), classes));
  }
}

}  // namespace

int Model::find(const std::string& layer) const {
  const auto found = std::find_if(layers.begin(), layers.end(),
                                  [&](const Layer& other) { return other.name == layer; });
  return found == layers.end() ? -1 : static_cast<int>(found - layers.begin());
}

Model parse_model(const Json& text, const std::string& file, SampleShape input,
                  std::int64_t classes) {
  // A model inside a pipeline brings its pointer along: "<file>: /model/inline".
  const std::string where = file.find(": /") == std::string::npos ? file + ": " : file;
  json::require_known_format(text, kFormat, where);
  const Json document = json::validate(registry::read_schema("model"), text, where);
  Model model;
  model.name = document.value("name", std::filesystem::path(file).stem().string());
  model.input = input;
  const Json& layers = document["layers"];
  for (std::size_t i = 0; i < layers.size(); ++i) {
    model.layers.push_back(LayerReader(layers[i], i, layers, model, classes, where).read());
  }
  check_ends(model, classes, where);
  return model;
}

}  // namespace qloom::network
