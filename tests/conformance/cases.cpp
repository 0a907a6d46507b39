// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/conformance/cases.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "host/network/norm_call.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"

namespace qloom::conformance {
namespace {

/// More parameters to try, by "kind.id": those a schema's defaults and examples do not reach.
const std::map<std::string, std::vector<std::string>>& more() {
  static const std::map<std::string, std::vector<std::string>> table{
      {"quantizer.affine",
       {R"({"bits": 4, "symmetric": false})", R"({"bits": 1, "scale": "power_of_two"})",
        R"({"bits": 16})", R"({"bits": 3, "granularity": {"group": 48}})"}},
      {"quantizer.fixed_point",
       {R"({"bits": 8, "fraction_bits": 4})",
        R"({"bits": 4, "fraction_bits": 6, "signed": false})"}},
      {"quantizer.minifloat",
       {R"({"exponent_bits": 4, "mantissa_bits": 3, "specials": "fn"})",
        R"({"exponent_bits": 5, "mantissa_bits": 2, "specials": "ieee", "saturate": false})",
        R"({"exponent_bits": 3, "mantissa_bits": 0, "specials": "none", "subnormals": false})"}},
      {"quantizer.qil",
       {R"({"part": "weight", "bits": 3})", R"({"part": "activation", "bits": 4})"}},
      {"quantizer.block_float", {R"({"granularity": {"group": 16}})"}},
      {"accumulator.integer",
       {R"({"bits": 8, "overflow": "wrap"})", R"({"bits": 8, "overflow": "saturate"})"}},
      {"rounding.stochastic", {R"({"random_bits": 1})", R"({"random_bits": 32})"}},
  };
  return table;
}

void add_case(std::vector<Case>& out, const registry::Method& method, const Json& params) {
  std::string name = method.kind + "_" + method.id + "_" + std::to_string(out.size());
  std::replace_if(name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  out.push_back({&method, params, name});
}

bool accepts(const registry::Method& method, const Json& params) {
  try {
    static_cast<void>(test::registry().resolve_parameters(method, params, "test"));
    return true;
  } catch (const InputError&) {
    return false;
  }
}

void add_method(std::vector<Case>& out, const registry::Method& method) {
  const Json schema = method.manifest.value("parameters", Json::object());
  std::vector<Json> tries;
  if (schema.value("required", Json::array()).empty()) tries.push_back(Json::object());
  for (const Json& example : schema.value("examples", Json::array())) tries.push_back(example);
  if (const auto found = more().find(method.kind + "." + method.id); found != more().end()) {
    for (const std::string& text : found->second) tries.push_back(Json::parse(text));
  }
  if (tries.empty()) tries.push_back(Json::object());  // refused: says what is missing
  Json per_channel = tries.front();
  per_channel["granularity"] = "channel";
  if (method.kind == "quantizer" && accepts(method, per_channel)) tries.push_back(per_channel);
  for (const Json& params : tries) add_case(out, method, params);
}

qloom_status keep(void*, const char*, const float* x, float* y, std::uint64_t n) noexcept {
  if (n > 0) std::memmove(y, x, n * sizeof(float));
  return QLOOM_OK;
}

qloom_norm_call norm_call(const Tensor& x, std::uint32_t mode, const Tensor& gamma,
                          const Tensor& beta) {
  qloom_norm_call call{};
  call.struct_size = sizeof call;
  call.mode = mode;
  call.rows = static_cast<std::uint64_t>(x.shape().at(0));
  call.channels = static_cast<std::uint64_t>(x.shape().at(1));
  call.gamma = gamma.data();
  call.beta = beta.data();
  call.momentum = -1.0;
  call.slots = {nullptr, &keep};
  return call;
}

Tensor gamma_of(const Tensor& x) { return test::uniform({x.shape().at(1)}, 41, 0.5F, 1.5F); }
Tensor beta_of(const Tensor& x) { return test::uniform({x.shape().at(1)}, 43, -0.5F, 0.5F); }

}  // namespace

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.method->kind << " " << c.method->id << " " << c.params.dump();
}

std::vector<Case> cases(const std::string& kind) {
  std::vector<Case> out;
  try {
    for (const registry::Method& method : test::registry().methods()) {
      if (method.kind == kind) add_method(out, method);
    }
  } catch (const InputError&) {
    out.clear();  // Registry.FindsMethodsOfEveryKind says why
  }
  return out;
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const char* kind : {"quantizer", "rounding", "range", "norm", "accumulator", "procedure"}) {
    for (Case& c : cases(kind)) all.push_back(std::move(c));
  }
  return all;
}

const std::vector<Input>& inputs() {
  static const std::vector<Input> all = [] {
    const network::SiteContext first{.name = "weight/test", .seed = 5, .channel_axis = 0};
    const network::SiteContext last{.name = "activation/test", .seed = 6, .channel_axis = -1,
                                    .has_batch_axis = true};
    std::vector<Input> list;
    list.push_back({"odd", test::gaussian({37, 129}, 1), first});
    list.push_back({"tiles", test::gaussian({5, 13, 7, 61}, 2, 0.25F), last});
    list.push_back({"positive", test::uniform({2, 2051}, 3, 0.0F, 6.5F), last});
    list.push_back({"zeros", test::tensor(std::vector<float>(33, 0.0F)), first});
    list.push_back({"constant", test::tensor(std::vector<float>(20, -0.75F), {4, 5}), first});
    list.push_back({"single", test::tensor({0.3F}), first});
    list.push_back({"extremes",
                    test::tensor({0.0F, -0.0F, 1e-40F, -1e-40F, 1e-20F, -3e20F, 1.0F, 0.5F, -0.5F,
                                  1.5F, 2.5F, 0.24999999F, 1e10F, -1e10F, 127.5F}),
                    first});
    return list;
  }();
  return all;
}

std::vector<float> float16_values() {
  std::vector<float> all;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 0x1F);
    const auto fraction = static_cast<float>(bits & 0x3FF);
    if (exponent == 31) continue;  // infinity and NaN
    const float magnitude = exponent == 0 ? std::ldexp(fraction, -24)
                                          : std::ldexp(1024.0F + fraction, exponent - 25);
    all.push_back((bits & 0x8000) != 0 ? -magnitude : magnitude);
  }
  return all;
}

Threads::Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
Threads::~Threads() { omp_set_num_threads(before_); }

registry::Instance create(const Case& c) {
  const registry::Registry& r = test::registry();
  return r.create(*c.method, r.resolve_parameters(*c.method, c.params, c.name));
}

std::string rule_of(const Case& quantizer, const std::string& rounding) {
  Json rule{{"quantizer", quantizer.params}, {"rounding", {{"plugin", rounding}}}};
  rule["quantizer"]["plugin"] = quantizer.method->id;
  return rule.dump();
}

std::uint64_t quantizer_digest(const Case& c, const std::string& rounding, const Input& input) {
  test::Site site(rule_of(c, rounding), input.context);
  Digest digest;
  digest.add(site.forward(input.x));
  const registry::Instance probe = create(c);
  if (probe.ops<qloom_quantizer>().encode != nullptr) digest.add(site.encode(input.x));
  digest.add(site.backward(input.x, test::gaussian(input.x.shape(), 977)));
  for (const auto& l : site.node.learned()) digest.add(l.gradient);
  return digest.value();
}

std::vector<float> rounded(const registry::Instance& rounding, const std::vector<float>& x,
                           std::uint64_t first) {
  const auto& ops = rounding.ops<qloom_rounding>();
  qloom_error error = registry::empty_error();
  qloom_call call{};
  call.struct_size = sizeof call;
  call.seed = 11;
  call.stream = 12;
  call.step = 13;
  call.rounding = {rounding.self(), &ops, QLOOM_ROUND_GENERIC, 0};
  call.error = &error;
  std::vector<float> y(x.size());
  registry::check(rounding.method(), "round",
                  ops.round(rounding.self(), &call, first, x.data(), y.data(), x.size()), error);
  return y;
}

std::vector<qloom_range> observed(const registry::Instance& range, const Tensor& x,
                                  std::uint64_t outer, std::uint64_t groups) {
  const auto& ops = range.ops<qloom_range_estimator>();
  qloom_range_context context{};
  context.struct_size = sizeof context;
  context.bits = 4;
  context.is_signed = 1;
  context.levels = 16;
  context.symmetric = 1;
  const qloom_tensor t{x.data(), x.shape().data(), x.shape().size(),           x.size(),
                       outer,    groups,           x.size() / (outer * groups)};
  qloom_error error = registry::empty_error();
  const auto check = [&](const char* what, qloom_status status) {
    registry::check(range.method(), what, status, error);
  };
  for (std::uint32_t pass = 0; pass < ops.passes; ++pass) {
    check("begin", ops.begin(range.self(), &context, pass, &error));
    check("observe", ops.observe(range.self(), &t, &error));
    check("end", ops.end(range.self(), pass, &error));
  }
  std::vector<qloom_range> out(groups);
  check("ranges", ops.ranges(range.self(), out.data(), groups, &error));
  return out;
}

std::uint64_t NormResult::digest() const {
  Digest digest;
  for (const auto* part : {&y, &dx, &dgamma, &dbeta, &y_evaluate, &y_frozen, &dx_frozen, &scale,
                           &shift}) {
    digest.add(*part);
  }
  return digest.value();
}

registry::Instance begun_norm(const Case& c, const Tensor& x) {
  registry::Instance norm = create(c);
  qloom_norm_context context{};
  context.struct_size = sizeof context;
  context.channels = static_cast<std::uint64_t>(x.shape().at(1));
  context.fan_in = 27;
  qloom_error error = registry::empty_error();
  registry::check(norm.method(), "begin",
                  norm.ops<qloom_norm>().begin(norm.self(), &context, &error), error);
  return norm;
}

std::vector<float> evaluate_norm(const registry::Instance& norm, const Tensor& x) {
  const Tensor gamma = gamma_of(x), beta = beta_of(x);
  const qloom_norm_call call = norm_call(x, QLOOM_MODE_EVALUATE, gamma, beta);
  std::vector<float> y(x.size());
  network::norm_forward(norm, call, x.data(), y.data());
  return y;
}

NormResult run_norm(const registry::Instance& norm, const Tensor& x) {
  const auto& ops = norm.ops<qloom_norm>();
  const Tensor gamma = gamma_of(x), beta = beta_of(x), dy = test::gaussian(x.shape(), 47);
  qloom_error error = registry::empty_error();
  const auto check = [&](const char* what, qloom_status status) {
    registry::check(norm.method(), what, status, error);
  };
  NormResult r;
  const auto forward = [&](std::uint32_t mode, std::vector<float>& y) {
    y.resize(x.size());
    const qloom_norm_call call = norm_call(x, mode, gamma, beta);
    network::norm_forward(norm, call, x.data(), y.data());
  };
  const auto backward = [&](std::uint32_t mode, std::vector<float>& dx) {
    dx.resize(x.size());
    r.dgamma.resize(gamma.size());
    r.dbeta.resize(beta.size());
    const qloom_norm_call call = norm_call(x, mode, gamma, beta);
    network::norm_backward(norm, call, x.data(), dy.data(), dx.data(), r.dgamma.data(),
                           r.dbeta.data());
  };
  forward(QLOOM_MODE_TRAINING, r.y);
  backward(QLOOM_MODE_TRAINING, r.dx);
  forward(QLOOM_MODE_EVALUATE, r.y_evaluate);
  forward(QLOOM_MODE_FROZEN, r.y_frozen);
  backward(QLOOM_MODE_FROZEN, r.dx_frozen);
  const qloom_norm_call call = norm_call(x, QLOOM_MODE_EVALUATE, gamma, beta);
  r.scale.resize(gamma.size());
  r.shift.resize(beta.size());
  check("inference",
        ops.inference(norm.self(), &call, r.scale.data(), r.shift.data(), &error));
  return r;
}

Product accumulated(const registry::Instance& accumulator, std::uint64_t rows,
                    std::uint64_t columns) {
  constexpr std::uint64_t kM = 13, kN = 19, kK = 151;
  const auto& ops = accumulator.ops<qloom_accumulator>();
  Tensor a = test::gaussian({kM, kK}, 51, 4.0F), b = test::gaussian({kK, kN}, 53, 4.0F);
  if ((ops.caps & QLOOM_ACCUMULATOR_INTEGER) != 0) {
    for (float& v : a) v = std::nearbyint(v);
    for (float& v : b) v = std::nearbyint(v);
  }
  const registry::Instance rounding = test::create("rounding", "nearest_even");
  qloom_error error = registry::empty_error();
  qloom_call call{};
  call.struct_size = sizeof call;
  call.seed = 3;
  call.rounding = {rounding.self(), &rounding.ops<qloom_rounding>(), QLOOM_ROUND_NEAREST_EVEN, 0};
  call.error = &error;
  Product product;
  product.c.assign(kM * kN, 0.0);
  for (std::uint64_t i = 0; i < kM; i += rows) {
    for (std::uint64_t j = 0; j < kN; j += columns) {
      const qloom_tile tile{a.data() + i * kK, b.data() + j,  product.c.data() + i * kN + j,
                            kK,                kN,            kN,
                            std::min(rows, kM - i), std::min(columns, kN - j), kK,
                            i * kN + j,        kN};
      registry::check(accumulator.method(), "accumulate",
                      ops.accumulate(accumulator.self(), &call, &tile, &product.overflows), error);
    }
  }
  return product;
}

}  // namespace qloom::conformance
