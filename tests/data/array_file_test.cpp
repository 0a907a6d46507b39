// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/arrays/array_file.hpp"

#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>
#include <numeric>

#include <sys/resource.h>
#include <csignal>

#include "tests/data/files.hpp"

namespace qloom::data {
namespace {

class ArrayFile : public Files {};

Arrays some_arrays() {
  Arrays arrays;
  arrays["weight/conv1"] = {{2, 3}, std::vector<float>{1.5F, -0.0F, 3e-45F, INFINITY, -7.0F, 1.0F}};
  arrays["sums"] = {{2}, std::vector<double>{0.1, -2.5}};
  arrays["step"] = {{}, std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min()}};
  arrays["codes"] = {{1, 2, 1}, std::vector<std::int32_t>{-8, 7}};
  arrays["bytes"] = {{0}, std::vector<std::uint8_t>{}};
  return arrays;
}

TEST_F(ArrayFile, ATensorOfAnyRankComesBackBitForBit) {
  const std::vector<Shape> shapes{{}, {1}, {5}, {2, 3}, {2, 0, 3}, {1, 2, 3, 4, 5}};
  for (const Shape& shape : shapes) {
    Tensor x(shape);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.37F * static_cast<float>(i) - 1.0F;
    if (x.size() > 2) x[2] = std::numeric_limits<float>::quiet_NaN();
    write_npy(folder_ / "x.npy", x);
    const Tensor y = read_npy(folder_ / "x.npy");
    ASSERT_EQ(y.shape(), shape);
    ASSERT_EQ(y.size(), x.size());
    if (x.size() > 0) {
      EXPECT_EQ(std::memcmp(x.data(), y.data(), x.size() * sizeof(float)), 0);
    }
  }
}

TEST_F(ArrayFile, AWrittenFileIsWhatTheFormatSays) {
  Tensor x(Shape{3});
  std::iota(x.begin(), x.end(), 1.0F);
  write_npy(folder_ / "x.npy", x);
  EXPECT_EQ(get(folder_ / "x.npy"),
            npy("<f4", "(3,)", {0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40}));
  write_npy(folder_ / "c.npy", {1, 2}, {-1, 258});
  EXPECT_EQ(get(folder_ / "c.npy"), npy("<i4", "(1, 2)", {255, 255, 255, 255, 2, 1, 0, 0}));
}

TEST_F(ArrayFile, FortranOrderAndBigEndianBecomeRowMajor) {
  // [[1, 2, 3], [4, 5, 6]] by columns: 1 4 2 5 3 6.
  const auto file =
      put("f.npy",
          npy(">i4", "(2, 3)",
              {0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 6}, "True"));
  const Array a = read_npy_any(file);
  EXPECT_EQ(a.shape, (Shape{2, 3}));
  EXPECT_EQ(std::get<std::vector<std::int32_t>>(a.values),
            (std::vector<std::int32_t>{1, 2, 3, 4, 5, 6}));
}

TEST_F(ArrayFile, FortranOrderOfThreeAxesIsTransposed) {
  Bytes columns;  // element (i, j, k) of a 2 x 3 x 4 array is 100 i + 10 j + k
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 2; ++i) {
        columns.push_back(static_cast<std::uint8_t>(100 * i + 10 * j + k));
      }
    }
  }
  const Array a = read_npy_any(put("f.npy", npy("|u1", "(2, 3, 4)", columns, "True")));
  std::vector<std::uint8_t> rows;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 4; ++k) rows.push_back(static_cast<std::uint8_t>(100 * i + 10 * j + k));
    }
  }
  EXPECT_EQ(std::get<std::vector<std::uint8_t>>(a.values), rows);
}

TEST_F(ArrayFile, AnArchiveComesBackWithEveryType) {
  write_npz(folder_ / "a.npz", some_arrays());
  const Arrays back = read_npz(folder_ / "a.npz");
  const Arrays expected = some_arrays();
  ASSERT_EQ(back.size(), expected.size());
  for (const auto& [name, array] : expected) {
    ASSERT_TRUE(back.contains(name)) << name;
    EXPECT_EQ(back.at(name).shape, array.shape) << name;
    EXPECT_EQ(back.at(name).values, array.values) << name;
  }
}

TEST_F(ArrayFile, TheSameArraysGiveTheSameArchiveWhateverTheTimeZone) {
  write_npz(folder_ / "a.npz", some_arrays());
  const char* old = std::getenv("TZ");
  const std::string keep = old == nullptr ? "" : old;
  setenv("TZ", "Pacific/Kiritimati", 1);
  tzset();
  write_npz(folder_ / "b.npz", some_arrays());
  old == nullptr ? unsetenv("TZ") : setenv("TZ", keep.c_str(), 1);
  tzset();
  EXPECT_EQ(get(folder_ / "a.npz"), get(folder_ / "b.npz"));
}

TEST_F(ArrayFile, AnArchiveIsStoredUncompressed) {
  Arrays arrays;
  arrays["zeros"] = {{100000}, std::vector<std::uint8_t>(100000, 0)};
  write_npz(folder_ / "a.npz", arrays);
  EXPECT_GT(std::filesystem::file_size(folder_ / "a.npz"), 100000U);
}

TEST_F(ArrayFile, AnEmptyArchiveComesBackEmpty) {
  write_npz(folder_ / "a.npz", {});
  EXPECT_TRUE(read_npz(folder_ / "a.npz").empty());
}

TEST_F(ArrayFile, WritingReplacesTheFileAndLeavesNoOther) {
  write_text(folder_ / "t.txt", "first, and longer");
  write_text(folder_ / "t.txt", "second");
  EXPECT_EQ(read_text(folder_ / "t.txt"), "second");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) files += entry.exists();
  EXPECT_EQ(files, 1U);
}

TEST_F(ArrayFile, WritingThroughALinkKeepsTheLink) {
  write_text(folder_ / "target.txt", "old");
  std::filesystem::create_symlink("target.txt", folder_ / "link.txt");
  write_text(folder_ / "link.txt", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "link.txt"));
  EXPECT_EQ(read_text(folder_ / "target.txt"), "new");
}

TEST_F(ArrayFile, AFailedWriteKeepsTheOldFileAndLeavesNoOther) {
  write_text(folder_ / "t.txt", "old");
  rlimit keep{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &keep), 0);
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, keep.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(write_text(folder_ / "t.txt", std::string(5000, 'x')), RunError);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &keep), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_text(folder_ / "t.txt"), "old");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) files += entry.exists();
  EXPECT_EQ(files, 1U);
}

TEST_F(ArrayFile, AFileThatCannotBeWrittenIsARunErrorWithItsName) {
  for (const auto& file : {folder_ / "no" / "such" / "x.npy", folder_}) {
    try {
      write_npy(file, Tensor(Shape{1}));
      ADD_FAILURE() << "no RunError";
    } catch (const RunError& e) {
      expect_has(e.what(), {file.string(), "cannot be written"});
    }
  }
  EXPECT_TRUE(std::filesystem::is_directory(folder_));
}

TEST_F(ArrayFile, AWritableFolderIsMadeAndLeftEmpty) {
  require_writable_folder(folder_ / "a" / "b");
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "a" / "b"));
}

TEST_F(ArrayFile, AFolderThatCannotBeWrittenIsAnInputError) {
  write_text(folder_ / "file", "");
  for (const auto& folder : {folder_ / "file", folder_ / "file" / "below"}) {
    expect_has(input_error([&] { require_writable_folder(folder); }),
               {folder.string(), "expected a folder"});
  }
}

TEST_F(ArrayFile, AMissingFileAndAFolderAreInputErrorsWithTheirName) {
  const std::filesystem::path missing = folder_ / "missing.npy";
  for (const auto& read :
       {+[](const std::filesystem::path& f) { static_cast<void>(read_npy(f)); },
        +[](const std::filesystem::path& f) { static_cast<void>(read_npy_any(f)); },
        +[](const std::filesystem::path& f) { static_cast<void>(read_npz(f)); },
        +[](const std::filesystem::path& f) { static_cast<void>(read_text(f)); }}) {
    expect_has(input_error([&] { read(missing); }), {missing.string(), "No such file"});
    expect_has(input_error([&] { read(folder_); }), {folder_.string(), "expected a file"});
  }
}

}  // namespace
}  // namespace qloom::data
