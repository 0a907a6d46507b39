// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What compile, execute and diff refuse, and what they take as it is meant.
#include "host/data/arrays/npy.hpp"
#include "host/data/file.hpp"
#include "tests/support/integer_program.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

class ProgramFaults : public IntegerProgram {
 protected:
  void refused(const std::vector<std::string>& arguments, const std::string& message) {
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 2) << message << o.out;
    EXPECT_NE(o.err.find(message), std::string::npos) << o.err;
  }
  /// Two samples of sevens, as integers of this type of NumPy's.
  void write_sevens(const std::string& type, std::size_t size) {
    const std::string header = data::npy_header(type, {2, 28, 28, 1});
    std::string bytes(2 * 28 * 28 * size, '\0');
    for (std::size_t i = 0; i < bytes.size(); i += size) bytes[i] = 7;
    write("x.npy", header + bytes);
  }
};

TEST_F(ProgramFaults, ExecuteTakesIntegersOfEveryTypeThatFit) {
  run();
  ASSERT_EQ(compile().status, 0);
  std::string first;
  const std::pair<const char*, std::size_t> types[] = {{"|u1", 1}, {"|i1", 1}, {"<i2", 2},
                                                       {"<u2", 2}, {"<i4", 4}, {"<u4", 4},
                                                       {"<i8", 8}, {"<u8", 8}};
  for (const auto& [type, size] : types) {
    write_sevens(type, size);
    const Outcome o = qloom({"execute", "program", "--input", "x.npy", "--output", "y.npy"});
    ASSERT_EQ(o.status, 0) << type << o.err;
    const data::Bytes bytes = data::read_bytes(folder_ / "y.npy");
    const std::string now(bytes.begin(), bytes.end());
    if (first.empty()) first = now;
    EXPECT_EQ(now, first) << type;
  }
  write_sevens("<f4", 4);
  refused({"execute", "program", "--input", "x.npy", "--output", "z.npy"},
          "element type '<f4', expected an integer type");
  const std::string header = data::npy_header("|i1", {2, 28, 28, 1});
  write("x.npy", header + std::string(2 * 28 * 28, '\xff'));
  refused({"execute", "program", "--input", "x.npy", "--output", "z.npy"},
          "element 0 is -1, expected 0 to 255");
  EXPECT_FALSE(fs::exists(folder_ / "z.npy"));
}

TEST_F(ProgramFaults, ExecuteReplacesNothingButFilesThatItDoesNotRead) {
  run();
  ASSERT_EQ(compile().status, 0);
  write_sevens("|u1", 1);
  fs::create_symlink("x.npy", folder_ / "link.npy");
  for (const char* output : {"x.npy", "./x.npy", "link.npy"}) {
    refused({"execute", "program", "--input", "x.npy", "--output", output},
            "is what --input names");
  }
  refused({"execute", "program", "--input", "x.npy", "--output", "program/program.npz"},
          "is what the program names");
  refused({"execute", "program", "--input", "x.npy", "--output", "/dev/null"},
          "\"/dev/null\" is a special file");
  refused({"execute", "program", "--input", "x.npy", "--output", "y.npz", "--trace", "/dev/full"},
          "--trace: \"/dev/full\" is a special file");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  refused({"execute", "program", "--input", "x.npy", "--output", "y.txt"},
          "--output: \"y.txt\", expected a name that ends in .npy or .npz");
  refused({"execute", "program", "--input", "x.npy", "--output", "y.npz", "--trace", "t.npy"},
          "--trace: \"t.npy\", expected a name that ends in .npz");
  EXPECT_FALSE(fs::exists(folder_ / "y.npz"));
  EXPECT_EQ(qloom({"execute", "program", "--input", "link.npy", "--output", "y.npz"}).status, 0);
}

TEST_F(ProgramFaults, SamplesAreAtLeastOne) {
  run();
  for (const char* samples : {"0", "00", "-1", "1.5", "x"}) {
    refused({"compile", "run", "--output", "program", "--samples", samples},
            std::string(samples) + " is not a whole number from 1 to");
  }
  EXPECT_EQ(qloom({"compile", "run", "--output", "program", "--samples", "1"}).status, 0);
}

TEST_F(ProgramFaults, ReportsOfNewerProgramsAreRefused) {
  run();
  const Json whole = json("run/report.json");
  for (const auto& [pointer, value] : {std::pair{"/format", 2}, {"/sections/origin/revision", 2}}) {
    Json newer = whole;
    newer[Json::json_pointer(pointer)] = value;
    write("run/report.json", newer.dump());
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"compile", "run", "--output", "o"}, {"diff", "run", "run"}}) {
      refused(command, std::string(pointer) + ": 2, expected 1; the run is a newer program's");
    }
  }
  Json strange = whole;
  strange["format"] = "one";
  write("run/report.json", strange.dump());
  refused({"compile", "run", "--output", "o"}, "/format: \"one\", expected 1");
  EXPECT_FALSE(fs::exists(folder_ / "o"));
}

TEST_F(ProgramFaults, ARunThatHasSeenNoRangeIsTheUsersInput) {
  Json p = pipeline();
  p["rules"][1]["from"] = {{"epoch", 1}};
  p["stages"] = Json::parse(R"([{"evaluate": {}}, {"train": {"epochs": 1}}])");
  run(p);
  refused({"compile", "run", "--output", "o"}, "c1: no range is known");
  refused({"diff", "run", "run"}, "expected a stage {\"calibrate\": {}}");
}

TEST_F(ProgramFaults, PipelineIsTheFileFromWhoseFolderPathsStart) {
  run();
  fs::create_directory(folder_ / "moved");
  fs::rename(folder_ / "p.json", folder_ / "moved" / "q.json");
  refused({"compile", "run", "--output", "o", "--pipeline", "p.json"},
          "--pipeline: \"p.json\" is no file");
  refused({"compile", "run", "--output", "o", "--pipeline", "moved"},
          "--pipeline: \"moved\" is no file");
  EXPECT_EQ(qloom({"compile", "run", "--output", "o", "--pipeline", "moved/q.json"}).status, 0);
  const Outcome help = qloom({"compile", "--help"});
  EXPECT_NE(help.out.find("is not read"), std::string::npos) << help.out;
}

TEST_F(ProgramFaults, FactorsOfLogitsThatLieFarApartAreRefused) {
  run(Json::parse(R"({"rules": [
      {"site": "weight", "layers": ["c1", "c2"], "quantizer": {"plugin": "affine", "bits": 4}},
      {"site": "weight", "layers": ["d"],
       "quantizer": {"plugin": "given_grid", "bits": 4, "granularity": "channel",
                     "scales": [3e-9, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]}},
      {"site": ["input", "activation"], "quantizer": {"plugin": "affine", "bits": 5}}]})"));
  refused({"compile", "run", "--output", "o"}, "logits: class 0 has the factor");
  refused({"compile", "run", "--output", "o"}, "\"site\": \"logits\"");
  EXPECT_FALSE(fs::exists(folder_ / "o"));
}

TEST_F(ProgramFaults, SharedValuesAreForStoredTensors) {
  for (const char* id : {"kmeans_codebook", "ecsq", "uniform_entropy"}) {
    Json p = pipeline();
    p["rules"][1]["quantizer"] = {{"plugin", id}};
    write("p.json", p.dump());
    refused({"validate", "p.json"}, id);
    p["rules"][1]["site"] = {"weight", "bias"};
    write("p.json", p.dump());
    EXPECT_EQ(qloom({"validate", "p.json"}).err.find("is not for"), std::string::npos) << id;
  }
}

}  // namespace
}  // namespace qloom::test
