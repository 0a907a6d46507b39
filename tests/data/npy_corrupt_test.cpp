// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// No .npy or .npz file, however broken, does anything but be read or be refused with its name.
#include <zlib.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/arrays/npz.hpp"
#include "tests/data/files.hpp"

namespace qloom::data {
namespace {

class CorruptArray : public Files {
 protected:
  std::string refuse(const Bytes& bytes) const {
    const auto file = put("x.npy", bytes);
    const std::string message = input_error([&] { static_cast<void>(read_npy(file)); });
    expect_has(message, {file.string()});
    return message;
  }
};

const Bytes kTwoFloats{0, 0, 0x80, 0x3F, 0, 0, 0, 0x40};

TEST_F(CorruptArray, EveryTruncationIsRefused) {
  const Bytes whole = npy("<f4", "(2,)", kTwoFloats);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    refuse(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
  }
  EXPECT_EQ(read_npy(put("x.npy", whole)).size(), 2U);
}

TEST_F(CorruptArray, TrailingBytesAreRefused) {
  Bytes bytes = npy("<f4", "(2,)", kTwoFloats);
  bytes.push_back(0);
  expect_has(refuse(bytes), {"1 bytes follow", "expected none"});
}

TEST_F(CorruptArray, AnyChangedHeaderByteIsReadOrRefused) {
  const Bytes whole = npy("<f4", "(2,)", kTwoFloats);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < whole.size() - kTwoFloats.size(); ++i) {
    for (const int value : {0x00, 0x20, 0x27, 0x28, 0x2C, 0x39, 0x7F, 0xFF}) {
      Bytes bytes = whole;
      bytes[i] = static_cast<std::uint8_t>(value);
      const auto file = put("x.npy", bytes);
      try {
        EXPECT_EQ(read_npy(file).size(), 2U) << "byte " << i << " value " << value;
      } catch (const InputError& e) {
        expect_has(e.what(), {file.string()});
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 300U);
}

TEST_F(CorruptArray, TheFoundElementTypeIsNamed) {
  expect_has(refuse(npy("<f8", "(1,)", kTwoFloats)), {"'<f8'", "expected float32"});
  expect_has(refuse(npy("<i4", "(2,)", kTwoFloats)), {"'<i4'", "expected float32"});
  expect_has(refuse(npy("<U2", "(1,)", kTwoFloats)), {"'<U2'"});
  expect_has(refuse(npy("|O", "(1,)", kTwoFloats)), {"'|O'"});
  expect_has(
      refuse(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", kTwoFloats)),
      {"compound"});
}

TEST_F(CorruptArray, TypesThatNoArrayHoldsAreRefusedByName) {
  for (const char* type : {"<f2", "<u2", "<i2"}) {
    const auto file = put("x.npy", npy(type, "(4,)", kTwoFloats));
    expect_has(input_error([&] { static_cast<void>(read_npy_any(file)); }),
               {file.string(), type, "expected float32, float64, int32, int64 or uint8"});
  }
}

TEST_F(CorruptArray, ABadVersionOrMagicIsRefusedWithItsValue) {
  Bytes bytes = npy("<f4", "(2,)", kTwoFloats);
  bytes[6] = 9;
  expect_has(refuse(bytes), {"version 9.0", "expected 1.0, 2.0 or 3.0"});
  for (const std::uint8_t minor : {1, 4, 8}) {  // NumPy refuses these too
    bytes[6] = 1;
    bytes[7] = minor;
    expect_has(refuse(bytes), {"version 1." + std::to_string(minor), "expected 1.0"});
  }
  bytes[0] = 'P';
  expect_has(refuse(bytes), {"magic"});
}

TEST_F(CorruptArray, VersionTwoIsRead) {
  const Bytes one = npy("<f4", "(2,)", kTwoFloats);
  Bytes two(one.begin(), one.begin() + 10);
  two[6] = 2;
  two.insert(two.end(), {0, 0});
  two.insert(two.end(), one.begin() + 10, one.end());
  const Tensor x = read_npy(put("x.npy", two));
  EXPECT_EQ(x[0], 1.0F);
  EXPECT_EQ(x[1], 2.0F);
}

TEST_F(CorruptArray, ShapesThatLieAreRefused) {
  for (const char* shape :
       {"(3,)", "(1,)", "(-2,)", "(2", "2", "(2)", "(2.0,)", "(99999999999999999999,)",
        "(4294967296, 4294967296, 4294967296)", "(9223372036854775807, 2)", "(2,),", "(a,)"}) {
    refuse(npy("<f4", shape, kTwoFloats));
  }
}

TEST_F(CorruptArray, AHugeExtentBesideAZeroOneIsRefused) {
  refuse(npy("<f4", "(0, 9223372036854775807, 9223372036854775807)", {}));
}

TEST_F(CorruptArray, MissingDoubleAndUnknownKeysAreRefused) {
  refuse(npy("{'descr': '<f4', 'shape': (2,), }", kTwoFloats));
  refuse(
      npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", kTwoFloats));
  expect_has(refuse(npy("{'descr': '<f4', 'order': False, 'shape': (2,), }", kTwoFloats)),
             {"'order'"});
  refuse(npy("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", kTwoFloats));
}

class CorruptArchive : public Files {
 protected:
  [[nodiscard]] Bytes whole() const {
    Arrays arrays;
    arrays["x"] = {{2}, std::vector<float>{1.0F, 2.0F}};
    arrays["y"] = {{1}, std::vector<std::int32_t>{3}};
    write_npz(folder_ / "whole.npz", arrays);
    return get(folder_ / "whole.npz");
  }
};

TEST_F(CorruptArchive, EveryTruncationIsRefused) {
  const Bytes bytes = whole();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto file = put("x.npz", Bytes(bytes.begin(), bytes.begin() + static_cast<int>(n)));
    expect_has(input_error([&] { static_cast<void>(read_npz(file)); }), {file.string()});
  }
}

TEST_F(CorruptArchive, AnyChangedByteIsReadAlikeOrRefused) {
  const Bytes bytes = whole();
  const Arrays expected = read_npz(folder_ / "whole.npz");
  std::size_t refused = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= 0x5A;
    const auto file = put("x.npz", changed);
    try {
      const Arrays found = read_npz(file);
      ASSERT_EQ(found.size(), 2U) << "byte " << i;
      if (found.contains("x")) {  // else the name's byte is the changed one
        EXPECT_EQ(found.at("x").values, expected.at("x").values) << "byte " << i;
      }
    } catch (const InputError& e) {
      expect_has(e.what(), {file.string()});
      ++refused;
    }
  }
  EXPECT_GT(refused, bytes.size() / 2);  // the array bytes are covered by a checksum
}

TEST_F(CorruptArchive, AMemberIsNamed) {
  Bytes bytes = whole();
  const std::string type = "<f4";
  const auto found = std::search(bytes.begin(), bytes.end(), type.begin(), type.end());
  ASSERT_NE(found, bytes.end());
  *found = '!';
  const auto file = put("x.npz", bytes);
  expect_has(input_error([&] { static_cast<void>(read_npz(file)); }),
             {file.string(), "member \"x.npy\"", "CRC"});
}

TEST_F(CorruptArchive, AMemberIsNotUnpackedBeyondWhatItsHeaderNeeds) {
  Bytes longer = npy("<f4", "(2,)", kTwoFloats);
  longer.resize(100'000);
  const auto archive = [this](const Bytes& member) {
    const Bytes bytes = zip_bytes({{"x", member}});
    return put("x.npz", bytes);
  };
  auto file = archive(longer);
  expect_has(input_error([&] { static_cast<void>(read_npz(file)); }),
             {"member \"x.npy\"", "unpacks to more than the 136 bytes expected"});
  file = archive(npy("<f4", "(1099511627776,)", Bytes(10'000)));
  expect_has(input_error([&] { static_cast<void>(read_npz(file)); }),
             {"member \"x.npy\"", "the header needs 4398046511232 bytes"});
}

TEST_F(CorruptArchive, MembersThatAreNotAskedForAreNotRead) {
  const Bytes text = npy("<U5", "(1,)", Bytes(20));
  const auto file = put("x.npz", zip_bytes({{"x", npy("<f4", "(2,)", kTwoFloats)}, {"y", text}}));
  EXPECT_EQ(read_members(file, {"x"}).size(), 1U);
  EXPECT_THROW(static_cast<void>(read_npz(file)), InputError);
}

}  // namespace
}  // namespace qloom::data
