// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <cstring>

#include "host/data/arrays/array_file.hpp"
#include "host/data/datasets/dataset.hpp"
#include "tests/data/files.hpp"

namespace qloom::data {
namespace {

Bytes float_bytes(const std::vector<float>& values) {
  Bytes out(values.size() * sizeof(float));
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

class NumpyData : public Files {
 protected:
  /// The same arrays as train and test data.
  [[nodiscard]] Source source(const Bytes& images, const Bytes& labels) const {
    Source out;
    out.dataset = "numpy";
    out.train_images = out.test_images = put("images.npy", images);
    out.train_labels = out.test_labels = put("labels.npy", labels);
    return out;
  }
  static std::string refuse(const Source& source) {
    return input_error([&] { static_cast<void>(load(source)); });
  }
};

const Bytes kTwoLabels = npy("|u1", "(2,)", {1, 0});

TEST_F(NumpyData, RanksTwoToFourBecomeImages) {
  const Bytes pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  struct Case {
    const char* shape;
    std::int64_t height, width, channels;
  };
  for (const Case& c :
       {Case{"(2, 6)", 1, 1, 6}, Case{"(2, 3, 2)", 3, 2, 1}, Case{"(2, 1, 2, 3)", 1, 2, 3}}) {
    const Dataset set = load(source(npy("|u1", c.shape, pixels), kTwoLabels));
    EXPECT_EQ(set.train.height, c.height) << c.shape;
    EXPECT_EQ(set.train.width, c.width) << c.shape;
    EXPECT_EQ(set.train.channels, c.channels) << c.shape;
    EXPECT_EQ(set.train.bytes, pixels) << c.shape;
    EXPECT_EQ(set.mean.size(), static_cast<std::size_t>(c.channels)) << c.shape;
  }
}

TEST_F(NumpyData, OtherRanksAreRefusedWithTheShape) {
  for (const char* shape : {"()", "(2,)", "(2, 1, 1, 1, 1)"}) {
    const std::size_t n = std::string(shape) == "()" ? 1 : 2;
    expect_has(refuse(source(npy("|u1", shape, Bytes(n, 0)), kTwoLabels)),
               {(folder_ / "images.npy").string(), shape, "expected (N, features)"});
  }
}

TEST_F(NumpyData, LabelsOfEveryIntegerTypeAreRead) {
  const Bytes images = npy("|u1", "(2, 1)", {0, 1});
  const std::vector<Bytes> labels{
      npy("|u1", "(2,)", {1, 0}),
      npy("|i1", "(2,)", {1, 0}),
      npy("<u2", "(2,)", {1, 0, 0, 0}),
      npy(">i2", "(2,)", {0, 1, 0, 0}),
      npy("<u4", "(2,)", {1, 0, 0, 0, 0, 0, 0, 0}),
      npy(">i4", "(2,)", {0, 0, 0, 1, 0, 0, 0, 0}),
      npy("<u8", "(2,)", {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
      npy(">i8", "(2,)", {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})};
  for (const Bytes& bytes : labels) {
    EXPECT_EQ(load(source(images, bytes)).train.labels, (std::vector<std::int32_t>{1, 0}));
  }
}

TEST_F(NumpyData, LabelsThatAreNoClassAreRefused) {
  const Bytes images = npy("|u1", "(2, 1)", {0, 1});
  expect_has(refuse(source(images, npy("<f4", "(2,)", Bytes(8, 0)))),
             {"labels.npy", "'<f4'", "integer"});
  expect_has(refuse(source(images, npy("|b1", "(2,)", {0, 1}))), {"'|b1'", "integer"});
  expect_has(refuse(source(images, npy("|u1", "(2, 1)", {0, 1}))), {"(2, 1)", "expected (2,)"});
  expect_has(refuse(source(images, npy("<u8", "(2,)", Bytes(16, 0xFF)))), {"18446744073709551615"});
  expect_has(refuse(source(images, npy("<i4", "(2,)", {0, 0, 1, 0, 0, 0, 0, 0}))),
             {"label 0 is 65536", "expected 0 to 65535"});
}

TEST_F(NumpyData, FloatImagesMustBeFinite) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    expect_has(refuse(source(npy("<f4", "(2, 2)", float_bytes({0, 1, bad, 3})), kTwoLabels)),
               {"images.npy", "element 2 is ", "expected a finite number"});
  }
  EXPECT_EQ(
      load(source(npy("<f4", "(2, 2)", float_bytes({0, 1, -2, 3e38F})), kTwoLabels)).train.values,
      (std::vector<float>{0, 1, -2, 3e38F}));
}

TEST_F(NumpyData, OtherImageTypesAreRefusedByName) {
  expect_has(refuse(source(npy("<f8", "(2, 1)", Bytes(16, 0)), kTwoLabels)),
             {"'<f8'", "expected uint8 or float32"});
}

TEST_F(NumpyData, ArchivesHoldImagesAndLabels) {
  Arrays arrays;
  arrays["images"] = {{2, 2}, std::vector<float>{1, 2, 3, 4}};
  arrays["labels"] = {{2}, std::vector<std::int64_t>{4, 0}};
  write_npz(folder_ / "d.npz", arrays);
  Source s;
  s.dataset = "numpy";
  s.train_file = s.test_file = folder_ / "d.npz";
  const Dataset set = load(s);
  EXPECT_EQ(set.train.values, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(set.test.labels, (std::vector<std::int32_t>{4, 0}));
  EXPECT_EQ(set.classes, 5);

  arrays.erase("labels");
  write_npz(folder_ / "d.npz", arrays);
  expect_has(refuse(s), {s.train_file.string(), "no array \"labels\""});
  arrays["labels"] = {{3}, std::vector<std::int64_t>{4, 0, 1}};
  write_npz(folder_ / "d.npz", arrays);
  expect_has(refuse(s), {s.train_file.string(), "member \"labels.npy\"", "expected (2,)"});
}

TEST_F(NumpyData, TrainAndTestImagesMustHaveOneType) {
  Source s = source(npy("|u1", "(2, 1)", {0, 1}), kTwoLabels);
  s.test_images = put("float.npy", npy("<f4", "(2, 1)", float_bytes({0, 1})));
  expect_has(refuse(s), {s.test_images.string(), "float32", "expected 1 x 1 x 1 uint8"});
}

TEST_F(NumpyData, AMissingPathIsNamedByItsKey) {
  Source s = source(npy("|u1", "(2, 1)", {0, 1}), kTwoLabels);
  s.test_labels.clear();
  expect_has(refuse(s), {"/data/test_labels", "missing", "/data/test_file"});
}

}  // namespace
}  // namespace qloom::data
