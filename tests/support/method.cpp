// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/method.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include <qloom/geometry.hpp>

#include "host/kernels/kernels.hpp"
#include "host/kernels/stored_codes.hpp"
#include "host/tensor/normal.hpp"
#include "host/tensor/random.hpp"

namespace qloom::test {
namespace {

/// Sets the number of threads and puts the old one back.
class Threads {
 public:
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Index of the first element whose bits differ, for messages.
template <class T>
std::size_t first_difference(const std::vector<T>& a, const std::vector<T>& b) {
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && std::memcmp(&a[i], &b[i], sizeof(T)) == 0) ++i;
  return i;
}

void expect_same_bits(const std::vector<float>& actual, const std::vector<float>& expected,
                      const std::string& what) {
  if (same_bits(actual, expected)) return;
  ASSERT_EQ(actual.size(), expected.size()) << what;
  const std::size_t i = first_difference(actual, expected);
  ADD_FAILURE() << what << ": element " << i << " is " << actual[i] << ", expected " << expected[i];
}

/// The rule's quantizer on its own, prepared as the node's was, so that blocks can be cut at will.
class Alone {
 public:
  Alone(const sites::SiteQuantizer& node, const Tensor& x, const qloom_tensor& geometry)
      : rounding_(registry().create(*node.spec().rounding.method, node.spec().rounding.params)),
        quantizer_(registry().create(*node.spec().quantizer.method, node.spec().quantizer.params)),
        x_(&x),
        geometry_(geometry) {
    const data::Arrays state = node.save();
    const auto& ranges = std::get<std::vector<double>>(state.at("site/ranges").values);
    for (std::size_t i = 0; i + 1 < ranges.size(); i += 2) {
      ranges_.push_back({ranges[i], ranges[i + 1]});
    }
    qloom_prepare in{};
    in.struct_size = sizeof in;
    in.training = 1;
    in.x = geometry;
    if ((ops().caps & QLOOM_QUANTIZER_WANTS_EXTREMES) != 0) {
      std::vector<double> lo(geometry.groups), hi(lo);
      std::vector<std::uint64_t> non_finite(geometry.groups);
      kernels::table().extremes(&geometry, lo.data(), hi.data(), non_finite.data());
      for (std::size_t g = 0; g < lo.size(); ++g) ranges_.push_back({lo[g], hi[g]});
    }
    const std::uint32_t wants = QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;
    if ((ops().caps & wants) == 0) in.x.data = nullptr;
    in.ranges = ranges_.empty() ? nullptr : ranges_.data();
    qloom_error error = registry::empty_error();
    registry::check(quantizer_.method(), "prepare", ops().prepare(quantizer_.self(), &in, &error),
                    error);
    const sites::SiteContext& context = node.context();
    call_.struct_size = sizeof call_;
    call_.training = 1;
    call_.seed = context.seed;
    call_.stream = stream_id(context.name);
  }

  [[nodiscard]] const qloom_quantizer& ops() const { return quantizer_.ops<qloom_quantizer>(); }

  /// apply() in blocks of `step` elements; fused: the rounding may be lowered to a kernel's rule.
  [[nodiscard]] std::vector<float> apply(std::uint64_t step, bool fused) {
    std::vector<float> y(geometry_.n);
    const qloom_call c = call(fused);
    for (std::uint64_t first = 0; first < geometry_.n; first += step) {
      const qloom_block b = block(first, std::min(step, geometry_.n - first));
      const auto status =
          ops().apply(quantizer_.self(), &c, &b, x_->data() + first, y.data() + first);
      EXPECT_EQ(status, QLOOM_OK) << "apply, block at " << first;
    }
    return y;
  }

 private:
  [[nodiscard]] qloom_call call(bool fused) const {
    qloom_call c = call_;
    const auto& rounding = rounding_.ops<qloom_rounding>();
    c.rounding = {rounding_.self(), &rounding, QLOOM_ROUND_GENERIC, 0};
    std::uint32_t rule = 0, argument = 0;
    if (fused && rounding.lower != nullptr &&
        rounding.lower(rounding_.self(), &rule, &argument) == QLOOM_OK) {
      c.rounding.rule = rule;
      c.rounding.argument = argument;
    }
    return c;
  }
  [[nodiscard]] qloom_block block(std::uint64_t first, std::uint64_t n) const {
    return sdk::block_of(geometry_, first, n);
  }

  registry::Instance rounding_, quantizer_;
  const Tensor* x_;
  qloom_tensor geometry_;
  std::vector<qloom_range> ranges_;
  qloom_call call_{};
};

/// The tensor as (outer, groups, inner), from the definition of granularity.
qloom_tensor geometry_of(const sites::SiteQuantizer& node, const Tensor& x, bool per_sample) {
  const Shape& shape = x.shape();
  qloom_tensor t{x.data(), shape.data(), shape.size(), x.size(), 1, 1, x.size()};
  const Json granularity = methods::granularity_of(node.spec().quantizer);
  if (per_sample || granularity == "sample") {
    t.groups = static_cast<std::uint64_t>(shape.at(0));
    t.inner = x.size() / t.groups;
  } else if (granularity == "channel") {
    int axis = node.context().channel_axis;
    if (axis < 0) axis += static_cast<int>(shape.size());
    t.groups = static_cast<std::uint64_t>(shape.at(static_cast<std::size_t>(axis)));
    for (int i = 0; i < axis; ++i) t.outer *= static_cast<std::uint64_t>(shape[i]);
    t.inner = x.size() / (t.outer * t.groups);
  } else if (granularity.is_object()) {
    t.inner = granularity.at("group").get<std::uint64_t>();
    t.groups = (x.size() + t.inner - 1) / t.inner;
  }
  return t;
}

Tensor clamped(const sites::SiteQuantizer& node, const Tensor& x) {
  Tensor y = x;
  if (const auto& clamp = node.spec().clamp) {
    for (float& v : y) {
      v = std::clamp(v, static_cast<float>(clamp->first), static_cast<float>(clamp->second));
    }
  }
  return y;
}

void expect_same_for_any_cut(const std::string& rule, const Tensor& x,
                             const sites::SiteContext& context) {
  Site site(rule, context);
  const std::vector<float> expected = site.forward(x);
  const Tensor in = clamped(site.node, x);
  const registry::Instance probe =
      registry().create(*site.node.spec().quantizer.method, site.node.spec().quantizer.params);
  const bool per_sample =
      (probe.ops<qloom_quantizer>().caps & QLOOM_QUANTIZER_GROUPS_PER_SAMPLE) != 0;
  Alone alone(site.node, in, geometry_of(site.node, in, per_sample));
  constexpr std::uint64_t kWhole = std::uint64_t{1} << 40;
  for (const std::uint64_t step : {kWhole, std::uint64_t{4099}, std::uint64_t{257}}) {
    for (const bool fused : {true, false}) {
      expect_same_bits(
          alone.apply(step, fused), expected,
          rule + " in blocks of " + std::to_string(step) + (fused ? "" : ", rounding not lowered"));
    }
  }
}

void expect_codes_decode_to_values(const std::string& rule, const Tensor& x,
                                   const sites::SiteContext& context) {
  Site site(rule, context);
  const std::vector<float> y = site.forward(x);
  const qloom_encoding encoding = site.node.encoding();
  const registry::Instance probe =
      registry().create(*site.node.spec().quantizer.method, site.node.spec().quantizer.params);
  if (probe.ops<qloom_quantizer>().encode == nullptr) return;
  const std::vector<std::int32_t> codes = site.encode(x);
  Tensor decoded;
  site.node.decode(x.shape(), codes, decoded);
  expect_same_bits(values(decoded), y, rule + ": decode(encode(x))");
  if (encoding.kind == QLOOM_ENCODING_NONE || encoding.bits >= 31) return;
  const std::int64_t width = std::int64_t{1} << encoding.bits;
  double lo = 0, hi = static_cast<double>(width - 1);
  if (encoding.kind == QLOOM_ENCODING_AFFINE) {
    lo = *std::min_element(encoding.grid.code_min, encoding.grid.code_min + encoding.groups);
    hi = *std::max_element(encoding.grid.code_max, encoding.grid.code_max + encoding.groups);
  }
  for (const std::int32_t code : codes) {
    ASSERT_TRUE(code >= lo && code <= hi) << rule << ": code " << code << " is off its grid";
  }
  // Counted per group, because a grid may leave out codes (the odd ones alone of -15 .. 15 have 4
  // bits), and a group of zeros may have a code of its own.
  const bool per_sample =
      (probe.ops<qloom_quantizer>().caps & QLOOM_QUANTIZER_GROUPS_PER_SAMPLE) != 0;
  const qloom_tensor t = geometry_of(site.node, x, per_sample);
  std::vector<std::set<std::int32_t>> used(t.groups);
  for (std::size_t i = 0; i < codes.size(); ++i) used[i / t.inner % t.groups].insert(codes[i]);
  for (std::size_t g = 0; g < used.size(); ++g) {
    ASSERT_LE(used[g].size(), static_cast<std::size_t>(width))
        << rule << ": the codes of group " << g << " need more than " << encoding.bits << " bits";
  }
}

/// What contractions take in place of the values.
void expect_codes_stand_for_values(const std::string& rule, const Tensor& x,
                                   const sites::SiteContext& context) {
  Site site(rule, context);
  const std::vector<float> expected = site.forward(x);
  Site coded(rule, context);
  coded.node.begin_forward(x, {.training = true});
  if (!coded.node.is_coded()) return;
  Tensor y;
  CodedTensor codes;
  coded.node.end_forward(x, &y, &codes);
  expect_same_bits(values(y), expected, rule + ": values with codes");
  const contraction::Operand operand = coded.node.operand(y.data(), codes);
  std::vector<float> back(x.size());
  kernels::load_codes(operand.codes, back.data(), back.size());
  const std::size_t row = back.size() / operand.scale_count;
  for (std::size_t i = 0; i < back.size(); ++i) {
    ASSERT_TRUE(back[i] >= operand.code_min && back[i] <= operand.code_max) << rule << ": " << i;
    back[i] *= operand.scale[i / row];
  }
  expect_same_bits(back, expected, rule + ": codes times scale");
}

struct Results {
  std::vector<float> y, dx;
  std::vector<std::vector<float>> learned;
};

Results run(const std::string& rule, const Tensor& x, const Tensor& dy,
            const sites::SiteContext& context) {
  Site site(rule, context);
  Results r;
  r.y = site.forward(x);
  r.dx = site.backward(x, dy);
  for (const auto& l : site.node.learned()) r.learned.push_back(l.gradient);
  return r;
}

void expect_same_for_any_threads(const std::string& rule, const Tensor& x,
                                 const sites::SiteContext& context) {
  const Tensor dy = gaussian(x.shape(), 977);
  const auto with = [&](int threads) {
    const Threads guard(threads);
    return run(rule, x, dy, context);
  };
  const Results one = with(1);
  for (const int threads : {2, 7}) {
    const Results many = with(threads);
    const std::string what = rule + " on " + std::to_string(threads) + " threads";
    expect_same_bits(many.y, one.y, what);
    expect_same_bits(many.dx, one.dx, what + ", backward");
    ASSERT_EQ(many.learned.size(), one.learned.size());
    for (std::size_t i = 0; i < one.learned.size(); ++i) {
      expect_same_bits(many.learned[i], one.learned[i], what + ", learned gradient");
    }
  }
}

void expect_goes_on_after_load(const std::string& rule, const Tensor& x,
                               const sites::SiteContext& context) {
  Site first(rule, context);
  first.forward(x);
  const data::Arrays state = first.node.save();
  Site second(rule, context);
  data::ArrayReader reader(state, "state");
  second.node.load(reader, "");
  const data::Arrays again = second.node.save();
  ASSERT_EQ(again.size(), state.size()) << rule;
  for (const auto& [key, array] : state) {
    ASSERT_TRUE(again.contains(key)) << rule << ": " << key;
    EXPECT_EQ(again.at(key).values, array.values) << rule << ": " << key;
  }
  expect_same_bits(second.forward(x, true, 1), first.forward(x, true, 1), rule + " after load");
  expect_same_bits(second.forward(x, false, 2), first.forward(x, false, 2),
                   rule + " after load, evaluation");
}

}  // namespace

const registry::Registry& registry() {
  static const registry::Registry instance(registry::Registry::default_folders());
  return instance;
}

Tensor tensor(std::vector<float> values, Shape shape) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
  Tensor x(std::move(shape));
  EXPECT_EQ(x.size(), values.size());
  std::copy_n(values.begin(), std::min(values.size(), x.size()), x.begin());
  return x;
}

std::vector<float> values(const Tensor& x) { return {x.begin(), x.end()}; }

Tensor gaussian(Shape shape, std::uint64_t seed, float deviation) {
  constexpr std::uint64_t kStream = stream_id("test/gaussian");
  Tensor x(std::move(shape));
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = deviation * static_cast<float>(normal(seed, kStream, 0, i));
  }
  return x;
}

Tensor uniform(Shape shape, std::uint64_t seed, float lo, float hi) {
  Tensor x(std::move(shape));
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = lo + (hi - lo) * qloom::uniform(random_word(seed, stream_id("test/uniform"), 0, i));
  }
  return x;
}

Site::Site(const std::string& rule, sites::SiteContext context)
    : node(registry(), sites::resolve_quantizer(registry(), Json::parse(rule), "rule"),
           std::move(context)) {}

std::vector<float> Site::forward(const Tensor& x, bool training, std::uint64_t step) {
  Tensor y;
  node.forward(x, y, {.step = step, .training = training});
  return values(y);
}

std::vector<float> Site::backward(const Tensor& x, const Tensor& dy) {
  Tensor dx;
  node.backward(x, dy, dx);
  return values(dx);
}

std::vector<std::int32_t> Site::encode(const Tensor& x) {
  std::vector<std::int32_t> codes;
  node.encode(x, codes);
  return codes;
}

float Site::learned_gradient(const std::string& name) {
  for (const auto& l : node.learned()) {
    if (l.name == name) return l.gradient.at(0);
  }
  throw std::out_of_range("no learned parameter " + name);
}

float& Site::learned_value(const std::string& name) {
  for (auto& l : node.learned()) {
    if (l.name == name) return *l.value;
  }
  throw std::out_of_range("no learned parameter " + name);
}

registry::Instance create(const std::string& kind, const std::string& id,
                          const std::string& params) {
  Json object = Json::parse(params);
  object["plugin"] = id;
  return methods::create(registry(), methods::resolve(registry(), kind, object, "test"));
}

std::vector<qloom_range> range_of(const std::string& id, const std::string& params, const Tensor& x,
                                  qloom_range_context context, std::uint64_t outer,
                                  std::uint64_t groups) {
  const methods::Range range(create("range", id, params));
  context.struct_size = sizeof context;
  const std::uint64_t inner = std::max<std::uint64_t>(1, x.size() / (outer * groups));
  const qloom_tensor t{x.data(), x.shape().data(), x.shape().size(), x.size(), outer, groups,
                       inner};
  for (std::uint32_t pass = 0; pass < range.passes(); ++pass) {
    range.begin(context, pass);
    range.observe(t);
    range.end(pass);
  }
  std::vector<qloom_range> out;
  range.read(out, groups);
  return out;
}

std::vector<float> round_with(const std::string& id, const std::string& params,
                              const std::vector<float>& x, std::uint64_t seed, std::uint64_t step) {
  const methods::Rounding rounding(create("rounding", id, params));
  qloom_call call{};
  call.struct_size = sizeof call;
  call.seed = seed;
  call.step = step;
  call.rounding = {rounding.instance().self(), &rounding.instance().ops<qloom_rounding>(),
                   QLOOM_ROUND_GENERIC, 0};
  std::vector<float> y(x.size());
  rounding.round(call, 0, x.data(), y.data(), x.size());
  return y;
}

void expect_near(const std::vector<float>& actual, const std::vector<float>& expected,
                 double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
  }
}

void expect_conforms(const std::string& rule, const Tensor& x, sites::SiteContext context) {
  expect_same_for_any_cut(rule, x, context);
  expect_codes_decode_to_values(rule, x, context);
  expect_codes_stand_for_values(rule, x, context);
  expect_same_for_any_threads(rule, x, context);
  expect_goes_on_after_load(rule, x, context);
}

}  // namespace qloom::test
