// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Formats of a run as files, and back: what simulators of fixed-point training offer, composed of
// methods, exported, and taken by another pipeline with the same bits.
#include <algorithm>
#include <numeric>
#include <set>

#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

class Formats : public SmallRun {
 protected:
  void derive(const std::string& name, const Json& patch) {
    Json p = Json::parse(text("p.json"));
    p.merge_patch(patch);
    write(name, p.dump());
  }
  Json run_file(const std::string& file) {
    const Outcome o = qloom({"run", file, "--output", "out_" + file, "--threads", "1"});
    EXPECT_EQ(o.status, 0) << file << "\n" << o.err;
    return o.status == 0 ? json("out_" + file + "/report.json") : Json::object();
  }
  Json exported(const std::string& run) {
    const Outcome o = qloom({"export", "out_" + run, "--format", "formats", "--output", "formats"});
    EXPECT_EQ(o.status, 0) << o.err;
    return o.status == 0 ? json("formats/formats.json") : Json::object();
  }
  static Json entry(const Json& file, const std::string& site, const std::string& layer) {
    for (const Json& e : file["sites"]) {
      if (e["site"] == site && e["layer"] == layer) return e;
    }
    ADD_FAILURE() << "no entry " << site << " of " << layer;
    return Json::object();
  }
  /// Histograms, noise and levels of every tensor, whatever the method is called.
  static Json values_of(const Json& report) {
    Json statistics = report["layer_statistics"];
    for (Json& row : statistics["tensors"]) row.erase("quantizer");
    EXPECT_GT(statistics["tensors"].size(), 0U);
    return statistics;
  }
  /// The figures of the run from the formats that another one found, whose weights it has.
  Json evaluated_with_formats(const std::string& source) {
    derive("again.json", {{"rules", Json::array()},
                          {"formats", "formats/formats.json"},
                          {"start_from", {{"pipeline", source}, {"state", false}}},
                          {"stages", Json::parse(R"([{"evaluate": {}}])")}});
    return run_file("again.json");
  }
  /// Trains with the rules, exports, evaluates with the file alone: figures, values and noise of
  /// every tensor are the same.
  Json expect_same_bits(const Json& rules) {
    derive("source.json", {{"rules", rules}});
    const Json source = run_file("source.json");
    const Json file = exported("source.json");
    const Json again = evaluated_with_formats("source.json");
    EXPECT_EQ(again["final"], source["final"]) << rules.dump();
    EXPECT_EQ(values_of(again), values_of(source)) << rules.dump();
    return file;
  }
};

constexpr const char* kRanges[] = {
    R"({"plugin": "min_max"})",
    R"({"plugin": "percentile", "percentile": 90, "sides": "one_sided"})",
    R"({"plugin": "mean_nstd", "deviations": 3})", R"({"plugin": "power_of_two_sweep"})"};

TEST_F(Formats, EveryRangeGivesTheSameBitsFromTheFile) {
  for (const char* range : kRanges) {
    for (const char* quantizer :
         {R"({"plugin": "fixed_point", "bits": 6})",
          R"({"plugin": "affine", "bits": 5, "symmetric": true, "scale": "power_of_two"})",
          R"({"plugin": "affine", "bits": 5})",
          R"({"plugin": "affine", "bits": 6, "symmetric": true, "granularity": "channel"})"}) {
      SCOPED_TRACE(std::string(range) + quantizer);
      const Json rule{{"site", Json::parse(R"(["weight", "activation", "input", "error", "gradient",
                                               "norm.input"])")},
                      {"quantizer", Json::parse(quantizer)},
                      {"range", Json::parse(range)}};
      Json norm = rule;
      norm["site"] = "norm";
      norm["slot"] = "gamma";
      norm["quantizer"]["granularity"] = "tensor";
      Json beta = norm;
      beta["slot"] = "beta";
      const Json file = expect_same_bits(Json::array({rule, norm, beta}));
      for (const Json& e : file["sites"]) EXPECT_EQ(e["use"], "grid") << e.dump();
    }
  }
}

TEST_F(Formats, AFileNamesBitsScaleBinaryPointAndZeroPoint) {
  const Json file = expect_same_bits(Json::parse(
      R"([{"site": "weight", "quantizer": {"plugin": "fixed_point", "bits": 6, "fraction_bits": 3}},
          {"site": ["activation", "input"], "quantizer": {"plugin": "affine", "bits": 8},
           "range": {"plugin": "constant", "lo": -1, "hi": 3}}])"));
  const Json weight = entry(file, "weight", "d"), input = entry(file, "activation", "e");
  EXPECT_EQ(weight["bits"], 6);
  EXPECT_EQ(weight["scale"], Json::parse("[0.125]"));
  EXPECT_EQ(weight["binary_point"], Json::parse("[3]"));
  EXPECT_EQ(weight["zero_point"], Json::parse("[0]"));
  EXPECT_EQ(weight["lo"], Json::parse("[-4.0]"));
  EXPECT_EQ(weight["hi"], Json::parse("[3.875]"));
  EXPECT_EQ(input["zero_point"], Json::parse("[64]"));
  EXPECT_FALSE(input.contains("binary_point"));
  const std::string table = text("formats/formats.csv");
  EXPECT_NE(
      table.find("weight,d,,grid,affine,6,true,tensor,1,fixed_point,,nearest_even,0,0.125,3,0,"
                 "-32,31,,,-4.0,3.875,,,\r\n"),
      std::string::npos)
      << table;
}

TEST_F(Formats, TheTableNamesRequantizersAndPaddings) {
  derive("p.json", {{"rules", Json::parse(
                                  R"([{"site": "weight", "quantizer": {"plugin": "affine"}},
      {"site": ["input", "activation"], "pad": 0.25,
       "quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 3}},
      {"site": "logits", "quantizer": {"plugin": "affine"},
       "requantizer": {"plugin": "multiplier"}}])")}});
  ASSERT_EQ(qloom({"run", "p.json", "--output", "run"}).status, 0);
  ASSERT_EQ(qloom({"export", "run", "--format", "formats"}).status, 0);
  const std::string table = text("run/formats.csv");
  EXPECT_NE(table.find(",message,requantizer,pad\r\n"), std::string::npos) << table;
  EXPECT_NE(table.find(",multiplier,\r\n"), std::string::npos) << table;
  EXPECT_NE(table.find(",,0.25\r\n"), std::string::npos) << table;
}

TEST_F(Formats, LearnedGridsAreFixedOnes) {
  const Json file = expect_same_bits(Json::parse(
      R"([{"site": "weight", "quantizer": {"plugin": "lsq", "bits": 4}},
          {"site": ["activation", "input"], "quantizer": {"plugin": "lsq", "bits": 4}},
          {"site": "activation", "layers": "e", "quantizer": {"plugin": "pact", "bits": 4}}])"));
  EXPECT_EQ(entry(file, "weight", "d")["use"], "grid");
  EXPECT_EQ(entry(file, "activation", "e")["use"], "grid");
}

TEST_F(Formats, ALayerMayBeCalledLikeATypeOrAnEnd) {
  for (const char* name : {"dense", "first"}) {  // of which the other layer is one as well
    SCOPED_TRACE(name);
    Json model = Json::parse(text("p.json"))["model"];
    model["inline"]["layers"][0]["name"] = "A";  // before the other in the file
    model["inline"]["layers"][3]["name"] = name;
    derive("p.json", {{"model", model}});
    const Json exact = Json::array({{{"name", name}}});
    const Json file = expect_same_bits(
        Json::array({{{"site", "weight"}, {"quantizer", {{"plugin", "affine"}, {"bits", 7}}}},
                     {{"site", "weight"},
                      {"layers", exact},
                      {"quantizer", {{"plugin", "affine"}, {"bits", 3}}}}}));
    EXPECT_EQ(entry(file, "weight", "A")["bits"], 7);
    EXPECT_EQ(entry(file, "weight", name)["bits"], 3);
    EXPECT_EQ(json("out_again.json/report.json")["sites"]["weight/A"]["bits"], 7);
  }
}

TEST_F(Formats, GroupsKeepWidthsOfTheirOwn) {
  const Json file = expect_same_bits(Json::parse(
      R"([{"site": "weight", "quantizer": {"plugin": "affine", "bits": 3, "symmetric": true,
           "granularity": "channel", "bit_allocation": "aciq"}},
          {"site": ["activation", "input"], "quantizer": {"plugin": "affine", "bits": 4,
           "granularity": "channel", "bit_allocation": "aciq", "clip_prior": "laplace"},
           "range": {"plugin": "aciq"}}])"));
  const Json weight = entry(file, "weight", "d"), input = entry(file, "activation", "e");
  ASSERT_EQ(weight["bits_of_group"].size(), 8U);
  ASSERT_EQ(input["bits_of_group"].size(), 8U);
  const auto widths = weight["bits_of_group"].get<std::vector<int>>();
  EXPECT_EQ(weight["bits"], *std::max_element(widths.begin(), widths.end()));
  EXPECT_NE(std::set<int>(widths.begin(), widths.end()).size(), 1U) << weight;
  // Codes of 2 weights in each of 8 channels; a scale and a width of each channel.
  const int sum = std::accumulate(widths.begin(), widths.end(), 0);
  const Json source = json("out_source.json/report.json"),
             again = json("out_again.json/report.json");
  const Json row = source["parameters"][0];
  EXPECT_EQ(row["name"], "d/weight");
  EXPECT_EQ(row["bits"].get<double>(), sum / 8.0);
  const bool has_offset = weight.contains("offset");
  EXPECT_EQ(row["bytes"], (2 * sum + 8 * (32 + 8 + (has_offset ? 32 : 0)) + 7) / 8);
  EXPECT_EQ(again["parameters"], source["parameters"]);
  EXPECT_EQ(again["activations"], source["activations"]);
  EXPECT_EQ(again["totals"], source["totals"]);
  EXPECT_EQ(entry(exported("again.json"), "weight", "d")["bits_of_group"], weight["bits_of_group"]);
  const std::string line =
      "weight,d,,grid,affine," + std::to_string(widths[1]) + ",true,channel,8,";
  EXPECT_NE(text("formats/formats.csv").find(line), std::string::npos);
}

TEST_F(Formats, ARuleOfEvaluationAloneStaysOne) {
  const Json file = expect_same_bits(Json::parse(
      R"([{"site": "weight", "when": "evaluation", "quantizer": {"plugin": "affine", "bits": 4}}])"));
  EXPECT_EQ(entry(file, "weight", "d")["use"], "grid");
  const Json again = run_file("again.json");
  for (const Json& rule : again["configuration"]["pipeline"]["rules"]) {
    EXPECT_EQ(rule["when"], "evaluation") << rule;
  }
  EXPECT_FALSE(again["configuration"]["pipeline"]["rules"].empty());
}

TEST_F(Formats, EachSampleOfABatchMayHaveItsOwnGrid) {
  const Json file = expect_same_bits(Json::parse(
      R"([{"site": ["activation", "input", "error"],
           "quantizer": {"plugin": "affine", "bits": 6, "granularity": "sample"},
           "range": {"plugin": "percentile", "percentile": 90, "sides": "one_sided"}}])"));
  const Json e = entry(file, "activation", "e");
  EXPECT_EQ(e["use"], "rule");
  EXPECT_NE(e["message"].get<std::string>().find("each sample"), std::string::npos);
  derive("weight.json", {{"rules", Json::parse(R"([{"site": "weight", "quantizer":
      {"plugin": "affine", "granularity": "sample"}}])")}});
  const Outcome o = qloom({"validate", "weight.json"});
  EXPECT_EQ(o.status, 2);
  EXPECT_NE(o.err.find("belong to no sample"), std::string::npos) << o.err;
}

TEST_F(Formats, AnActivationWithADynamicRangeKeepsItsRule) {
  const Json file = expect_same_bits(Json::parse(
      R"([{"site": ["activation", "input"], "dynamic": true,
           "quantizer": {"plugin": "affine", "bits": 4}, "range": {"plugin": "min_max"}}])"));
  const Json e = entry(file, "activation", "e");
  EXPECT_EQ(e["use"], "rule");
  EXPECT_EQ(e["rule"]["dynamic"], true);
  EXPECT_EQ(e["bits"], 4);
  EXPECT_NE(e["message"].get<std::string>().find("each tensor"), std::string::npos);
}

TEST_F(Formats, APadIsPartOfTheFormat) {
  Json p = Json::parse(text("p.json"));
  p["model"]["inline"]["layers"] = Json::parse(R"([
      {"name": "d", "type": "dense", "units": 8, "bias": false}, {"name": "n", "type": "norm"},
      {"name": "c", "type": "conv", "filters": 4, "kernel": 3, "padding": "same"},
      {"name": "e", "type": "dense", "units": "classes"}])");
  write("p.json", p.dump());
  for (const char* quantizer : {R"({"plugin": "affine", "bits": 4})", R"({"plugin": "bnn_act"})"}) {
    const Json file = expect_same_bits(Json::array(
        {{{"site", "activation"}, {"pad", -1}, {"quantizer", Json::parse(quantizer)}}}));
    const Json e = entry(file, "activation", "c");
    EXPECT_EQ(e["pad"], -1.0) << quantizer;
    EXPECT_EQ(e["rule"]["pad"], -1.0) << quantizer;
    Json without = file;
    for (Json& site : without["sites"]) site["rule"].erase("pad");
    write("formats/formats.json", without.dump());
    EXPECT_NE(evaluated_with_formats("source.json")["final"],
              json("out_source.json/report.json")["final"])
        << "it acts";
  }
}

TEST_F(Formats, GradientsAndNormsTrainInTheFixedFormatsOfTheFile) {
  derive("source.json",
         {{"rules", Json::parse(
                        R"([{"site": ["weight", "activation", "input", "error", "gradient"],
                             "quantizer": {"plugin": "fixed_point", "bits": 12},
                             "rounding": {"plugin": "stochastic"}},
                            {"site": "norm", "quantizer": {"plugin": "fixed_point", "bits": 12}}])")}});
  run_file("source.json");
  const Json file = exported("source.json");
  EXPECT_EQ(entry(file, "gradient", "d")["use"], "grid");
  EXPECT_EQ(entry(file, "error", "e")["rule"]["rounding"]["plugin"], "stochastic");
  derive("again.json", {{"rules", Json::array()}, {"formats", "formats/formats.json"}});
  const Json again = run_file("again.json");
  ASSERT_TRUE(again.contains("sites"));
  EXPECT_EQ(again["sites"]["gradient/d"],
            Json::parse(R"({"quantizer": "given_grid", "bits": 12})"));
  const Json rules = again["configuration"]["pipeline"]["rules"];
  EXPECT_EQ(rules.size(), file["sites"].size());
  EXPECT_FALSE(again["configuration"]["pipeline"].contains("formats"));
}

TEST_F(Formats, OwnRulesWinAndWhatHasNoGridIsNamed) {
  derive("source.json",
         {{"rules", Json::parse(R"([{"site": "weight", "quantizer": {"plugin": "affine"}},
             {"site": "weight", "layers": "e", "quantizer": {"plugin": "codebook_points", "points": 5}},
             {"site": "weight", "layers": "d", "quantizer": {"plugin": "twn"}}])")}});
  run_file("source.json");
  const Outcome o = qloom({"export", "out_source.json", "--format", "formats"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.err.find("weight of \"e\": more than a uniform grid"), std::string::npos) << o.err;
  const Json file = json("out_source.json/formats.json");
  EXPECT_EQ(entry(file, "weight", "d")["use"], "rule");
  EXPECT_EQ(entry(file, "weight", "e")["codebook"].size(), 5U);
  derive("again.json", {{"rules", Json::parse(R"([{"site": "weight", "layers": "d",
                             "quantizer": {"plugin": "affine", "bits": 3}}])")},
                        {"formats", "out_source.json/formats.json"}});
  const Json report = run_file("again.json");
  EXPECT_EQ(report["sites"]["weight/d"], Json::parse(R"({"quantizer": "affine", "bits": 3})"));
  EXPECT_FALSE(report["sites"].contains("weight/e"));
  EXPECT_NE(report["warnings"].dump().find("weight of \\\"e\\\" is not in these formats"),
            std::string::npos)
      << report["warnings"].dump();
}

TEST_F(Formats, WrongInputIsToldBeforeAnyWork) {
  const auto refused = [this](const std::vector<std::string>& command, const std::string& what) {
    const Outcome o = qloom(command);
    EXPECT_EQ(o.status, 2) << what;
    EXPECT_NE(o.err.find(what), std::string::npos) << o.err;
  };
  refused({"export", "nowhere", "--format", "formats"}, "nowhere/report.json: no such file");
  refused({"export", ".", "--format", "format"}, "did you mean \"formats\"?");
  refused({"export", "."}, "--format is required");
  EXPECT_EQ(qloom({"export", "--help"}).status, 0);
  const auto told = [&](const char* sites, const std::string& what) {
    write("f.json", std::string(R"({"format": 1, "sites": [)") + sites + "]}");
    derive("p2.json", {{"formats", "f.json"}});
    refused({"validate", "p2.json"}, what);
  };
  told(R"({"site": "weight", "layer": "d", "use": "grid"})",
       "f.json: /sites/0: missing key \"scale\"");
  told(R"({"site": "weight", "layer": "d", "use": "grid", "scale": 0.5, "binary_point": 2})",
       "f.json: /sites/0/binary_point: 2 is not that of \"scale\"");
  told(R"({"site": "weight", "layer": "d", "use": "grid", "scal": 1})", "\"scale\"");
  told(R"({"site": "weight", "layer": "d", "use": "rule"})", "missing key \"quantizer\"");
  told(R"({"site": "weight", "layer": "dd", "use": "grid", "scale": 1})", "\"dd\"");
  derive("p2.json", {{"formats", "missing.json"}});
  refused({"validate", "p2.json"}, "p2.json: /formats: \"missing.json\" is not a file");
}

TEST_F(Formats, TheSameAfterAResume) {
  derive(
      "whole.json",
      {{"name", "one"},
       {"rules",
        Json::parse(
            R"([{"site": ["weight", "error", "gradient"], "quantizer": {"plugin": "affine", "bits": 8}}])")}});
  const Json whole = run_file("whole.json");
  std::filesystem::remove(folder_ / "out_whole.json/report.json");  // its checkpoint stays
  const Outcome o = qloom({"run", "whole.json", "--output", "out_whole.json", "--resume"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(json("out_whole.json/report.json")["sections"]["formats"],
            whole["sections"]["formats"]);
}

}  // namespace
}  // namespace qloom::test
