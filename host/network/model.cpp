// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/model.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "host/data/array_file.hpp"
#include "host/data/npy.hpp"
#include "host/json/names.hpp"
#include "host/json/validate.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/memory.hpp"

namespace qloom::network {
namespace {

using json::Json;

constexpr int kFormat = 1;                   // newest revision of model files that is understood
constexpr const char* kInputName = "input";  // the network's input, as layers call it

struct TypeRow {
  LayerType type;
  const char* name;
  std::set<std::string> keys;  ///< beside name, type and input
};

const std::vector<TypeRow>& type_table() {
  static const std::vector<TypeRow> table{
      {LayerType::kConv,
       "conv",
       {"filters", "kernel", "stride", "padding", "groups", "bias", "initialisation"}},
      {LayerType::kDense, "dense", {"units", "bias", "initialisation"}},
      {LayerType::kNorm, "norm", {}},
      {LayerType::kRelu, "relu", {}},
      {LayerType::kRelu6, "relu6", {}},
      {LayerType::kMaxPool, "max_pool", {"kernel", "stride", "padding"}},
      {LayerType::kAveragePool, "average_pool", {"kernel", "stride", "padding"}},
      {LayerType::kGlobalPool, "global_average_pool", {}},
      {LayerType::kAdd, "add", {}},
      {LayerType::kConcat, "concat", {}},
      {LayerType::kFlatten, "flatten", {}}};
  return table;
}

const TypeRow& row_of(const std::string& type_name) {
  return *std::find_if(type_table().begin(), type_table().end(),
                       [&](const TypeRow& row) { return row.name == type_name; });
}

std::string text(const SampleShape& s) {
  return fmt::format("{} x {} x {}", s.height, s.width, s.channels);
}

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
    const TypeRow& row = row_of(object_["type"].get<std::string>());
    layer_.type = row.type;
    check_name();
    check_keys(row);
    read_inputs();
    layer_.in = shape_of(layer_.inputs[0]);
    layer_.out = layer_.in;
    switch (layer_.type) {
      case LayerType::kConv:
        read_conv();
        break;
      case LayerType::kDense:
        read_dense();
        break;
      case LayerType::kMaxPool:
      case LayerType::kAveragePool:
        read_window(false);
        break;
      case LayerType::kGlobalPool:
        read_global_pool();
        break;
      case LayerType::kFlatten:
        layer_.out = {1, 1, layer_.in.size()};
        break;
      case LayerType::kAdd:
        read_add();
        break;
      case LayerType::kConcat:
        read_concat();
        break;
      case LayerType::kNorm:
      case LayerType::kRelu:
      case LayerType::kRelu6:
        break;  // out has the shape of in
    }
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

  void check_keys(const TypeRow& row) const {
    for (const auto& [key, value] : object_.items()) {
      if (key == "name" || key == "type" || key == "input" || row.keys.contains(key)) continue;
      refuse("/" + key,
             fmt::format("{} has no meaning in a layer of type \"{}\"{}", value.dump(), row.name,
                         row.keys.empty()
                             ? ""
                             : json::nearest_or_known(key, {row.keys.begin(), row.keys.end()})));
    }
  }
  const Json& required(const char* key) const {
    if (!object_.contains(key)) {
      refuse("", fmt::format("missing key \"{}\", which type \"{}\" needs", key,
                             object_["type"].get<std::string>()));
    }
    return object_[key];
  }

  void read_inputs() {
    const bool takes_many = layer_.type == LayerType::kAdd || layer_.type == LayerType::kConcat;
    if (!object_.contains("input")) {
      if (takes_many) required("input");
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
    const char* expected = nullptr;
    if (layer_.type == LayerType::kAdd && names.size() != 2) expected = "two inputs";
    if (layer_.type == LayerType::kConcat && names.size() < 2) expected = "two or more inputs";
    if (!takes_many && names.size() != 1) expected = "one input";
    if (expected != nullptr) {
      refuse("/input", fmt::format("{} are {} inputs; type \"{}\" takes {}", input.dump(),
                                   names.size(), name(layer_.type), expected));
    }
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

  void read_pair(const char* key, std::int64_t& height, std::int64_t& width) const {
    const Json& value = object_[key];
    height = value.is_object() ? value["height"].get<std::int64_t>() : value.get<std::int64_t>();
    width = value.is_object() ? value["width"].get<std::int64_t>() : height;
  }

  /// Zeros before and after one axis so that the output has ceil(size / stride) elements.
  static void pad_same(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                       std::int64_t& before, std::int64_t& after) {
    const std::int64_t out = (size + stride - 1) / stride;
    const std::int64_t all = std::max<std::int64_t>((out - 1) * stride + kernel - size, 0);
    before = all / 2;
    after = all - before;
  }

  /// Kernel, stride and padding, and the height and width of the output.
  void read_window(bool is_conv) {
    required("kernel");
    read_pair("kernel", layer_.kernel_h, layer_.kernel_w);
    if (!is_conv) {
      layer_.stride_h = layer_.kernel_h;
      layer_.stride_w = layer_.kernel_w;
    }
    if (object_.contains("stride")) read_pair("stride", layer_.stride_h, layer_.stride_w);
    const Json padding = object_.value("padding", Json("valid"));
    if (padding == "same") {
      pad_same(layer_.in.height, layer_.kernel_h, layer_.stride_h, layer_.pad_top,
               layer_.pad_bottom);
      pad_same(layer_.in.width, layer_.kernel_w, layer_.stride_w, layer_.pad_left,
               layer_.pad_right);
    } else if (padding.is_number()) {
      const auto pad = padding.get<std::int64_t>();
      layer_.pad_top = layer_.pad_bottom = layer_.pad_left = layer_.pad_right = pad;
      if (!is_conv && (pad >= layer_.kernel_h || pad >= layer_.kernel_w)) {
        refuse("/padding",
               fmt::format("{} is not below the kernel {} x {}: a window would see only "
                           "padding",
                           pad, layer_.kernel_h, layer_.kernel_w));
      }
    }
    const std::int64_t height = layer_.in.height + layer_.pad_top + layer_.pad_bottom;
    const std::int64_t width = layer_.in.width + layer_.pad_left + layer_.pad_right;
    if (layer_.kernel_h > height || layer_.kernel_w > width) {
      refuse("/kernel", fmt::format("{} x {} is larger than the padded input {} x {}",
                                    layer_.kernel_h, layer_.kernel_w, height, width));
    }
    layer_.out.height = (height - layer_.kernel_h) / layer_.stride_h + 1;
    layer_.out.width = (width - layer_.kernel_w) / layer_.stride_w + 1;
  }

  /// The weights with their gradient, and one sample of the output, fit into this machine.
  void check_size() const {
    std::int64_t weights = 0;
    if (layer_.type == LayerType::kConv) {
      weights = data::checked_count({layer_.out.channels, layer_.kernel_h, layer_.kernel_w,
                                     layer_.in.channels / layer_.groups});
    } else if (layer_.type == LayerType::kDense) {
      weights = data::checked_count({layer_.out.channels, layer_.in.size()});
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

  void read_contraction() {
    layer_.has_bias = object_.value("bias", true);
    layer_.initialisation = object_.value("initialisation", "he");
  }

  void read_conv() {
    read_contraction();
    read_window(true);
    const std::int64_t channels = layer_.in.channels;
    const Json groups = object_.value("groups", Json(1));
    const bool is_depthwise = groups == "channels";
    layer_.groups = is_depthwise ? channels : groups.get<std::int64_t>();
    layer_.out.channels = is_depthwise && !object_.contains("filters")
                              ? channels
                              : required("filters").get<std::int64_t>();
    if (channels % layer_.groups != 0) {
      refuse("/groups", fmt::format("{} does not divide the {} channels of the input",
                                    layer_.groups, channels));
    }
    if (layer_.out.channels % layer_.groups != 0) {
      refuse("/filters", fmt::format("{} is not a multiple of the {} groups", layer_.out.channels,
                                     layer_.groups));
    }
  }

  void read_dense() {
    read_contraction();
    const Json& units = required("units");
    layer_.out = {1, 1, units.is_string() ? classes_ : units.get<std::int64_t>()};
  }

  void read_global_pool() {
    layer_.kernel_h = layer_.stride_h = layer_.in.height;
    layer_.kernel_w = layer_.stride_w = layer_.in.width;
    layer_.out = {1, 1, layer_.in.channels};
  }

  void read_add() const {
    const SampleShape& other = shape_of(layer_.inputs[1]);
    if (!(layer_.in == other)) {
      refuse("/input", fmt::format("shapes {} and {} differ; expected two of one shape",
                                   text(layer_.in), text(other)));
    }
  }

  void read_concat() {
    layer_.out.channels = 0;
    for (const int i : layer_.inputs) {
      const SampleShape& part = shape_of(i);
      if (part.height != layer_.in.height || part.width != layer_.in.width) {
        refuse("/input", fmt::format("shapes {} and {} differ in height or width", text(layer_.in),
                                     text(part)));
      }
      layer_.out.channels += part.channels;
    }
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
                    where, last, model.layers.back().name, text(out), classes));
  }
}

void check_format(const Json& document, const std::string& where) {
  if (!document.is_object() || !document.contains("format")) return;
  const Json& format = document["format"];
  if (format.is_number_integer() && format > kFormat) {
    throw InputError(fmt::format("{}/format: {} is newer than {}, the newest known", where,
                                 format.dump(), kFormat));
  }
}

}  // namespace

const char* name(LayerType type) {
  return std::find_if(type_table().begin(), type_table().end(),
                      [&](const TypeRow& row) { return row.type == type; })
      ->name;
}

int Model::find(const std::string& layer) const {
  const auto found = std::find_if(layers.begin(), layers.end(),
                                  [&](const Layer& other) { return other.name == layer; });
  return found == layers.end() ? -1 : static_cast<int>(found - layers.begin());
}

Model parse_model(const nlohmann::json& text, const std::string& file, SampleShape input,
                  std::int64_t classes) {
  // A model inside a pipeline brings its pointer along: "<file>: /model/inline".
  const std::string where = file.find(": /") == std::string::npos ? file + ": " : file;
  check_format(text, where);
  const Json schema = Json::parse(data::read_text(registry::schema_folder() / "model.schema.json"));
  const Json document = json::validate(schema, text, where);
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
