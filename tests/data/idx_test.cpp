// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <zlib.h>

#include "host/data/datasets/dataset.hpp"
#include "tests/data/files.hpp"

namespace qloom::data {
namespace {

Bytes gzip(const Bytes& plain) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes out(plain.size() + 1024);
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

const Bytes kImages = idx(8, {3, 2, 2}, {0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
const Bytes kLabels = idx(8, {3}, {0, 2, 1});

class Idx : public Files {
 protected:
  [[nodiscard]] Source source(const Bytes& images = kImages, const Bytes& labels = kLabels) const {
    Source out;
    out.dataset = "idx";
    out.train_images = put("train-images", images);
    out.train_labels = put("train-labels", labels);
    out.test_images = put("test-images", kImages);
    out.test_labels = put("test-labels", kLabels);
    return out;
  }
  static std::string refuse(const Source& source) {
    return input_error([&] { static_cast<void>(load(source)); });
  }
};

TEST_F(Idx, PlainAndGzipFilesGiveTheSameImages) {
  for (const Dataset& set : {load(source()), load(source(gzip(kImages), gzip(kLabels)))}) {
    EXPECT_EQ(set.train.count, 3);
    EXPECT_EQ(set.train.height, 2);
    EXPECT_EQ(set.train.width, 2);
    EXPECT_EQ(set.train.channels, 1);
    EXPECT_EQ(set.train.bytes, Bytes(kImages.begin() + 16, kImages.end()));
    EXPECT_EQ(set.train.labels, (std::vector<std::int32_t>{0, 2, 1}));
    EXPECT_EQ(set.classes, 3);
    EXPECT_EQ(set.name, "idx");
  }
}

TEST_F(Idx, GzipMembersAreJoined) {
  Bytes two = gzip(Bytes(kImages.begin(), kImages.begin() + 9));
  const Bytes rest = gzip(Bytes(kImages.begin() + 9, kImages.end()));
  two.insert(two.end(), rest.begin(), rest.end());
  EXPECT_EQ(load(source(two)).train.bytes, Bytes(kImages.begin() + 16, kImages.end()));
}

TEST_F(Idx, LongGzipFilesAreReadWhole) {
  Bytes pixels(3 * 1500 * 1000);  // larger than the 1 MiB the reader takes at a time
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<std::uint8_t>((i * 2654435761U) >> 13);
  }
  const Bytes images = idx(8, {3, 1500, 1000}, pixels);
  Source s = source(gzip(images));
  s.test_images = s.train_images;
  EXPECT_EQ(load(s).train.bytes, pixels);
}

TEST_F(Idx, EveryTruncationOfImagesAndLabelsIsRefused) {
  for (const bool packed : {false, true}) {
    const Bytes images = packed ? gzip(kImages) : kImages;
    const Bytes labels = packed ? gzip(kLabels) : kLabels;
    for (std::size_t n = 0; n < images.size(); ++n) {
      const Bytes part(images.begin(), images.begin() + static_cast<int>(n));
      expect_has(refuse(source(part)), {(folder_ / "train-images").string()});
    }
    for (std::size_t n = 0; n < labels.size(); ++n) {
      const Bytes part(labels.begin(), labels.begin() + static_cast<int>(n));
      expect_has(refuse(source(kImages, part)), {(folder_ / "train-labels").string()});
    }
  }
}

TEST_F(Idx, CorruptGzipIsRefusedOrReadAlike) {
  const Bytes packed = gzip(kImages);
  std::size_t refused = 0;
  for (std::size_t i = 2; i < packed.size(); ++i) {
    Bytes changed = packed;
    changed[i] ^= 0x40;
    try {  // time stamp, system and padding have no meaning for the contents
      EXPECT_EQ(load(source(changed)).train.bytes, Bytes(kImages.begin() + 16, kImages.end()));
    } catch (const InputError& e) {
      expect_has(e.what(), {(folder_ / "train-images").string()});
      ++refused;
    }
  }
  EXPECT_GE(refused, packed.size() - 10);
}

TEST_F(Idx, TrailingBytesAreRefused) {
  Bytes plain = kImages;
  plain.push_back(1);
  expect_has(refuse(source(plain)), {"1 bytes follow", "(3, 2, 2)", "expected none"});
  Bytes packed = gzip(kImages);
  packed.push_back(1);
  expect_has(refuse(source(packed)), {"1 bytes follow the gzip data"});
  Bytes longer = kImages;
  longer.resize(50'000'000);  // 50 kB when packed
  expect_has(refuse(source(gzip(longer))), {"unpacks to more than the 28 bytes expected"});
}

TEST_F(Idx, AWrongMagicIsRefusedWithItsBytes) {
  Bytes bytes = kImages;
  bytes[0] = 0x50;
  expect_has(refuse(source(bytes)), {"magic 50 00 08 03", "expected"});
  bytes = kImages;
  bytes[2] = 0x07;
  expect_has(refuse(source(bytes)), {"magic 00 00 07 03", "expected"});
}

TEST_F(Idx, AShapeThatOverflowsIsRefused) {
  const std::uint32_t most = 0xFFFFFFFFU;
  expect_has(refuse(source(idx(8, {most, most, most}, {}))), {"too large"});
  expect_has(refuse(source(idx(8, {most, most}, {}))), {"too large"});
  expect_has(refuse(source(idx(8, {most, 1, 1}, {}))), {"truncated", "expected 4294967311"});
}

TEST_F(Idx, CountsOfImagesAndLabelsMustAgree) {
  expect_has(refuse(source(kImages, idx(8, {2}, {0, 1}))),
             {(folder_ / "train-labels").string(), "(2,)", "expected (3,)"});
}

TEST_F(Idx, NoSamplesAreRefused) {
  expect_has(refuse(source(idx(8, {0, 2, 2}, {}), idx(8, {0}, {}))),
             {"(0, 2, 2)", "expected 1 to"});
  expect_has(refuse(source(idx(8, {3, 0, 2}, {}))), {"(3, 0, 2)", "expected 1 to"});
}

TEST_F(Idx, TestLabelsMustBeClassesOfTheTrainLabels) {
  Source s = source();
  s.test_labels = put("test-labels", idx(8, {3}, {0, 3, 1}));
  expect_has(refuse(s), {s.test_labels.string(), "label 1 is 3", "expected 0 to 2"});
}

TEST_F(Idx, NegativeLabelsAreRefused) {
  expect_has(refuse(source(kImages, idx(9, {3}, {0, 0xFF, 1}))),
             {"label 1 is -1", "expected 0 to"});
}

TEST_F(Idx, WideLabelsAreRead) {
  EXPECT_EQ(load(source(kImages, idx(11, {3}, {0, 0, 1, 0, 0, 9}))).train.labels,
            (std::vector<std::int32_t>{0, 256, 9}));
}

TEST_F(Idx, FloatImagesAreUsedAsTheyAre) {
  Source s = source(idx(13, {3, 1, 1}, {0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0}));
  s.test_images = s.train_images;
  const Dataset set = load(s);
  EXPECT_EQ(set.train.values, (std::vector<float>{1.0F, -2.0F, 0.0F}));
  EXPECT_EQ(set.mean, std::vector<float>{0.0F});
  EXPECT_EQ(set.deviation, std::vector<float>{1.0F});
}

TEST_F(Idx, TestImagesMustHaveTheShapeOfTheTrainImages) {
  Source s = source();
  s.test_images = put("test-images", idx(8, {3, 1, 4}, Bytes(12, 0)));
  expect_has(refuse(s), {s.test_images.string(), "1 x 4 x 1", "expected 2 x 2 x 1"});
}

TEST_F(Idx, AMissingFileIsNamed) {
  Source s = source();
  s.test_labels = folder_ / "nowhere";
  expect_has(refuse(s), {s.test_labels.string(), "No such file"});
  s.test_labels.clear();
  expect_has(refuse(s), {"/data/test_labels", "missing"});
}

TEST_F(Idx, LimitsKeepTheFirstSamplesAndAllClasses) {
  Source s = source();
  s.train_limit = 1;
  s.test_limit = 2;
  const Dataset set = load(s);
  EXPECT_EQ(set.train.count, 1);
  EXPECT_EQ(set.train.bytes, (Bytes{0, 255, 1, 2}));
  EXPECT_EQ(set.test.labels, (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(set.classes, 3);
  EXPECT_FLOAT_EQ(set.mean[0], 258.0F / 4.0F / 255.0F);
}

TEST_F(Idx, LimitsOutsideTheFileAreRefused) {
  Source s = source();
  s.train_limit = 4;
  expect_has(refuse(s), {"/data/train_limit: 4", "to 3", s.train_images.string()});
  s.train_limit = -1;
  expect_has(refuse(s), {"/data/train_limit: -1"});
}

TEST_F(Idx, AnUnknownDatasetIsRefused) {
  Source s = source();
  s.dataset = "mnist";
  expect_has(refuse(s), {"/data/dataset", "\"mnist\"", "fashion-mnist"});
}

TEST_F(Idx, FashionMnistFilesMustHaveTheirShapeAndTenClasses) {
  Source s;
  s.dataset = "fashion-mnist";
  s.folder = folder_ / "none";
  expect_has(refuse(s), {s.folder.string(), "dataset-fashion-mnist", "/data/folder"});
  s.folder = folder_;
  expect_has(refuse(s), {"train-images-idx3-ubyte", "No such file"});
  static_cast<void>(put("train-images-idx3-ubyte", idx(8, {1, 28, 28}, Bytes(784, 7))));
  static_cast<void>(put("train-labels-idx1-ubyte", idx(8, {1}, {9})));
  static_cast<void>(put("t10k-images-idx3-ubyte.gz", gzip(idx(8, {1, 28, 27}, Bytes(756, 7)))));
  static_cast<void>(put("t10k-labels-idx1-ubyte.gz", gzip(idx(8, {1}, {10}))));
  expect_has(refuse(s), {"t10k-images-idx3-ubyte.gz", "28 x 27 x 1", "expected 28 x 28 x 1"});
  static_cast<void>(put("t10k-images-idx3-ubyte.gz", gzip(idx(8, {1, 28, 28}, Bytes(784, 7)))));
  expect_has(refuse(s), {"t10k-labels-idx1-ubyte.gz", "label 0 is 10", "expected 0 to 9"});
  static_cast<void>(put("t10k-labels-idx1-ubyte.gz", gzip(idx(8, {1}, {3}))));
  const Dataset set = load(s);
  EXPECT_EQ(set.classes, 10);
  EXPECT_EQ(set.test.labels, std::vector<std::int32_t>{3});
  EXPECT_EQ(set.deviation, std::vector<float>{1.0F}) << "a constant channel is not divided by 0";
}

}  // namespace
}  // namespace qloom::data
