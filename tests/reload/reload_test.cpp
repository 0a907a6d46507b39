// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A plugin's file is written anew while an experiment runs.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "host/pipeline/pipeline.hpp"
#include "host/run/trainer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;
using json::Json;
using run::Progress;
using run::Trainer;

constexpr std::uint64_t kStepsOfEpoch = 5, kEpochs = 3;

class Reload : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("qloom_reload_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(plugin());
    fs::copy_file(QLOOM_SOURCE_DIR "/tests/reload/swapped/plugin.json", plugin() / "plugin.json");
    install("swapped_half");
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path plugin() const { return folder_ / "plugins/quantizer.swapped"; }
  [[nodiscard]] fs::path library() const { return plugin() / "quantizer.swapped.so"; }

  /// As a linker leaves it: another file under the old name, finished two seconds ago.
  void settle(const fs::path& written) {
    fs::last_write_time(written, fs::file_time_type::clock::now() - std::chrono::seconds(2));
    fs::rename(written, library());
  }
  void install(const std::string& build) {
    const fs::path file = fs::path(QLOOM_BINARY_DIR "/tests/reload_plugins") /
                          ("quantizer." + build) / ("quantizer." + build + ".so");
    fs::copy_file(file, folder_ / "new.so");
    settle(folder_ / "new.so");
  }

  /// Trains; `after_first_epoch` acts between the first and the second.
  std::unique_ptr<Trainer> train(const std::function<void()>& after_first_epoch,
                                 const Json& quantizer = {{"plugin", "swapped"}}) {
    const Json text{
        {"data",
         {{"dataset", "fashion-mnist"}, {"train_limit", 128 * kStepsOfEpoch}, {"test_limit", 128}}},
        {"model", {{"file", QLOOM_SOURCE_DIR "/examples/models/mlp.json"}}},
        {"rules", {{{"site", "weight"}, {"quantizer", quantizer}}}},
        {"stages", {{{"train", {{"epochs", kEpochs}}}}}}};
    std::ofstream(folder_ / "p.json") << text.dump();
    registry_ = std::make_unique<registry::Registry>(
        std::vector<fs::path>{fs::path(QLOOM_BINARY_DIR "/plugins"), folder_ / "plugins"});
    auto trainer =
        std::make_unique<Trainer>(pipeline::load(folder_ / "p.json", {}, *registry_), *registry_);
    trainer->watch_plugins();
    trainer->prepare();
    Progress progress("reload");
    int checkpoints = 0;
    trainer->run_stages(
        [&] {
          if (checkpoints++ == 0) after_first_epoch();
        },
        progress);
    return trainer;
  }

  /// What the quantizer makes of 1, from the last step's operand and the weight before its update.
  static float factor(Trainer& trainer) {
    network::Parameter& weight = *trainer.network().parameters.list().front();
    const Tensor& quantized = network::quantized(trainer.network(), weight);
    for (std::size_t i = 0; i < quantized.size(); ++i) {
      if (weight.value[i] != 0) return quantized[i] / weight.value[i];
    }
    return 0;
  }
  static double calls(Trainer& trainer, const std::string& place = "quantizer/") {
    const auto state = trainer.network().sites.all().begin()->second->save();
    return std::get<std::vector<double>>(state.at(place + "calls").values).at(0);
  }

  fs::path folder_;
  std::unique_ptr<registry::Registry> registry_;
};

TEST_F(Reload, NewCodeTakesOverBetweenTwoStepsWithTheStateOfTheOld) {
  const auto trainer = train([&] { install("swapped_quarter"); });
  ASSERT_EQ(trainer->facts().reloads.size(), 1U) << trainer->facts().reloads.dump(2);
  const Json& event = trainer->facts().reloads[0];
  EXPECT_EQ(event["type"], "reload");
  EXPECT_GT(event["step"], kStepsOfEpoch);
  EXPECT_LE(event["step"], kStepsOfEpoch + 3) << "two looks at the file, one step each";
  EXPECT_NE(event["what"].get<std::string>().find("quantizer.swapped.so: loaded anew"),
            std::string::npos);
  EXPECT_EQ(calls(*trainer), kStepsOfEpoch * kEpochs) << "one prepare() a step, none lost";
  EXPECT_EQ(factor(*trainer), 0.25F);
}

TEST_F(Reload, NewCodeOfAMethodInsideAnotherOneTakesOverWithTheStateOfBoth) {
  const Json blend{
      {"plugin", "alpha_blend"}, {"quantizer", {{"plugin", "swapped"}}}, {"finish_step", 0}};
  const auto trainer = train([&] { install("swapped_quarter"); }, blend);
  ASSERT_EQ(trainer->facts().reloads.size(), 1U) << trainer->facts().reloads.dump(2);
  EXPECT_NE(trainer->facts().reloads[0]["what"].get<std::string>().find(
                "quantizer.swapped.so: loaded anew"),
            std::string::npos);
  EXPECT_EQ(calls(*trainer, "quantizer/quantizer/"), kStepsOfEpoch * kEpochs);
  EXPECT_EQ(factor(*trainer), 0.25F);
  EXPECT_TRUE(trainer->setup().methods().contains(registry_->find("quantizer", "swapped")));

  install("swapped_half");
  const auto refused = train([&] { install("swapped_refuses"); }, blend);
  ASSERT_EQ(refused->facts().reloads.size(), 1U) << refused->facts().reloads.dump(2);
  const auto what = refused->facts().reloads[0]["what"].get<std::string>();
  EXPECT_NE(what.find("this build knows no old state"), std::string::npos) << what;
  EXPECT_EQ(factor(*refused), 0.5F);
}

TEST_F(Reload, WithoutAChangeNothingIsLoaded) {
  const auto trainer = train([] {});
  EXPECT_TRUE(trainer->facts().reloads.empty());
  EXPECT_EQ(factor(*trainer), 0.5F);
}

TEST_F(Reload, AFileThatIsNoLibraryIsNamedAndTheOldCodeGoesOn) {
  const auto trainer = train([&] {
    std::ofstream(folder_ / "new.so") << "half a library";
    settle(folder_ / "new.so");
  });
  ASSERT_EQ(trainer->facts().reloads.size(), 1U) << trainer->facts().reloads.dump(2);
  const auto what = trainer->facts().reloads[0]["what"].get<std::string>();
  EXPECT_TRUE(what.starts_with(library().string())) << what;
  EXPECT_NE(what.find("the run goes on with the old code"), std::string::npos) << what;
  EXPECT_EQ(calls(*trainer), kStepsOfEpoch * kEpochs);
  EXPECT_EQ(factor(*trainer), 0.5F);
}

TEST_F(Reload, CodeThatRefusesTheStateIsNamedAndTheOldCodeGoesOn) {
  const auto trainer = train([&] { install("swapped_refuses"); });
  ASSERT_EQ(trainer->facts().reloads.size(), 1U) << trainer->facts().reloads.dump(2);
  const auto what = trainer->facts().reloads[0]["what"].get<std::string>();
  EXPECT_NE(what.find("this build knows no old state"), std::string::npos) << what;
  EXPECT_NE(what.find("the run goes on with the old code"), std::string::npos) << what;
  EXPECT_EQ(calls(*trainer), kStepsOfEpoch * kEpochs);
  EXPECT_EQ(factor(*trainer), 0.5F);
}

TEST_F(Reload, CodeThatFailsAtItsFirstStepIsTakenBackAndTheBitsAreThoseOfTheOldCode) {
  const auto unchanged = train([] {});
  const data::Arrays expected = unchanged->network().save(true);
  const auto expect_back = [&](const std::string& build, const std::string& reason) {
    install("swapped_half");
    const auto trainer = train([&] { install(build); });
    ASSERT_EQ(trainer->facts().reloads.size(), 1U) << trainer->facts().reloads.dump(2);
    const auto what = trainer->facts().reloads[0]["what"].get<std::string>();
    EXPECT_NE(what.find("loaded anew, failed at its first step"), std::string::npos) << what;
    EXPECT_NE(what.find(reason), std::string::npos) << what;
    EXPECT_NE(what.find("the run goes on with the old code"), std::string::npos) << what;
    const data::Arrays found = trainer->network().save(true);
    ASSERT_EQ(found.size(), expected.size()) << build;
    for (const auto& [key, array] : expected) {
      EXPECT_TRUE(found.contains(key) && found.at(key).values == array.values) << build << key;
    }
    EXPECT_EQ(trainer->facts().series, unchanged->facts().series) << build;
    EXPECT_EQ(factor(*trainer), 0.5F) << build;
    // The registry has gone back too: what is created now is the old code.
    trainer->network().renew({registry_->find("quantizer", "swapped")});
    EXPECT_EQ(factor(*trainer), 0.5F) << build;
  };
  expect_back("swapped_fails", "this build cannot do a step");
  expect_back("swapped_nan", "training diverged");
  expect_back("swapped_rounds_up", "changed the floating-point state");
}

TEST_F(Reload, AGoodBuildAfterABadOneIsTaken) {
  int looks = 0;
  const auto trainer = train([&] {
    ++looks;
    install("swapped_refuses");
  });
  ASSERT_EQ(looks, 1);
  ASSERT_EQ(trainer->facts().reloads.size(), 1U);
  install("swapped_quarter");
  const registry::Method& method = *registry_->find("quantizer", "swapped");
  registry::Registry::Reload reload(*registry_, method.library_file);
  trainer->network().renew(reload.methods());
  reload.keep();
  EXPECT_EQ(factor(*trainer), 0.25F);
  EXPECT_EQ(calls(*trainer), kStepsOfEpoch * kEpochs + 1) << "the look above prepares once";
}

}  // namespace
}  // namespace qloom::test
