// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/datasets/dataset.hpp"
#include "tests/data/files.hpp"

namespace qloom::data {
namespace {

class Cifar : public Files {
 protected:
  /// Five train batches of one record, labels 0 to 4, and a test batch of two, labels 9 and 8.
  void SetUp() override {
    Files::SetUp();
    for (std::uint8_t i = 0; i < 5; ++i) {
      static_cast<void>(put("data_batch_" + std::to_string(i + 1) + ".bin", record(i)));
    }
    Bytes two = record(9);
    const Bytes second = record(8);
    two.insert(two.end(), second.begin(), second.end());
    static_cast<void>(put("test_batch.bin", two));
    source_.dataset = "cifar-10";
    source_.folder = folder_;
  }
  /// Planes: red is the label, green the pixel's column, blue its row.
  static Bytes record(std::uint8_t label) {
    Bytes out{label};
    for (int i = 0; i < 1024; ++i) out.push_back(label);
    for (int i = 0; i < 1024; ++i) out.push_back(static_cast<std::uint8_t>(i % 32));
    for (int i = 0; i < 1024; ++i) out.push_back(static_cast<std::uint8_t>(i / 32));
    return out;
  }
  std::string refuse() const {
    return input_error([&] { static_cast<void>(load(source_)); });
  }
  Source source_;
};

TEST_F(Cifar, PlanesBecomeChannelsLast) {
  const Dataset set = load(source_);
  EXPECT_EQ(set.train.count, 5);
  EXPECT_EQ(set.test.count, 2);
  EXPECT_EQ(set.classes, 10);
  EXPECT_EQ(set.train.labels, (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(set.test.labels, (std::vector<std::int32_t>{9, 8}));
  ASSERT_EQ(set.train.bytes.size(), 5U * 3072U);
  for (std::size_t n = 0; n < 5; ++n) {
    for (std::size_t row = 0; row < 32; ++row) {
      for (std::size_t column = 0; column < 32; ++column) {
        const std::uint8_t* pixel = &set.train.bytes[((n * 32 + row) * 32 + column) * 3];
        ASSERT_EQ(pixel[0], n);
        ASSERT_EQ(pixel[1], column);
        ASSERT_EQ(pixel[2], row);
      }
    }
  }
  EXPECT_FLOAT_EQ(set.mean[0], 2.0F / 255.0F);
  EXPECT_FLOAT_EQ(set.mean[1], 15.5F / 255.0F);
}

TEST_F(Cifar, ASizeThatIsNoWholeRecordIsRefused) {
  const Bytes whole = record(3);
  for (std::size_t n = 0; n < whole.size(); n += 64) {  // 3072 is the last of them
    const auto file =
        put("data_batch_3.bin", Bytes(whole.begin(), whole.begin() + static_cast<int>(n)));
    const std::string message = refuse();
    expect_has(message, {file.string(), std::to_string(n) + " bytes", "multiple of 3073"});
  }
}

TEST_F(Cifar, ALabelAboveNineIsRefused) {
  const auto file = put("data_batch_2.bin", record(10));
  expect_has(refuse(), {file.string(), "label 0 is 10", "expected 0 to 9"});
}

TEST_F(Cifar, MissingFilesAndFoldersAreNamed) {
  std::filesystem::remove(folder_ / "test_batch.bin");
  expect_has(refuse(), {(folder_ / "test_batch.bin").string(), "No such file"});
  source_.folder.clear();
  expect_has(refuse(), {"/data/folder", "missing"});
}

TEST_F(Cifar, LimitsKeepTheFirstSamples) {
  source_.train_limit = 3;
  source_.test_limit = 1;
  const Dataset set = load(source_);
  EXPECT_EQ(set.train.labels, (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(set.test.bytes.size(), 3072U);
  source_.train_limit = 6;
  expect_has(refuse(), {"/data/train_limit: 6", "to 5", folder_.string()});
}

}  // namespace
}  // namespace qloom::data
