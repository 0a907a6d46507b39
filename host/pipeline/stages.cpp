// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/stages.hpp"

#include <initializer_list>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::pipeline {
namespace {

/// Takes out, or refuses, the keys that type `type` does not know.
void drop(Json& object, const Json& written, const std::string& type,
          std::initializer_list<const char*> keys, const std::string& where) {
  for (const char* key : keys) {
    if (written.contains(key)) {
      throw InputError(fmt::format("{}/{}: {} has no meaning with type \"{}\"", where, key,
                                   written[key].dump(), type));
    }
    object.erase(key);
  }
}

Optimizer read_optimizer(Json& text, const Json& written, const std::string& where) {
  Optimizer o;
  o.type = text["type"].get<std::string>();
  o.learning_rate = text["learning_rate"].get<double>();
  o.weight_decay = text["weight_decay"].get<double>();
  o.resets = text.value("reset", false);
  if (o.type == "sgd") {
    drop(text, written, o.type, {"beta1", "beta2", "epsilon"}, where);
    o.momentum = text["momentum"].get<double>();
    o.nesterov = text["nesterov"].get<bool>();
    if (o.nesterov && o.momentum == 0.0) {
      throw InputError(where + "/nesterov: true has no meaning with momentum 0");
    }
  } else {
    drop(text, written, o.type, {"momentum", "nesterov"}, where);
    o.beta1 = text["beta1"].get<double>();
    o.beta2 = text["beta2"].get<double>();
    o.epsilon = text["epsilon"].get<double>();
  }
  return o;
}

Schedule read_schedule(Json& text, const Json& written, const std::string& where) {
  Schedule s;
  s.type = text["type"].get<std::string>();
  s.warmup_steps = text["warmup_steps"].get<std::int64_t>();
  if (s.type != "step") drop(text, written, s.type, {"epochs", "factor"}, where);
  if (s.type != "cosine") drop(text, written, s.type, {"final_rate"}, where);
  if (s.type == "cosine") s.final_rate = text["final_rate"].get<double>();
  if (s.type != "step") return s;
  if (!text.contains("epochs")) {
    throw InputError(where + ": missing key \"epochs\", which type \"step\" needs");
  }
  s.factor = text["factor"].get<double>();
  s.epochs = text["epochs"].get<std::vector<std::int64_t>>();
  for (std::size_t i = 1; i < s.epochs.size(); ++i) {
    if (s.epochs[i] <= s.epochs[i - 1]) {
      throw InputError(fmt::format("{}/epochs/{}: {} is not above {}, the one before it", where, i,
                                   s.epochs[i], s.epochs[i - 1]));
    }
  }
  return s;
}

void read_training(Json& body, const Json& written, const std::string& where, Stage& stage) {
  stage.epochs = body["epochs"].get<std::int64_t>();
  stage.loss = body["loss"].get<std::string>();
  stage.optimizer = read_optimizer(body["optimizer"], written.value("optimizer", Json::object()),
                                   where + "/optimizer");
  stage.schedule = read_schedule(body["schedule"], written.value("schedule", Json::object()),
                                 where + "/schedule");
}

}  // namespace

const std::vector<StageType>& stage_types() {
  using Samples = StageType::Samples;
  using Activations = StageType::Activations;
  static const std::vector<StageType> types = {
      {"train", true, Samples::kTraining, Activations::kLearns, &read_training},
      {"calibrate", false, Samples::kTraining, Activations::kLearns, nullptr},
      {"evaluate", false, Samples::kTest, Activations::kNeeds, nullptr},
  };
  return types;
}

Stage resolve_stage(Json& text, const Json& written, const std::string& where) {
  Stage stage;
  stage.where = where;
  const std::string name = text.begin().key();
  for (const StageType& type : stage_types()) {
    if (type.name == name) stage.type = &type;
  }
  if (stage.type == nullptr) throw InputError(fmt::format("{}/{}: no such stage", where, name));
  Json& body = text[name];
  if (body.contains("apply_rules")) stage.apply_rules = body["apply_rules"].get<bool>();
  if (body.contains("batches")) stage.batches = body["batches"].get<std::int64_t>();
  if (stage.type->read != nullptr) {
    stage.type->read(body, written[name], where + "/" + name, stage);
  }
  return stage;
}

}  // namespace qloom::pipeline
