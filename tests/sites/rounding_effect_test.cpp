// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What methods say of themselves: a rounding has an effect on exactly those quantizers whose
// capabilities name it. The host warns by them.
#include <string>
#include <vector>

#include "host/sites/site_quantizer.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

/// Parameter sets of a method: its manifest's examples, or the defaults.
std::vector<Json> parameters_of(const registry::Method& method) {
  std::vector<Json> all;
  for (const Json& example : method.manifest["parameters"].value("examples", Json::array())) {
    all.push_back(example);
  }
  if (!all.empty()) return all;
  Json one = Json::object();  // what is required: the first word, or 4
  const Json& schema = method.manifest["parameters"];
  for (const Json& name : schema.value("required", Json::array())) {
    const Json& parameter = schema["properties"][name.get<std::string>()];
    one[name.get<std::string>()] = parameter.contains("enum") ? parameter["enum"][0] : Json(4);
  }
  return {one};
}

std::vector<float> quantized(const registry::Method& method, Json parameters,
                             const char* rounding) {
  parameters["plugin"] = method.id;
  const Json rule{{"quantizer", parameters}, {"rounding", {{"plugin", rounding}}}};
  sites::SiteQuantizer site(registry(), sites::resolve_quantizer(registry(), rule, "test"),
                            {.name = "weight/x", .channel_axis = 0});
  const Tensor x = gaussian({16, 1, 1, 32}, 5);
  Tensor y;
  // Late, as with Adam: a quantizer that training fades in is all there.
  const std::vector<float> moment(x.size(), 1.0F);
  site.tell({.second_moment = moment.data()});
  if (site.wants_products()) site.tell_products(std::vector<double>(16, 0.01));
  site.forward(x, y, {.step = 1000, .epoch = 10, .training = true, .learning_rate = 1});
  return values(y);
}

TEST(RoundingEffect, IsWhatTheCapabilitiesSay) {
  int rounds = 0, does_not = 0;
  for (const registry::Method& method : registry().methods()) {
    if (method.kind != "quantizer") continue;
    for (const Json& parameters : parameters_of(method)) {
      const auto instance =
          registry().create(method, registry().resolve_parameters(method, parameters, method.id));
      const bool says = (instance.ops<qloom_quantizer>().caps & QLOOM_QUANTIZER_USES_ROUNDING) != 0;
      const bool has = quantized(method, parameters, "toward_negative") !=
                       quantized(method, parameters, "toward_positive");
      EXPECT_EQ(says, has) << method.id << " " << parameters;
      (has ? rounds : does_not) += 1;
    }
  }
  EXPECT_GE(rounds, 8);
  EXPECT_GE(does_not, 5);  // twn, ttq, two of dorefa, one of wage
}

}  // namespace
}  // namespace qloom::test
