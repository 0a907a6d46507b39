// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/pipeline.hpp"

#include "tests/pipeline/workspace.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

class PipelineFile : public Workspace {
 protected:
  [[nodiscard]] std::string error_of(const Json& patch,
                                     const std::vector<std::string>& overrides = {}) const {
    return input_error([&] { return load(patch, overrides); });
  }
  [[nodiscard]] std::string error_of_text(const std::string& text) const {
    const auto file = write("p.json", text);
    return input_error([&] { return pipeline::load(file, {}, registry()); });
  }
  [[nodiscard]] std::string place(const std::string& pointer) const {
    return path("p.json") + ": " + pointer;
  }
};

TEST_F(PipelineFile, HasTheDefaultsOfTheSchema) {
  const auto p = load(Json::object());
  EXPECT_EQ(p.file, folder_ / "p.json");
  EXPECT_EQ(p.name, "p");
  EXPECT_EQ(p.seed, 1U);
  EXPECT_EQ(p.batch_size, 128);
  EXPECT_EQ(p.normalisation, data::Normalisation::kStandard);
  EXPECT_EQ(p.source.dataset, "fashion-mnist");
  EXPECT_TRUE(p.source.folder.empty());
  EXPECT_EQ(p.source.train_limit, 0);
  EXPECT_EQ(p.source.test_limit, 0);
  EXPECT_EQ(p.model_file, folder_ / "model.json");
  EXPECT_EQ(p.model_where, path("model.json"));
  EXPECT_EQ(p.model["layers"][0]["name"], "d");
  EXPECT_TRUE(p.weights.empty());
  EXPECT_TRUE(p.start_from.empty());
  EXPECT_EQ(p.norm, Json::parse(R"({"plugin": "batch_norm", "momentum": 0.1})"));
  EXPECT_TRUE(p.rules.empty());
  EXPECT_TRUE(p.procedures.empty());
}

TEST_F(PipelineFile, IsKeptAsUsedWithDefaultsAndOverrides) {
  const auto p = load({{"seed", 3}}, {"/data/train_limit=50", "/norm/plugin=range_bn", "/rules=[]",
                                      "/rules/-/site=bias", "/rules/0/quantizer=null"});
  EXPECT_EQ(p.source.train_limit, 50);
  EXPECT_EQ(p.as_used, Json::parse(R"({"format": 1, "name": "p", "seed": 3,
    "data": {"dataset": "fashion-mnist", "batch_size": 128, "normalisation": "standard",
             "train_limit": 50, "test_limit": 0},
    "model": {"file": "model.json"}, "norm": {"plugin": "range_bn"},
    "rules": [{"site": "bias", "quantizer": null}], "procedures": [],
    "stages": [{"evaluate": {"batches": 0, "apply_rules": true}}]})"));
}

TEST_F(PipelineFile, GivesTheSameWhenItsUsedFormIsReadAgain) {
  const Json patch = Json::parse(R"({"rules": [{"site": "weight", "quantizer": {"plugin": "affine"},
      "rounding": {"plugin": "stochastic"}}], "procedures": [{"plugin": "swalp"}],
      "stages": [{"train": {"optimizer": {"type": "adam"}, "schedule": {"type": "cosine"}}}]})");
  const auto first = load(patch);
  const auto again = pipeline::load(write("again.json", first.as_used.dump()), {}, registry());
  EXPECT_EQ(again.as_used, first.as_used);
}

TEST_F(PipelineFile, ReadsDataAndPathsRelativeToItself) {
  fs::create_directory(folder_ / "sub");
  const Json data = Json::parse(R"({"dataset": "idx", "train_images": "a.gz", "train_labels": "b",
    "test_images": "/abs/c", "test_labels": "sub/d", "batch_size": 32, "normalisation": "symmetric",
    "test_limit": 7})");
  const auto p = load({{"data", data}});
  EXPECT_EQ(p.source.train_images, folder_ / "a.gz");
  EXPECT_EQ(p.source.train_labels, folder_ / "b");
  EXPECT_EQ(p.source.test_images, "/abs/c");
  EXPECT_EQ(p.source.test_labels, folder_ / "sub/d");
  EXPECT_EQ(p.batch_size, 32);
  EXPECT_EQ(p.normalisation, data::Normalisation::kSymmetric);
  EXPECT_EQ(p.source.test_limit, 7);
}

TEST_F(PipelineFile, ReadsNumpyFilesAsPairsOrArchives) {
  const auto p = load({{"data",
                        {{"dataset", "numpy"},
                         {"train_file", "a.npz"},
                         {"test_file", "b.npz"},
                         {"normalisation", "unit"}}}});
  EXPECT_EQ(p.source.train_file, folder_ / "a.npz");
  EXPECT_EQ(p.source.test_file, folder_ / "b.npz");
  EXPECT_EQ(p.normalisation, data::Normalisation::kUnit);
}

TEST_F(PipelineFile, MayHoldItsModel) {
  const Json model = Json::parse(R"({"layers": [{"name": "x", "type": "dense", "units": 10}]})");
  const auto p = load({{"model", {{"file", nullptr}, {"inline", model}}}});
  EXPECT_EQ(p.model, model);
  EXPECT_TRUE(p.model_file.empty());
  EXPECT_EQ(p.model_where, place("/model/inline"));
}

TEST_F(PipelineFile, ResolvesProcedures) {
  const auto p = load({{"procedures", Json::parse(R"([{"plugin": "swalp", "start_epoch": 2}])")}});
  ASSERT_EQ(p.procedures.size(), 1U);
  EXPECT_EQ(p.procedures[0].id, "swalp");
  EXPECT_EQ(p.procedures[0].params, Json::parse(R"({"start_epoch": 2})"));
  EXPECT_EQ(p.procedures[0].where, place("/procedures/0"));
}

TEST_F(PipelineFile, NamesWeightsAndAnotherPipelineToStartFrom) {
  write("w.npz", "x");
  write("base.json", smallest().dump());
  EXPECT_EQ(load({{"start_from", "base.json"}}).start_from, folder_ / "base.json");
  EXPECT_EQ(load({{"model", {{"weights", "w.npz"}}}}).weights, folder_ / "w.npz");
  const std::string both = input_error([&] {
    return load({{"start_from", "base.json"}, {"model", {{"weights", "w.npz"}}}});
  });
  EXPECT_EQ(both, place("/model/weights") +
                      ": \"w.npz\" has no effect beside \"start_from\", whose "
                      "weights this run takes; expected one of them");
}

TEST_F(PipelineFile, RefusesAProcedureTwice) {
  const Json twice = Json::parse(R"([{"plugin": "swalp"}, {"plugin": "swalp", "start_epoch": 1}])");
  EXPECT_EQ(input_error([&] {
              return load({{"procedures", twice}});
            }),
            place("/procedures/1") + ": \"swalp\" is there twice; the other is /procedures/0");
}

TEST_F(PipelineFile, TakesTheExampleOfTheArchitecturePage) {
  fs::create_directory(folder_ / "models");
  write("models/lenet5.json", R"({"layers": []})");
  const auto p = pipeline::load(write("a.json", R"({
    "$schema": "../schemas/pipeline.schema.json",
    "name": "ternary weights, PACT activations",
    "seed": 7,
    "data":  { "dataset": "fashion-mnist", "batch_size": 128 },
    "model": { "file": "models/lenet5.json" },
    "rules": [
      { "site": "weight",     "quantizer": { "plugin": "affine", "granularity": "channel" } },
      { "site": "activation", "quantizer": { "plugin": "pact", "bits": 4 },
                              "rounding":  { "plugin": "nearest_even" } },
      { "site": "gradient",   "quantizer": { "plugin": "affine", "bits": 8 },
                              "range":     { "plugin": "min_max" },
                              "rounding":  { "plugin": "stochastic", "random_bits": 16 } },
      { "layers": ["first", "last"], "site": "*", "quantizer": null },
      { "site": "activation", "from": { "epoch": 3 },
        "quantizer": { "plugin": "affine", "bits": 4 } }
    ],
    "norm": { "plugin": "range_bn" },
    "procedures": [ { "plugin": "swalp", "start_epoch": 2 } ],
    "stages": [
      { "train": { "epochs": 4,
                   "optimizer": { "type": "sgd", "learning_rate": 0.05, "momentum": 0.9 } } },
      { "evaluate": {} }
    ]
  })"),
                                {}, registry());
  EXPECT_EQ(p.name, "ternary weights, PACT activations");
  EXPECT_EQ(p.seed, 7U);
  ASSERT_EQ(p.rules.size(), 5U);
  ASSERT_EQ(p.rules[3].layers.size(), 2U);
  EXPECT_EQ(p.rules[3].layers[1].name, "last");
  EXPECT_EQ(p.rules[3].layers[1].where, (folder_ / "a.json").string() + ": /rules/3/layers/1");
  EXPECT_EQ(p.rules[4].from_epoch, 3U);
  EXPECT_EQ(p.stages[0].epochs, 4);
  EXPECT_EQ(p.norm["plugin"], "range_bn");
}

TEST_F(PipelineFile, ThatIsMissingIsNamed) {
  const std::string message =
      input_error([&] { return pipeline::load(folder_ / "none.json", {}, registry()); });
  EXPECT_NE(message.find(path("none.json")), std::string::npos) << message;
}

TEST_F(PipelineFile, ThatIsNotJsonIsRefusedWithLineAndColumn) {
  const std::string message = error_of_text("{\n  \"seed\": 1,\n  oops\n}");
  EXPECT_EQ(message.find(path("p.json") + ": parse error at line 3, column 3"), 0U) << message;
  EXPECT_NE(message.find("; expected JSON"), std::string::npos) << message;
  EXPECT_NE(error_of_text("").find("parse error"), std::string::npos);
}

TEST_F(PipelineFile, RefusesAKeyThatStandsTwice) {
  EXPECT_EQ(error_of_text(R"({"stages": [{}, {"evaluate": {"batches": 1, "batches": 2}}]})"),
            place("/stages/1/evaluate: the key \"batches\" stands twice"));
  EXPECT_EQ(error_of_text(R"({"seed": 1, "data": {"seed": 3}, "seed": 2})"),
            path("p.json") + ": the key \"seed\" stands twice");
}

TEST_F(PipelineFile, RefusesUnknownKeysWithTheNearestName) {
  EXPECT_EQ(error_of({{"sead", 3}}), place("/sead: unknown key \"sead\", did you mean \"seed\"?"));
  EXPECT_EQ(error_of({{"data", {{"batchsize", 3}}}}),
            place("/data/batchsize: unknown key \"batchsize\", did you mean \"batch_size\"?"));
}

TEST_F(PipelineFile, RefusesWhatTheSchemaRefuses) {
  EXPECT_EQ(error_of({{"seed", "x"}}), place("/seed: \"x\" is not an integer of at least 0"));
  EXPECT_EQ(error_of({{"seed", -1}}),
            place("/seed: -1 is below the minimum 0; expected an integer of at least 0"));
  EXPECT_EQ(error_of({{"data", {{"dataset", "fashon-mnist"}}}}),
            place("/data/dataset: \"fashon-mnist\" is not one of \"fashion-mnist\", \"cifar-10\", "
                  "\"idx\", \"numpy\", did you mean \"fashion-mnist\"?"));
  EXPECT_EQ(
      error_of({{"data", {{"batch_size", 0}}}}),
      place("/data/batch_size: 0 is below the minimum 1; expected an integer from 1 to 65536"));
  EXPECT_EQ(error_of({{"data", {{"train_limit", 1.5}}}}),
            place("/data/train_limit: 1.5 is not an integer of at least 0"));
  EXPECT_NE(error_of({{"stages", Json::array()}}).find(place("/stages: ")), std::string::npos);
  EXPECT_NE(error_of_text("[]").find(path("p.json") + ": "), std::string::npos);
  const std::string missing = error_of_text("{}");
  EXPECT_EQ(missing.find(path("p.json") + ": missing key \"data\""), 0U) << missing;
}

TEST_F(PipelineFile, RefusesANewerFormatWithBothNumbers) {
  EXPECT_EQ(error_of({{"format", 2}, {"novelty", 1}}),
            place("/format: 2 is newer than 1, the newest known"));
}

TEST_F(PipelineFile, RefusesDataKeysThatTheDatasetDoesNotUse) {
  EXPECT_EQ(
      error_of({{"data", {{"train_images", "x"}}}}),
      place("/data/train_images: \"x\" has no meaning with dataset \"fashion-mnist\" as it is "
            "given here"));
  EXPECT_EQ(error_of({{"data", {{"dataset", "idx"}, {"folder", "x"}}}}),
            place("/data/folder: \"x\" has no meaning with dataset \"idx\" as it is given here"));
  EXPECT_EQ(
      error_of({{"data", {{"dataset", "numpy"}, {"train_file", "x"}, {"train_labels", "y"}}}}),
      place("/data/train_labels: \"y\" has no meaning with dataset \"numpy\" as it is given "
            "here"));
}

TEST_F(PipelineFile, NeedsTheFilesOfItsDataset) {
  EXPECT_EQ(error_of({{"data", {{"dataset", "idx"}, {"train_images", "x"}}}}),
            place("/data: missing key \"train_labels\", which dataset \"idx\" needs"));
  EXPECT_EQ(error_of({{"data", {{"dataset", "numpy"}, {"train_file", "x"}}}}),
            place("/data: missing key \"test_file\", which dataset \"numpy\" needs"));
}

TEST_F(PipelineFile, NeedsExactlyOneModel) {
  EXPECT_EQ(error_of({{"model", {{"file", nullptr}}}}),
            place("/model: {} has neither \"file\" and \"inline\"; expected one of them"));
  EXPECT_NE(error_of({{"model", {{"inline", Json::object()}}}}).find("has both"),
            std::string::npos);
}

TEST_F(PipelineFile, RefusesFilesThatDoNotExist) {
  const std::string long_name(300, 'x');  // longer than the system takes
  EXPECT_EQ(error_of({{"model", {{"file", long_name}}}}),
            place("/model/file: \"" + long_name + "\" is not a file; expected one at \"" +
                  path(long_name) + "\""));
  EXPECT_EQ(error_of({{"model", {{"file", "gone.json"}}}}),
            place("/model/file: \"gone.json\" is not a file; expected one at \"" +
                  path("gone.json") + "\""));
  EXPECT_EQ(error_of({{"model", {{"weights", "gone.npz"}}}}),
            place("/model/weights: \"gone.npz\" is not a file; expected one at \"" +
                  path("gone.npz") + "\""));
  EXPECT_EQ(error_of({{"start_from", "gone.json"}}),
            place("/start_from: \"gone.json\" is not a file; expected one at \"" +
                  path("gone.json") + "\""));
}

TEST_F(PipelineFile, RefusesToStartFromItselfOrInACircle) {
  EXPECT_EQ(
      error_of({{"start_from", "p.json"}}),
      place("/start_from: \"p.json\" leads back to a pipeline that starts from it; expected a "
            "chain with an end"));
  Json other = smallest();
  other["start_from"] = "p.json";
  write("other.json", other.dump());
  EXPECT_EQ(error_of({{"start_from", "other.json"}}),
            place("/start_from: \"other.json\" leads back to a pipeline that starts from it; "
                  "expected a chain with an end"));
}

TEST_F(PipelineFile, RefusesABrokenModelFileByItsName) {
  write("model.json", "{");
  EXPECT_EQ(error_of(Json::object()).find(path("model.json") + ": parse error"), 0U);
}

TEST_F(PipelineFile, RefusesUnknownNormsAndProcedures) {
  const std::string norm = error_of({{"norm", {{"plugin", "range_bm"}}}});
  EXPECT_NE(norm.find(place("/norm/plugin: ")), std::string::npos) << norm;
  EXPECT_NE(norm.find("\"range_bn\""), std::string::npos) << norm;
  const std::string procedure =
      error_of({{"procedures", Json::parse(R"([{"plugin": "swalp", "start_epoch": -1}])")}});
  EXPECT_EQ(procedure, place("/procedures/0/start_epoch: -1 is below the minimum 0; expected an "
                             "integer of at least 0"));
}

TEST_F(PipelineFile, ChecksWhatOverridesMadeOfIt) {
  EXPECT_EQ(error_of(Json::object(), {"/data/bach_size=3"}),
            place("/data/bach_size: unknown key \"bach_size\", did you mean \"batch_size\"?"));
  EXPECT_EQ(error_of(Json::object(), {"/seed=many"}),
            place("/seed: \"many\" is not an integer of at least 0"));
}

TEST_F(PipelineFile, SaysWhenThereAreNoPlugins) {
  const registry::Registry empty({});
  const auto file = write("p.json", smallest().dump());
  EXPECT_EQ(pipeline::load(file, {}, empty).norm, Json::parse(R"({"plugin": "batch_norm"})"));
  Json text = smallest();
  text["norm"] = {{"plugin", "range_bn"}};
  const auto with_norm = write("n.json", text.dump());
  const std::string message = input_error([&] { return pipeline::load(with_norm, {}, empty); });
  EXPECT_NE(message.find("no plugins were found"), std::string::npos) << message;
}

}  // namespace
}  // namespace qloom::test
