// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The SDK's test kit on the drivers of the host.
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <qloom/testkit.hpp>

#include "host/data/arrays/array_reader.hpp"
#include "host/json/text.hpp"
#include "host/methods/accumulator.hpp"
#include "host/methods/norm.hpp"
#include "host/methods/range.hpp"
#include "host/methods/rounding.hpp"
#include "host/sites/site_quantizer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::testkit {
namespace {

namespace fs = std::filesystem;
using json::Json;

/// The folder of this library.
fs::path library_folder() {
  static const char here = 0;
  Dl_info info{};
  if (dladdr(&here, &info) == 0 || info.dli_fname == nullptr) return {};
  return fs::absolute(info.dli_fname).parent_path();
}

/// Where qloom finds methods, and those that lie beside this library: <prefix>/lib/qloom/plugins,
/// or <build>/plugins. Schemas are those of the same installation unless QLOOM_SCHEMA_PATH says
/// another place.
registry::Registry find_methods() {
  const fs::path here = library_folder();
  if (const fs::path schemas = here / "../share/qloom/schemas"; fs::is_directory(schemas)) {
    setenv("QLOOM_SCHEMA_PATH", schemas.c_str(), 0);
  }
  std::vector<fs::path> folders = registry::Registry::default_folders();
  for (const char* place : {"qloom/plugins", "../plugins"}) {
    const fs::path folder = here / place;
    const auto is_this = [&](const fs::path& other) { return fs::equivalent(other, folder); };
    if (!fs::is_directory(folder) || std::any_of(folders.begin(), folders.end(), is_this)) continue;
    folders.push_back(folder);
  }
  return registry::Registry(folders);
}

const registry::Registry& methods_found() {
  static const registry::Registry registry = find_methods();
  return registry;
}

Json rule_of(const std::string& text, const char* kind) {
  Json rule = json::parse(text, "RULE");
  if (rule.is_object() && rule.contains(kind)) return rule;
  throw InputError(fmt::format("RULE: {} has no \"{}\"", text, kind));
}

registry::Instance create(const std::string& rule, const char* kind) {
  return methods::create(methods_found(),
                         methods::resolve(methods_found(), kind, rule_of(rule, kind)[kind],
                                          fmt::format("RULE: /{}", kind)));
}

Tensor tensor_of(const Array& x) {
  Tensor t(x.shape.empty() ? Shape{static_cast<std::int64_t>(x.values.size())} : x.shape);
  if (t.size() != x.values.size()) {
    throw InputError(fmt::format("an array of {} values, expected {} as its shape says",
                                 x.values.size(), t.size()));
  }
  std::copy(x.values.begin(), x.values.end(), t.begin());
  return t;
}

std::vector<float> values_of(const Tensor& t) { return {t.begin(), t.end()}; }

sites::SiteContext context_of(const Place& place) {
  sites::SiteContext context{.name = place.site.empty() ? "test" : place.site,
                             .seed = place.seed,
                             .channel_axis = place.channel_axis};
  if (place.site.empty()) return context;
  context.key = sites::SiteKey::parse(place.site);
  if (!context.key) throw InputError(fmt::format("\"{}\" is no site of a layer", place.site));
  context.tracks_range = context.key->site->tracks_range();
  context.has_batch_axis = context.key->site->has_batch_axis();
  return context;
}

/// The parameter of a list with this name.
template <class List>
auto& named(List& learned, const std::string& name) {
  const auto found = std::find_if(learned.begin(), learned.end(),
                                  [&](const auto& own) { return own.name == name; });
  if (found == learned.end()) throw InputError(fmt::format("no learned parameter \"{}\"", name));
  return *found;
}

qloom_call call_of(const methods::Rounding& rounding, const Place& place, const Step& step) {
  const methods::Streams streams(place.site.empty() ? "test" : place.site);
  return methods::call_of(rounding.ref(), streams, place.seed, step.step, step.training);
}

}  // namespace

struct Quantizer::Impl {
  mutable sites::SiteQuantizer node;
};

Quantizer::Quantizer(const std::string& text, const Place& place) {
  const Json rule = rule_of(text, "quantizer");
  const sites::SiteContext context = context_of(place);
  impl_.reset(new Impl{sites::SiteQuantizer(
      methods_found(),
      sites::resolve_quantizer(methods_found(), rule,
                               "RULE: ", context.key ? &*context.key : nullptr),
      context)});
}
Quantizer::~Quantizer() = default;
Quantizer::Quantizer(Quantizer&&) noexcept = default;

std::vector<float> Quantizer::forward(const Array& x, const Step& step) {
  Tensor y;
  impl_->node.forward(tensor_of(x), y, {.step = step.step, .training = step.training});
  return values_of(y);
}

std::vector<float> Quantizer::backward(const Array& x, const Array& dy) {
  Tensor dx;
  impl_->node.backward(tensor_of(x), tensor_of(dy), dx);
  return values_of(dx);
}

std::vector<std::int32_t> Quantizer::encode(const Array& x) {
  std::vector<std::int32_t> codes;
  impl_->node.encode(tensor_of(x), codes);
  return codes;
}

std::vector<float> Quantizer::decode(const std::vector<std::int32_t>& codes,
                                     const std::vector<std::int64_t>& shape) {
  Tensor y;
  impl_->node.decode(shape.empty() ? Shape{static_cast<std::int64_t>(codes.size())} : shape, codes,
                     y);
  return values_of(y);
}

std::string Quantizer::encoding() const { return impl_->node.encoding_json().dump(); }

std::vector<float> Quantizer::learned(const std::string& name) const {
  const auto& own = named(impl_->node.learned(), name);
  return {own.value, own.value + own.gradient.size()};
}

std::vector<float> Quantizer::gradient(const std::string& name) const {
  return named(impl_->node.learned(), name).gradient;
}

void Quantizer::set_learned(const std::string& name, const std::vector<float>& values) {
  auto& own = named(impl_->node.learned(), name);
  if (values.size() != own.gradient.size()) {
    throw InputError(
        fmt::format("\"{}\" has {} values, not {}", name, own.gradient.size(), values.size()));
  }
  std::copy(values.begin(), values.end(), own.value);
  impl_->node.after_update();
}

void Quantizer::copy_state_to(Quantizer& other) const {
  const data::Arrays state = impl_->node.save();
  data::ArrayReader reader(state, "state");
  other.impl_->node.load(reader, "");
}

std::vector<Ends> ranges(const std::string& rule, const std::vector<Array>& batches,
                         std::uint32_t bits, bool per_channel) {
  const methods::Range range(create(rule, "range"));
  const qloom_range_context grid{sizeof(qloom_range_context), bits, 1, 0,
                                 std::uint64_t{1} << bits,    0,    0};
  const methods::Grouping grouping = methods::grouping_of(per_channel ? "channel" : "tensor", -1);
  std::uint64_t groups = 1;
  for (std::uint32_t pass = 0; pass < range.passes(); ++pass) {
    range.begin(grid, pass);
    for (const Array& batch : batches) {
      const Tensor x = tensor_of(batch);
      const qloom_tensor t = methods::tensor_of(grouping, x.shape(), x.data(), "test");
      range.observe(t);
      groups = t.groups;
    }
    range.end(pass);
  }
  std::vector<qloom_range> found;
  range.read(found, groups);
  std::vector<Ends> ends;
  for (const qloom_range& r : found) ends.push_back({r.lo, r.hi});
  return ends;
}

std::vector<float> round(const std::string& rule, const std::vector<float>& x, const Place& place,
                         const Step& step) {
  const methods::Rounding rounding(create(rule, "rounding"));
  std::vector<float> y(x.size());
  rounding.round(call_of(rounding, place, step), 0, x.data(), y.data(), x.size());
  return y;
}

std::vector<double> product(const std::string& rule, const Array& a, const Array& b,
                            const Place& place, const Step& step) {
  const Tensor left = tensor_of(a), right = tensor_of(b);
  const Shape &m = left.shape(), &n = right.shape();
  if (m.size() != 2 || n.size() != 2 || m[1] != n[0]) {
    throw InputError("expected a matrix of (m, k) and one of (k, n)");
  }
  const methods::AccumulatorSpec spec =
      methods::resolve_accumulator(methods_found(), rule_of(rule, "accumulator"), "RULE: ");
  const methods::Accumulator accumulator(methods_found(), spec, nullptr, "",
                                         place.site.empty() ? "test" : place.site);
  return accumulator.product({static_cast<std::uint64_t>(m[0]), static_cast<std::uint64_t>(n[1]),
                              static_cast<std::uint64_t>(m[1]), left.data(), right.data()},
                             place.seed, step.step, step.training);
}

struct Norm::Impl {
  methods::Norm norm;
  std::uint64_t channels;

  [[nodiscard]] qloom_norm_call call(std::uint32_t mode, const Norm& of, std::size_t n) const {
    qloom_norm_call c = methods::norm_call(mode, n / channels, channels);
    c.slots = methods::kept_slots();
    if (norm.has_affine()) {
      c.gamma = of.gamma.data();
      c.beta = of.beta.data();
    }
    return c;
  }
};

Norm::Norm(const std::string& rule, std::uint64_t channels, std::uint64_t fan_in)
    : gamma(channels, 1.0F),
      beta(channels, 0.0F),
      impl_(new Impl{methods::Norm(create(rule, "norm"), channels, fan_in), channels}) {}
Norm::~Norm() = default;
Norm::Norm(Norm&&) noexcept = default;

std::vector<float> Norm::forward(const std::vector<float>& x) {
  std::vector<float> y(x.size());
  impl_->norm.forward(impl_->call(QLOOM_MODE_TRAINING, *this, x.size()), x.data(), y.data());
  return y;
}

NormGradients Norm::backward(const std::vector<float>& x, const std::vector<float>& dy) {
  NormGradients g{std::vector<float>(x.size()), std::vector<float>(impl_->channels),
                  std::vector<float>(impl_->channels)};
  impl_->norm.backward(impl_->call(QLOOM_MODE_TRAINING, *this, x.size()), x.data(), dy.data(),
                       g.dx.data(), g.dgamma.data(), g.dbeta.data());
  return g;
}

std::vector<float> Norm::evaluate(const std::vector<float>& x) {
  std::vector<float> scale, shift, y(x.size());
  impl_->norm.inference(impl_->call(QLOOM_MODE_EVALUATE, *this, 0), scale, shift);
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = scale[i % impl_->channels] * x[i] + shift[i % impl_->channels];
  }
  return y;
}

}  // namespace qloom::testkit
