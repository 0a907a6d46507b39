// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/pipeline/workspace.hpp"

namespace qloom::test {
namespace {

class Rules : public Workspace {
 protected:
  [[nodiscard]] std::string error_of(const std::string& text) const {
    return input_error([&] { return rule(text); });
  }
  [[nodiscard]] std::string place() const { return path("p.json") + ": /rules/0"; }
};

TEST_F(Rules, HaveTheirParametersResolvedAndDefaultsFilledIn) {
  const auto r = rule(R"({"site": "weight", "quantizer": {"plugin": "affine", "bits": 4},
    "range": {"plugin": "min_max"}, "rounding": {"plugin": "stochastic"},
    "clamp": {"low": -1, "high": 2}})");
  EXPECT_EQ(r.sites, std::vector<std::string>{"weight"});
  EXPECT_TRUE(r.layers.empty());
  EXPECT_EQ(r.from_epoch, 0U);
  EXPECT_FALSE(r.slot.has_value());
  EXPECT_EQ(r.where, place());
  EXPECT_EQ(r.body, Json::parse(R"({"quantizer": {"plugin": "affine", "bits": 4,
    "granularity": "tensor"}, "range": {"plugin": "min_max"},
    "rounding": {"plugin": "stochastic", "random_bits": 32}, "clamp": {"low": -1, "high": 2}})"));
}

TEST_F(Rules, StandInTheConfigurationAsUsedWithTheirParameters) {
  const auto p =
      load({{"rules",
             Json::parse(R"([{"site": ["weight", "bias"], "quantizer": {"plugin": "affine"}}])")}});
  EXPECT_EQ(p.as_used["rules"][0], Json::parse(R"({"site": ["weight", "bias"],
    "quantizer": {"plugin": "affine", "bits": 8, "granularity": "tensor"}})"));
}

TEST_F(Rules, KeepAGroupGranularity) {
  const auto r = rule(R"({"site": "weight",
    "quantizer": {"plugin": "affine", "granularity": {"group": 32}}})");
  EXPECT_EQ(r.body["quantizer"]["granularity"], Json::parse(R"({"group": 32})"));
}

TEST_F(Rules, ExpandAStarToEverySiteButTheAccumulatorsAndTheUsesOfAnError) {
  const auto r = rule(R"({"site": "*", "quantizer": null})");
  EXPECT_EQ(r.sites, (std::vector<std::string>{"weight", "bias", "activation", "error", "gradient",
                                               "update", "momentum", "norm", "input", "logits"}));
  EXPECT_TRUE(r.body.at("quantizer").is_null());
}

TEST_F(Rules, ExpandAccumulatorToItsThreeRoles) {
  const auto r = rule(R"({"site": "accumulator", "accumulator": {"plugin": "integer", "bits": 16},
                          "rounding": {"plugin": "nearest_even"}})");
  EXPECT_EQ(r.sites,
            (std::vector<std::string>{"accumulator.forward", "accumulator.dx", "accumulator.dw"}));
  EXPECT_EQ(r.body["accumulator"], Json::parse(R"({"plugin": "integer", "bits": 16})"));
}

TEST_F(Rules, TakeListsOfSitesOnceEachAndErrorStaysError) {
  const auto r = rule(R"({"site": ["error", "weight", "error"], "quantizer": null})");
  EXPECT_EQ(r.sites, (std::vector<std::string>{"weight", "error"}));
}

TEST_F(Rules, ReadLayersFromAndSlot) {
  const auto r = rule(R"({"site": "norm", "slot": "inv_scale", "layers": "norm1",
                          "from": {"epoch": 3}, "quantizer": {"plugin": "affine"}})");
  ASSERT_EQ(r.layers.size(), 1U);
  EXPECT_EQ(r.layers[0].name, "norm1");
  EXPECT_EQ(r.layers[0].where, place() + "/layers");
  EXPECT_EQ(r.from_epoch, 3U);
  EXPECT_EQ(r.slot, "inv_scale");
}

TEST_F(Rules, MayChooseTheNormOfSomeLayersWithoutASite) {
  const auto r = rule(R"({"layers": ["norm2"], "norm": {"plugin": "range_bn"}})");
  EXPECT_TRUE(r.sites.empty());
  EXPECT_EQ(r.body, Json::parse(R"({"norm": {"plugin": "range_bn"}})"));
}

TEST_F(Rules, RefuseAnUnknownSiteWithTheNearestName) {
  EXPECT_EQ(error_of(R"({"site": "wieght", "quantizer": null})"),
            place() + "/site: \"wieght\" is not a site, did you mean \"weight\"?");
  EXPECT_EQ(error_of(R"({"site": ["weight", "accumulater"], "quantizer": null})"),
            place() + "/site/1: \"accumulater\" is not a site, did you mean \"accumulator\"?");
  const std::string far = error_of(R"({"site": "qqqqqqqq", "quantizer": null})");
  EXPECT_NE(far.find("\"qqqqqqqq\" is not a site; known: \"weight\", \"bias\""), std::string::npos)
      << far;
}

TEST_F(Rules, RefuseAnUnknownInternalOfANormWithTheNearestName) {
  EXPECT_EQ(error_of(R"({"site": "norm", "slot": "invscale", "quantizer": null})"),
            place() + "/slot: \"invscale\" is no internal of a norm, did you mean \"inv_scale\"?");
}

TEST_F(Rules, RefuseUnknownPluginsWithTheNearestId) {
  const std::string message = error_of(R"({"site": "weight", "quantizer": {"plugin": "afine"}})");
  EXPECT_NE(message.find(place() + "/quantizer/plugin: "), std::string::npos) << message;
  EXPECT_NE(message.find("\"afine\""), std::string::npos) << message;
  EXPECT_NE(message.find("\"affine\""), std::string::npos) << message;
}

TEST_F(Rules, RefuseAMethodOfAnotherKind) {
  EXPECT_EQ(error_of(R"({"site": "weight", "quantizer": {"plugin": "stochastic"}})"),
            place() +
                "/quantizer/plugin: unknown quantizer \"stochastic\" (it is a rounding); "
                "known: \"affine\", \"pact\"");
}

TEST_F(Rules, RefuseUnknownParametersWithTheNearestName) {
  EXPECT_EQ(error_of(R"({"site": "weight", "quantizer": {"plugin": "affine", "bist": 4}})"),
            place() + "/quantizer/bist: unknown key \"bist\", did you mean \"bits\"?");
}

TEST_F(Rules, RefuseParametersOutOfRange) {
  EXPECT_EQ(
      error_of(R"({"site": "weight", "quantizer": {"plugin": "affine", "bits": 17}})"),
      place() + "/quantizer/bits: 17 is above the maximum 16; expected an integer from 1 to 16");
}

TEST_F(Rules, RefuseAMissingParameter) {
  const std::string message = error_of(R"({"site": "weight", "quantizer": {"plugin": "pact"}})");
  EXPECT_NE(message.find(place() + "/quantizer: missing key \"bits\""), std::string::npos)
      << message;
}

TEST_F(Rules, RefuseAMethodWithoutAPlugin) {
  const std::string message = error_of(R"({"site": "weight", "quantizer": {"bits": 4}})");
  EXPECT_NE(message.find(place() + "/quantizer: missing key \"plugin\""), std::string::npos)
      << message;
}

TEST_F(Rules, RefuseUnknownKeysWithTheNearestName) {
  EXPECT_EQ(error_of(R"({"site": "weight", "quantiser": {"plugin": "affine"}})"),
            place() + "/quantiser: unknown key \"quantiser\", did you mean \"quantizer\"?");
}

TEST_F(Rules, RefuseARuleWithNothingInIt) {
  EXPECT_EQ(error_of(R"({"site": "weight"})"),
            place() +
                ": the rule has nothing in it; expected \"quantizer\", \"accumulator\" or "
                "\"norm\"");
}

TEST_F(Rules, RefuseARuleWithoutASite) {
  EXPECT_EQ(error_of(R"({"quantizer": null})"), place() + ": missing key \"site\"");
}

TEST_F(Rules, RefuseAQuantizerOnAnAccumulatorSiteAndTheReverse) {
  EXPECT_EQ(error_of(R"({"site": ["weight", "accumulator.dx"], "quantizer": null})"),
            place() + "/site: \"accumulator.dx\" takes an accumulator, this rule has a quantizer");
  EXPECT_EQ(error_of(R"({"site": "error", "accumulator": {"plugin": "integer"}})"),
            place() + "/site: \"error\" takes a quantizer, this rule has an accumulator");
  EXPECT_EQ(error_of(R"({"site": "*", "quantizer": null, "accumulator": null})"),
            place() +
                "/accumulator: a quantizer and an accumulator have no site in common; expected "
                "two rules");
}

TEST_F(Rules, TakeAClampAloneForTheQuantizerOfAnEarlierRule) {
  const auto r = rule(R"({"site": "weight", "clamp": {"low": 0, "high": 1}})");
  EXPECT_EQ(r.body, Json::parse(R"({"clamp": {"low": 0, "high": 1}})"));
}

TEST_F(Rules, RefuseRangeAndRoundingWithoutAQuantizer) {
  for (const std::string part :
       {R"("range": {"plugin": "min_max"})", R"("rounding": {"plugin": "nearest_even"})"}) {
    const std::string name = part.substr(1, part.find('"', 1) - 1);
    EXPECT_EQ(
        error_of(R"({"site": "weight", )" + part + "}"),
        place() + "/" + name + ": acts inside a quantizer; expected \"quantizer\" in this rule");
    const std::string none = error_of(R"({"site": "weight", "quantizer": null, )" + part + "}");
    EXPECT_NE(none.find(place() + "/" + name + ": acts inside a quantizer"), std::string::npos)
        << none;
  }
  EXPECT_EQ(error_of(R"({"site": "accumulator", "accumulator": {"plugin": "integer"},
                         "range": {"plugin": "min_max"}})"),
            place() + "/range: acts inside a quantizer, and this rule has none");
}

TEST_F(Rules, RefuseAnEmptyClamp) {
  EXPECT_EQ(error_of(R"({"site": "weight", "quantizer": {"plugin": "affine"},
                         "clamp": {"low": 1, "high": 1}})"),
            place() + "/clamp: low 1 is not below high 1");
  const std::string half = error_of(R"({"site": "weight", "quantizer": {"plugin": "affine"},
                                        "clamp": {"low": 1}})");
  EXPECT_NE(half.find(place() + "/clamp: missing key \"high\""), std::string::npos) << half;
}

TEST_F(Rules, TakeAPadWhereAContractionReads) {
  const auto r = rule(R"({"site": ["input", "activation"], "quantizer": {"plugin": "affine"},
                          "pad": -1, "dynamic": true})");
  EXPECT_EQ(r.body["pad"], -1);
  EXPECT_EQ(r.body["dynamic"], true);
  for (const std::string site : {"weight", "norm.input", "logits", "error", "norm"}) {
    EXPECT_EQ(
        error_of(R"({"site": ")" + site + R"(", "quantizer": {"plugin": "affine"}, "pad": 1})"),
        place() + "/pad: 1 pads what a contraction reads, not \"" + site +
            "\"; expected the sites \"input\" or \"activation\"");
  }
}

TEST_F(Rules, TakeDynamicWhereRangesAreKept) {
  for (const std::string site : {"logits", "norm.input", "norm.output", "input"}) {
    EXPECT_EQ(
        rule(R"({"site": ")" + site + R"(", "quantizer": {"plugin": "affine"}, "dynamic": true})")
            .body["dynamic"],
        true);
  }
  EXPECT_EQ(error_of(R"({"site": "weight", "quantizer": {"plugin": "affine"}, "dynamic": true})"),
            place() +
                "/dynamic: is for values between layers; at \"weight\" each tensor has a range of "
                "its own "
                "anyway");
}

TEST_F(Rules, RefusePadAndDynamicWithoutAQuantizer) {
  for (const std::string part : {R"("pad": -1)", R"("dynamic": true)"}) {
    const std::string name = part.substr(1, part.find('"', 1) - 1);
    EXPECT_EQ(
        error_of(R"({"site": "activation", )" + part + "}"),
        place() + "/" + name + ": acts inside a quantizer; expected \"quantizer\" in this rule");
    EXPECT_EQ(error_of(R"({"site": "activation", "quantizer": null, )" + part + "}"),
              place() + "/" + name + ": acts inside a quantizer, and this rule has none");
    EXPECT_EQ(error_of(R"({"norm": {"plugin": "range_bn"}, )" + part + "}"),
              place() + "/" + name +
                  ": has no meaning beside \"norm\", which stands with \"layers\" and \"from\"");
  }
}

TEST_F(Rules, RefuseASlotOutsideNorms) {
  EXPECT_EQ(error_of(R"({"site": ["norm", "weight"], "slot": "mean", "quantizer": null})"),
            place() + "/slot: names an internal of a norm layer; expected \"site\": \"norm\"");
}

TEST_F(Rules, RefuseAnythingBesideANorm) {
  EXPECT_EQ(error_of(R"({"site": "norm", "norm": {"plugin": "range_bn"}})"),
            place() +
                "/site: has no meaning beside \"norm\", which stands with \"layers\" and "
                "\"from\"");
}

TEST_F(Rules, RefuseANegativeEpoch) {
  EXPECT_EQ(error_of(R"({"site": "weight", "quantizer": null, "from": {"epoch": -1}})"),
            place() + "/from/epoch: -1 is below the minimum 0; expected an integer of at least 0");
}

TEST_F(Rules, NamesTheRuleThatIsWrongAmongSeveral) {
  const std::string message = input_error([&] {
    return load({{"rules", Json::parse(R"([{"site": "weight", "quantizer": null},
                                          {"site": "bais", "quantizer": null}])")}});
  });
  EXPECT_EQ(message, path("p.json") +
                         ": /rules/1/site: \"bais\" is not a site, did you mean "
                         "\"bias\"?");
}

TEST_F(Rules, ExpandAFamilyByItsFirstWord) {
  const auto r = rule(R"({"site": "norm.*", "quantizer": null})");
  EXPECT_EQ(r.sites, (std::vector<std::string>{"norm.input", "norm.output", "norm.error"}));
}

TEST_F(Rules, OnTheirOwnNeedNoSite) {
  const auto r = lone_rule(R"({"quantizer": {"plugin": "affine", "bits": 3}})");
  EXPECT_TRUE(r.sites.empty());
  EXPECT_EQ(r.where, "RULE: ");
  EXPECT_EQ(r.body["quantizer"]["bits"], 3);
}

TEST_F(Rules, OnTheirOwnMayBeARounding) {
  EXPECT_EQ(lone_rule(R"( {"rounding": {"plugin": "stochastic", "random_bits": 8}})").body,
            Json::parse(R"({"rounding": {"plugin": "stochastic", "random_bits": 8}})"));
}

TEST_F(Rules, OnTheirOwnMayStandInAFile) {
  const auto file = write("rule.json", R"({"norm": {"plugin": "batch_norm"}})");
  const auto r = lone_rule(file.string());
  EXPECT_EQ(r.body, Json::parse(R"({"norm": {"plugin": "batch_norm", "momentum": 0.1}})"));
  EXPECT_EQ(r.where, file.string() + ": ");
}

TEST_F(Rules, OnTheirOwnNameTheirPlaceInMessages) {
  EXPECT_EQ(
      input_error([&] { return lone_rule(R"({"quantizer": {"plugin": "affine", "bits": 0}})"); }),
      "RULE: /quantizer/bits: 0 is below the minimum 1; expected an integer from 1 to 16");
  EXPECT_EQ(
      input_error([&] { return lone_rule("{}"); }),
      "RULE: the rule has nothing in it; expected \"quantizer\", \"accumulator\" or \"norm\"");
  EXPECT_EQ(input_error([&] { return lone_rule(R"({"range": {"plugin": "min_max"}})"); }),
            "RULE: /range: acts inside a quantizer; expected \"quantizer\" in this rule");
  const std::string broken = input_error([&] { return lone_rule("{\"quantizer\": "); });
  EXPECT_NE(broken.find("RULE: parse error at line 1"), std::string::npos) << broken;
  const std::string missing = input_error([&] { return lone_rule("no_such_file.json"); });
  EXPECT_NE(missing.find("no_such_file.json"), std::string::npos) << missing;
}

TEST(MatchesLayer, KnowsNamesTypesGlobsAndEnds) {
  const auto matches = [](std::vector<std::string> layers, const char* name, const char* type,
                          bool first = false, bool last = false) {
    pipeline::Rule rule;
    for (auto& entry : layers) rule.layers.push_back({std::move(entry), ""});
    return pipeline::matches_layer(rule, {name, type, first, last});
  };
  EXPECT_TRUE(matches({}, "conv1", "conv"));
  EXPECT_TRUE(matches({"conv1"}, "conv1", "conv"));
  EXPECT_FALSE(matches({"conv1"}, "conv10", "conv"));
  EXPECT_TRUE(matches({"conv"}, "s1b1_c", "conv"));
  EXPECT_FALSE(matches({"dense"}, "s1b1_c", "conv"));
  EXPECT_TRUE(matches({"s1*"}, "s1b1_conv", "conv"));
  EXPECT_FALSE(matches({"s1*"}, "s2b1_conv", "conv"));
  EXPECT_TRUE(matches({"conv?"}, "conv7", "conv"));
  EXPECT_TRUE(matches({"conv[12]"}, "conv2", "conv"));
  EXPECT_FALSE(matches({"conv[12]"}, "conv3", "conv"));
  EXPECT_TRUE(matches({"first"}, "a", "conv", true, false));
  EXPECT_FALSE(matches({"first"}, "a", "conv", false, true));
  EXPECT_TRUE(matches({"last"}, "a", "dense", false, true));
  EXPECT_TRUE(matches({"x", "first", "last"}, "a", "dense", false, true));
  EXPECT_FALSE(matches({"last"}, "a", "dense"));
}

TEST(MatchesLayer, AnExactNameIsNothingElse) {
  for (const char* name : {"conv", "first", "a*", "conv[1]"}) {
    const pipeline::Written exact{name, "", true};
    EXPECT_TRUE(pipeline::matches_layer(exact, {name, "conv", true, false}));
    EXPECT_FALSE(pipeline::matches_layer(exact, {"a1", "conv", true, false})) << name;
  }
}

TEST_F(Rules, AnEntryOfLayersMayBeAnExactName) {
  const auto r = lone_rule(R"({"site": "weight", "layers": ["c*", {"name": "conv"}],
                               "quantizer": {"plugin": "affine"}})");
  ASSERT_EQ(r.layers.size(), 2U);
  EXPECT_FALSE(r.layers[0].is_exact);
  EXPECT_TRUE(r.layers[1].is_exact);
  EXPECT_EQ(r.layers[1].name, "conv");
  EXPECT_EQ(r.layers[1].where, "RULE: /layers/1/name");
  for (const char* wrong : {R"({"nam": "conv"})", "{}", R"({"name": ""})", R"({"name": 1})", "1"}) {
    EXPECT_NE(input_error([&] {
                return lone_rule(R"({"site": "weight", "quantizer": {"plugin": "affine"},
                                     "layers": [)" +
                                 std::string(wrong) + "]}");
              }).find("/layers/0"),
              std::string::npos)
        << wrong;
  }
}

}  // namespace
}  // namespace qloom::test
