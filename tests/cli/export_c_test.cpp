// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom export PROGRAM --format c
#include <fstream>

#include "host/data/hash.hpp"
#include "host/program/files.hpp"
#include "tests/program/small.hpp"
#include "tests/support/program.hpp"

namespace qloom::test {
namespace {

class ExportC : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    program::write(small_conv(), folder_ / "program");
  }
  std::string text(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// Ends with 2, says this and leaves no folder "c".
  void refuses(const std::vector<std::string>& arguments, const std::string& message) const {
    const Outcome outcome = qloom(arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "c"));
  }
};

TEST_F(ExportC, WritesWhatCompilesAndComputesTheSame) {
  const Outcome outcome = qloom({"export", "program", "--format", "c", "--output", "c"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "c/model.c\n");
  const std::string version = data::hash_file(folder_ / "program" / "program.json").digest;
  EXPECT_NE(text("c/model.h").find("MODEL_VERSION UINT64_C(0x" + version + ")"), std::string::npos);
  const std::string readme = text("c/README.txt");
  const std::string command = "cc -std=c99 -O2 model.c model_main.c -o model";  // as it says
  EXPECT_NE(readme.find(command + "\n  ./model < samples > outputs"), std::string::npos) << readme;
  std::ofstream(folder_ / "c" / "samples") << "123456789";
  const std::string at = "cd '" + (folder_ / "c").string() + "' && ";
  ASSERT_EQ(std::system((at + command + " && ./model < samples > outputs").c_str()), 0);
  // (x - 1) * w of the first window: 48 * 1 + 49 * 2 + 51 * 3 - 52 * 4.
  EXPECT_EQ(text("c/outputs"), "91 93 97 99 \n");
}

TEST_F(ExportC, TraceOfItIsComparedWithTheProgram) {
  ASSERT_EQ(qloom({"export", "program", "--format", "c", "--output", "c"}).status, 0);
  std::ofstream(folder_ / "c" / "samples") << "abcdefghijklmnopqr";
  const std::string command = "cd '" + (folder_ / "c").string() +
                              "' && cc -std=c99 -O2 -DMODEL_TRACE model.c model_main.c -o traced"
                              " && ./traced trace.bin < samples > outputs";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const Outcome same = qloom({"diff", "program", "c/trace.bin"});
  EXPECT_EQ(same.status, 0) << same.err;
  EXPECT_NE(same.out.find("0 of 8 differ"), std::string::npos) << same.out;
  std::string trace = text("c/trace.bin");
  trace[trace.size() - 2] = static_cast<char>(trace[trace.size() - 2] ^ 1);  // of the last sum
  std::ofstream(folder_ / "c" / "trace.bin", std::ios::binary) << trace;
  const Outcome other = qloom({"diff", "program", "c/trace.bin"});
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.out.find("sample 1, row 1, column 1, channel 0"), std::string::npos) << other.out;
  std::ofstream(folder_ / "c" / "trace.bin", std::ios::binary) << trace.substr(0, 40);
  EXPECT_EQ(qloom({"diff", "program", "c/trace.bin"}).status, 2);
}

TEST_F(ExportC, CallsGoThroughATableOfKernels) {
  ASSERT_EQ(
      qloom({"export", "program", "--format", "c", "--style", "calls", "--output", "c"}).status, 0);
  const std::string readme = text("c/README.txt");
  const std::string command = "cc -std=c99 -O2 model.c model_kernels.c model_main.c -o model";
  EXPECT_NE(readme.find(command), std::string::npos) << readme;
  std::ofstream(folder_ / "c" / "samples") << "123456789";
  const std::string at = "cd '" + (folder_ / "c").string() + "' && ";
  ASSERT_EQ(std::system((at + command + " && ./model < samples > outputs").c_str()), 0);
  EXPECT_EQ(text("c/outputs"), "91 93 97 99 \n");
  // A convolution of one's own, put into the table as the README says, is what the model calls.
  std::string main = text("c/model_main.c");
  const std::size_t place = main.find("int main(");
  ASSERT_NE(place, std::string::npos);
  main.insert(place, R"(#include "model_kernels.h"
static void my_conv(const struct model_products *layer, const struct model_tensor *x,
                    const struct model_tensor *sums, const struct model_tensor *y) {
  model_reference.conv(layer, x, sums, y);
  ((int16_t *)y->values)[2] += 1;
}
)");
  main.insert(main.find('{', main.find("int main(")) + 1, R"(
  static struct model_kernels mine;
  mine = model_reference;
  mine.conv = my_conv;
  model_use(&mine);
)");
  std::ofstream(folder_ / "c" / "model_main.c") << main;
  const std::string traced =
      "cc -std=c99 -O2 -DMODEL_TRACE model.c model_kernels.c model_main.c -o model_trace";
  EXPECT_NE(readme.find(traced), std::string::npos) << readme;
  ASSERT_EQ(std::system((at + traced + " && ./model_trace trace.bin < samples > outputs").c_str()),
            0);
  const Outcome o = qloom({"diff", "program", "c/trace.bin"});
  EXPECT_EQ(o.status, 1) << o.err;
  EXPECT_NE(o.out.find("1 of 4 differ"), std::string::npos) << o.out;
  std::filesystem::remove_all(folder_ / "c");
  refuses({"export", "program", "--format", "verilog", "--style", "calls", "--output", "c"},
          "--style is for --format c");
  refuses({"export", "program", "--format", "c", "--style", "call", "--output", "c"}, "call");
}

TEST_F(ExportC, RefusesWhatIsNoProgramAndWritesNothing) {
  refuses({"export", "program", "--format", "c"}, "--output is required with --format c");
  refuses({"export", "program", "--format", "c", "--output", "c", "--lanes", "2"}, "--lanes");
  refuses({"export", "no_such", "--format", "c", "--output", "c"}, "no_such: no such folder");
  refuses({"export", "program", "--format", "cc", "--output", "c"}, "cc");
  std::string json = text("program/program.json");
  json.replace(json.find("\"conv\""), 6, "\"cone\"");
  std::ofstream(folder_ / "program" / "program.json") << json;
  refuses({"export", "program", "--format", "c", "--output", "c"}, "cone");
}

}  // namespace
}  // namespace qloom::test
