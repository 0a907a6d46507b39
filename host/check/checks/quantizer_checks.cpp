// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/quantizer.hpp"
#include "host/json/printable.hpp"
#include "host/kernels/kernels.hpp"
#include "host/methods/quantizer.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::check {
namespace {

/// body(case, driver of a prepared instance, input) for everything that prepare() takes. Learned
/// values differ from group to group.
template <class Body>
void for_prepared(Context& context, const Body& body) {
  for (const Case& c : context.accepted()) {
    for (const Input& input : inputs_of("quantizer", context.seed())) {
      context.at("{}, {}", c.text(), input.name);
      registry::Instance instance = context.create(c);
      QuantizerDriver driver(context, c, instance, input.x, input.channel_axis);
      if (!driver.prepare(0).empty()) continue;
      driver.spread();
      body(c, driver, input, instance);
    }
  }
}

void expect_same(Context& context, const Entry& found, const Entry& expected,
                 const std::string& what) {
  const std::string text = difference(Record{found}, Record{expected});
  if (!text.empty()) context.find(fmt::format("{}: {}", what, text));
}

/// Gradients of learned values, added up in another order: double sums differ far less than this.
void expect_near(Context& context, const Entry& found, const Entry& expected,
                 const std::string& what) {
  const auto &a = std::get<std::vector<float>>(found.values),
             &b = std::get<std::vector<float>>(expected.values);
  float largest = 0;
  for (const float v : b) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!(std::abs(a[i] - b[i]) > 1e-4F * largest)) continue;
    return context.find(
        fmt::format("{}, {}: element {} is {}, expected {}: backward() must add up "
                    "all of a block",
                    what, expected.name, i, a[i], b[i]));
  }
}

/// decode() against what an importer makes of encoding().
void check_meaning(Context& context, QuantizerDriver& driver,
                   const std::vector<std::int32_t>& codes, const Entry& decoded) {
  const std::optional<qloom_encoding> given = driver.encoding();
  if (!given) return;
  const qloom_encoding& e = *given;
  const bool has_groups = e.kind != QLOOM_ENCODING_FLOAT || e.grid.scale != nullptr;
  if (has_groups && e.groups != driver.groups_of(e).count()) return;
  const std::vector<float> y = check::decoded(e, driver.groups_of(e), codes);
  if (y.empty()) return;
  const std::string text = difference(Values{y}, decoded.values);
  if (!text.empty()) context.find(fmt::format("encoding(), not decode(), of the codes: {}", text));
}

/// Codes that a width holds; a part of a bit counts as one.
std::size_t codes_of(const qloom_encoding& e, std::size_t group) {
  const bool has_own = e.bits_of_group != nullptr && group < e.groups;
  const double own = has_own ? double{e.bits_of_group[group]} : e.bits;
  return static_cast<std::size_t>(std::ldexp(1.0, static_cast<int>(std::ceil(own))));
}

void check_code_width(Context& context, QuantizerDriver& driver,
                      const std::vector<std::int32_t>& codes) {
  const std::optional<qloom_encoding> given = driver.encoding();
  if (!given) return;
  const qloom_encoding& e = *given;
  const EncodingGroups groups = driver.groups_of(e);
  if (e.bits >= 31) return;
  const std::int64_t width = std::int64_t{1} << e.bits;
  std::vector<std::set<std::int32_t>> used(groups.count());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::uint64_t g = groups.of(i);
    used[g].insert(codes[i]);
    double lo = 0, hi = static_cast<double>(width - 1);
    if (e.kind == QLOOM_ENCODING_AFFINE) {
      lo = e.grid.code_min[g];
      hi = e.grid.code_max[g];
    } else if (e.kind == QLOOM_ENCODING_CODEBOOK || e.kind == QLOOM_ENCODING_VECTORS) {
      hi = static_cast<double>(e.codebook_size) - 1;
    }
    if (codes[i] >= lo && codes[i] <= hi) continue;
    return context.find(
        fmt::format("code {} of element {} is outside {} .. {}", codes[i], i, lo, hi));
  }
  // A grid may leave out codes (the odd ones alone of -15 .. 15 have 4 bits), so they are counted.
  for (std::size_t g = 0; g < used.size(); ++g) {
    const std::size_t held = codes_of(e, g);
    if (used[g].size() <= held) continue;
    context.find(fmt::format("group {} has {} codes, its width holds {}", g, used[g].size(), held));
  }
}

std::vector<float> with_gaps(const Tensor& x) {
  std::vector<float> gaps(x.begin(), x.end());
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(), kInf, -kInf};
  for (std::size_t i = 0; i < gaps.size(); i += 5) gaps[i] = odd[i / 5 % 3];
  return gaps;
}

/// apply() and backward() with the gradients of learned values, by the driver that runs networks.
Record hosted(methods::Quantizer& quantizer, const qloom_tensor& geometry, const Tensor& x,
              const Tensor& dy, Rounding rounding) {
  std::vector<float> y(x.size(), kUnwritten), dx(dy.begin(), dy.end());
  std::vector<methods::LearnedParameter> learned;
  quantizer.read_learned(learned);
  quantizer.start_tiles(geometry, pure_call(rounding, 0, nullptr));
  for_each_tile(x.size(), [&](std::uint64_t first, std::uint64_t n) {
    quantizer.apply(first, n, x.data() + first, y.data() + first);
  });
  quantizer.check_tiles();
  if (quantizer.sees_whole_gradient()) {
    qloom_tensor seen = geometry, gradient = geometry;
    seen.data = x.data();
    gradient.data = dy.data();
    quantizer.backward_prepare(seen, gradient);
  }
  quantizer.start_sums();
  for_each_tile(x.size(), [&](std::uint64_t first, std::uint64_t n) {
    quantizer.backward(first, n, x.data() + first, dx.data() + first, dx.data() + first);
  });
  quantizer.check_tiles();
  quantizer.add_sums(learned);
  Record record{{"apply", std::move(y), ""}, {"backward", std::move(dx), ""}};
  for (auto& l : learned) record.push_back({"gradient of " + l.name, std::move(l.gradient), ""});
  return record;
}

/// The driver that runs networks gives the bits of `driver`, whose cutting is written apart from
/// it.
void expect_hosted(Context& context, const Case& c, QuantizerDriver& driver, const Input& input,
                   Rounding rounding) {
  const Tensor dy = gaussian(input.x.shape(), context.seed() + 977);
  Record expected{driver.apply(rounding, kTileElements)};
  append(expected, driver.backward(rounding, dy, kTileElements));
  for (const Entry& entry : expected) {
    if (!entry.refusal.empty()) return;
  }
  registry::Instance instance = context.create(c);
  QuantizerDriver own(context, c, instance, input.x, input.channel_axis);
  if (!own.prepare(0).empty()) return;
  own.spread();
  methods::Quantizer quantizer(std::move(instance));
  const Record found = hosted(quantizer, driver.geometry(), input.x, dy, rounding);
  for (std::size_t i = 0; i < found.size() && i < expected.size(); ++i) {
    expected[i].name = found[i].name;
  }
  const std::string text = difference(found, expected);
  if (!text.empty()) context.find(fmt::format("as the host drives it: {}", text));
}

}  // namespace

void check_quantizer_blocks(Context& context) {
  for_prepared(context, [&](const Case& c, QuantizerDriver& driver, const Input& input, auto&) {
    const Tensor dy = gaussian(input.x.shape(), context.seed() + 977);
    for (const Rounding r : {Rounding::kNearest, Rounding::kStochastic}) {
      expect_hosted(context, c, driver, input, r);
      const Entry y = driver.apply(r, input.x.size());
      const Record dx = driver.backward(r, dy, input.x.size());
      for (const std::uint64_t step : {kTileElements, std::uint64_t{4099}, std::uint64_t{257}}) {
        const std::string what = fmt::format("in blocks of {}", step);
        expect_same(context, driver.apply(r, step), y, what);
        const Record cut = driver.backward(r, dy, step);
        expect_same(context, cut.front(), dx.front(), what);
        for (std::size_t i = 1; i < std::min(cut.size(), dx.size()); ++i) {
          expect_near(context, cut[i], dx[i], what);
        }
        if (driver.ops().encode == nullptr) continue;
        expect_same(context, driver.encode(r, step), driver.encode(r, input.x.size()), what);
      }
    }
  });
}

void check_lowered_quantizer(Context& context) {
  for_prepared(context, [&](const Case&, QuantizerDriver& driver, const Input&, auto&) {
    const std::pair<Rounding, Rounding> pairs[] = {
        {Rounding::kNearest, Rounding::kGenericNearest},
        {Rounding::kStochastic, Rounding::kGenericStochastic}};
    for (const auto& [lowered, generic] : pairs) {
      Entry found = driver.apply(generic, kTileElements);
      const Entry expected = driver.apply(lowered, kTileElements);
      found.name = expected.name;
      expect_same(context, found, expected, "with a rounding method that is not lowered");
    }
  });
}

void check_codes(Context& context) {
  bool has_codes = false;
  for_prepared(context, [&](const Case&, QuantizerDriver& driver, const Input&, auto&) {
    const std::string fault = driver.encoding_fault();
    if (!fault.empty()) return context.find(fmt::format("encoding: {}", fault));
    if (!driver.encodes()) return;
    has_codes = true;
    for (const Rounding r : {Rounding::kNearest, Rounding::kStochastic}) {
      const Entry y = driver.apply(r, kTileElements), codes = driver.encode(r, kTileElements);
      if (!y.refusal.empty() || !codes.refusal.empty()) {
        if (y.refusal != codes.refusal) {
          context.find(fmt::format("apply: {}; encode: {}", y.refusal, codes.refusal));
        }
        continue;
      }
      const auto& list = std::get<std::vector<std::int32_t>>(codes.values);
      const Entry decoded = driver.decode(list, kTileElements);
      const std::string text = difference(decoded.values, y.values);
      if (!text.empty()) context.find(fmt::format("decode(encode(x)), {}: {}", name(r), text));
      check_code_width(context, driver, list);
      check_meaning(context, driver, list, decoded);
    }
  });
  if (!has_codes) context.skip("has no codes");
}

void check_quantizer_non_finite(Context& context) {
  for_prepared(context, [&](const Case& c, QuantizerDriver& driver, const Input& input,
                            registry::Instance& instance) {
    const Tensor gaps = tensor_of(with_gaps(input.x), input.x.shape());
    for (const Rounding r : {Rounding::kNearest, Rounding::kStochastic}) {
      const Entry y = driver.apply(r, kTileElements);
      QuantizerDriver second(context, c, instance, gaps, input.channel_axis);
      const Entry found = second.apply(r, kTileElements);
      if (driver.ops().encode != nullptr) static_cast<void>(second.encode(r, kTileElements));
      if (!y.refusal.empty() || !found.refusal.empty()) continue;
      const auto &a = std::get<std::vector<float>>(found.values),
                 &b = std::get<std::vector<float>>(y.values);
      for (std::size_t i = 0; i < a.size(); ++i) {
        if (i % 5 == 0 || std::memcmp(&a[i], &b[i], sizeof(float)) == 0) continue;
        context.find(
            fmt::format("element {} is {}, but {} where other elements are finite", i, a[i], b[i]));
        break;
      }
    }
    registry::Instance other = context.create(c);  // whatever it answers, it must answer
    QuantizerDriver third(context, c, other, gaps, input.channel_axis);
    if (third.prepare(0).empty()) static_cast<void>(third.apply(Rounding::kNearest, kTileElements));
  });
}

void check_quantizer_modes(Context& context) {
  for_prepared(context, [&](const Case& c, QuantizerDriver& driver, const Input& input,
                            registry::Instance& instance) {
    const auto values = [&] {
      std::vector<float> all;
      for (const qloom_learned& l : driver.learned())
        all.insert(all.end(), l.value, l.value + l.count);
      return all;
    };
    const data::Arrays before = instance.save();
    const std::vector<float> learned = values();
    const Tensor test = scaled(input.x, 3.0F);
    QuantizerDriver later(context, c, instance, test, input.channel_axis);
    later.set_training(false);
    if (later.prepare(1).empty()) static_cast<void>(later.apply(Rounding::kNearest, kTileElements));
    std::string text = difference(instance.save(), before);
    if (!text.empty()) context.find(fmt::format("evaluation changed what is saved: {}", text));
    text = difference(Values{values()}, Values{learned});
    if (!text.empty()) context.find(fmt::format("evaluation changed learned values: {}", text));
  });
}

namespace {

/// Each has a name of its own and values.
bool are_complete(Context& context, const std::vector<qloom_learned>& all) {
  std::set<std::string> names;
  for (const qloom_learned& l : all) {
    if (l.name == nullptr || l.value == nullptr || l.count == 0) {
      context.find("a learned parameter has no name or no values after prepare()");
      return false;
    }
    if (!names.insert(l.name).second) context.find(fmt::format("two are called \"{}\"", l.name));
  }
  return true;
}

/// Where the values lie is promised once.
void expect_in_place(Context& context, const std::vector<qloom_learned>& before,
                     const std::vector<qloom_learned>& after) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (i < after.size() && after[i].value == before[i].value &&
        after[i].count == before[i].count) {
      continue;
    }
    context.find(
        fmt::format("\"{}\" has moved in memory, expected one place from the first "
                    "prepare() on",
                    before[i].name));
  }
}

}  // namespace

void check_learned(Context& context) {
  bool learns = false;
  for_prepared(context, [&](const Case&, QuantizerDriver& driver, const Input& input,
                            registry::Instance& instance) {
    const std::vector<qloom_learned> before = driver.learned();
    if (before.empty()) return;
    learns = true;
    if (!are_complete(context, before)) return;
    const Tensor dy = gaussian(input.x.shape(), context.seed() + 977);
    const Record gradients = driver.backward(Rounding::kNearest, dy, kTileElements);
    if (gradients.size() != before.size() + 1) return context.find("gives no gradients");
    for (std::size_t i = 0; i < before.size(); ++i) {
      const auto& g = std::get<std::vector<float>>(gradients[i + 1].values);
      for (const float v : g) {
        if (v == kUnwritten) context.find(fmt::format("{} was not written", gradients[i + 1].name));
      }
    }
    for (const qloom_learned& l : before) *l.value += 0.0625F;  // as an optimizer would
    qloom_error error = registry::empty_error();
    if (driver.ops().after_update != nullptr &&
        driver.ops().after_update(driver.self(), &error) != QLOOM_OK) {
      return context.find(fmt::format("after_update: {}", json::printable(error.message)));
    }
    static_cast<void>(driver.prepare(1));
    static_cast<void>(driver.apply(Rounding::kNearest, kTileElements));
    static_cast<void>(instance.save());
    expect_in_place(context, before, driver.learned());
  });
  if (!learns) context.skip("learns nothing");
}

}  // namespace qloom::check
