// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which encodings the host refuses, and what it says of them.
#include "host/methods/encoding_fault.hpp"

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "host/methods/quantizer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::methods {
namespace {

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
constexpr float kEndless = std::numeric_limits<float>::infinity();

/// Two groups, of any kind: what a kind does not use it does not read.
struct Given {
  std::array<float, 2> scale{0.5F, 0.25F}, inverse{2.0F, 4.0F}, offset{0.0F, -1.0F}, widths{2, 0};
  std::array<float, 6> table{-1, 0, 1, -2, 0, 2};
  std::array<float, 4> thresholds{-0.5F, 0.5F, -1, 1};
  std::array<std::int32_t, 2> zero{0, INT32_MAX}, low{-2, 0}, high{1, 3};
  std::array<std::int64_t, 3> shape{2, 4, 5};
  qloom_encoding e{};

  explicit Given(std::uint32_t kind) {
    e.struct_size = sizeof e;
    e.kind = kind;
    e.bits = 2;
    e.groups = 2;
    e.grid = {scale.data(), inverse.data(), offset.data(), zero.data(), low.data(), high.data()};
    e.codebook = table.data();
    e.codebook_size = kind == QLOOM_ENCODING_CODEBOOK || kind == QLOOM_ENCODING_VECTORS ? 3 : 0;
    e.format = {2, 1, 1, QLOOM_SPECIALS_NONE, 1, 1};
    e.bases = 3;
    e.bits_of_group = widths.data();
    if (kind == QLOOM_ENCODING_CODEBOOK) e.threshold = thresholds.data();
    e.vector = 2;
    e.vector_inner = 1;
  }
  [[nodiscard]] qloom_tensor tensor(std::uint64_t groups) const {
    return {nullptr, shape.data(), shape.size(), 40, 1, groups, 40 / groups};
  }
  [[nodiscard]] std::string fault(std::uint64_t groups = 2, const json::Json& blocks = {}) const {
    return fault_of(e, EncodedGroups(tensor(groups), blocks));
  }
};

/// The fault after one change.
std::string after(std::uint32_t kind, const std::function<void(Given&)>& change) {
  Given given(kind);
  change(given);
  return given.fault();
}

TEST(EncodingFault, OfEachKindThereIsASoundOne) {
  for (std::uint32_t kind = QLOOM_ENCODING_NONE; kind <= QLOOM_ENCODING_VECTORS; ++kind) {
    EXPECT_EQ(Given(kind).fault(), "") << kind;
  }
  EXPECT_EQ(after(6, [](Given&) {}), "kind is 6, which this host does not know");
}

TEST(EncodingFault, NothingOfAnEncodingThatIsNoneIsRead) {
  EXPECT_EQ(after(QLOOM_ENCODING_NONE,
                  [](Given& g) {
                    g.e.bits = 99;
                    g.e.groups = 1'000'000;
                    g.e.grid = {};
                  }),
            "");
}

TEST(EncodingFault, GroupsAreThoseOfTheTensor) {
  Given given(QLOOM_ENCODING_AFFINE);
  EXPECT_EQ(given.fault(1), "") << "the first axis of a tensor of one group";
  EXPECT_EQ(given.fault(4), "groups is 2, expected 4, those of the tensor");
  EXPECT_EQ(fault_of(given.e, EncodedGroups()), "") << "of a tensor that is not known";
  for (const std::uint64_t groups : {std::uint64_t{0}, std::uint64_t{1'000'000}, UINT64_MAX}) {
    given.e.groups = groups;  // beyond the arrays
    EXPECT_EQ(given.fault(), fmt::format("groups is {}, expected 2, those of the tensor", groups));
    EXPECT_EQ(given.fault(1),
              fmt::format("groups is {}, expected 1, that of the tensor, or 2 of its first axis",
                          groups));
  }
  for (const std::uint32_t kind : {QLOOM_ENCODING_FLOAT, QLOOM_ENCODING_VECTORS}) {
    EXPECT_EQ(after(kind,
                    [](Given& g) {
                      g.e.grid.scale = nullptr;
                      g.e.groups = 1;
                    }),
              "")
        << "no tables of groups";
  }
  EXPECT_NE(after(QLOOM_ENCODING_FLOAT, [](Given& g) { g.e.groups = 1; }), "");
}

TEST(EncodingFault, GroupsOfBlocksAreTheBlocksAlongTheAxis) {
  const auto fault = [](std::uint64_t groups, std::int64_t block, std::int64_t axis) {
    const std::vector<float> ones(groups, 1.0F);
    Given given(QLOOM_ENCODING_FLOAT);
    given.e.bits_of_group = nullptr;
    given.e.grid.scale = ones.data();
    given.e.groups = groups;
    return given.fault(1, {{"block", block}, {"axis", axis}});
  };
  EXPECT_EQ(fault(16, 3, -1), "");  // 5 values: a block of 3 and one of 2, for 2 x 4 rows
  EXPECT_EQ(fault(20, 2, 1), "");
  EXPECT_EQ(fault(20, 32, 0), "");
  EXPECT_EQ(fault(2, 3, -1), "groups is 2, expected 16, those of the tensor");
}

TEST(EncodingFault, BitsHaveABound) {
  for (const std::uint32_t bits : {33U, 99U, UINT32_MAX}) {
    EXPECT_EQ(after(QLOOM_ENCODING_AFFINE, [=](Given& g) { g.e.bits = bits; }),
              fmt::format("bits is {}, expected 0 to 32", bits));
  }
  EXPECT_EQ(after(QLOOM_ENCODING_AFFINE, [](Given& g) { g.e.bits = 32; }), "");
}

TEST(EncodingFault, NoTableOfAKindIsNull) {
  const auto affine = [](const auto& change) { return after(QLOOM_ENCODING_AFFINE, change); };
  EXPECT_EQ(affine([](Given& g) { g.e.grid = {}; }), "scale is NULL, expected 2 values");
  EXPECT_EQ(affine([](Given& g) { g.e.grid.inv_scale = nullptr; }),
            "inv_scale is NULL, expected 2 values");
  EXPECT_EQ(affine([](Given& g) { g.e.grid.zero_point = nullptr; }),
            "zero_point is NULL, expected 2 values");
  EXPECT_EQ(affine([](Given& g) { g.e.grid.code_min = nullptr; }),
            "code_min is NULL, expected 2 values");
  EXPECT_EQ(affine([](Given& g) { g.e.grid.code_max = nullptr; }),
            "code_max is NULL, expected 2 values");
  EXPECT_EQ(affine([](Given& g) { g.e.grid.offset = nullptr; }), "");
  const auto no_codebook = [](Given& g) { g.e.codebook = nullptr; };
  EXPECT_EQ(after(QLOOM_ENCODING_CODEBOOK, no_codebook), "codebook is NULL, expected 6 values");
  EXPECT_EQ(after(QLOOM_ENCODING_BASES, no_codebook), "codebook is NULL, expected 6 values");
  EXPECT_EQ(after(QLOOM_ENCODING_VECTORS, no_codebook), "codebook is NULL, expected 3 vectors");
}

TEST(EncodingFault, ScalesAreFiniteAndAboveZero) {
  for (const float scale : {0.0F, -0.5F, kNotANumber, kEndless}) {
    const auto change = [=](Given& g) { g.scale[1] = scale; };
    const std::string text =
        fmt::format("scale: group 1 is {}, expected a finite value above 0", scale);
    EXPECT_EQ(after(QLOOM_ENCODING_AFFINE, change), text);
    const std::string of_float =
        fmt::format("scale: group 1 is {}, expected a finite value of at least 0", scale);
    EXPECT_EQ(after(QLOOM_ENCODING_FLOAT, change), scale == 0 ? "" : of_float);
    EXPECT_EQ(after(QLOOM_ENCODING_CODEBOOK, change), "") << "which has none";
  }
  EXPECT_EQ(after(QLOOM_ENCODING_AFFINE, [](Given& g) { g.inverse[0] = kNotANumber; }),
            "inv_scale: group 0 is nan, expected a value above 0");
  const auto shared = [](float scale) {
    return after(QLOOM_ENCODING_AFFINE, [=](Given& g) {
      g.e.flags = QLOOM_ENCODING_SHARED_EXPONENT;
      g.scale[1] = scale;
    });
  };
  EXPECT_EQ(shared(0x1p-127F), "");
  EXPECT_EQ(shared(3), "scale: group 1 is 3, expected a power of two: its exponent is shared");
}

TEST(EncodingFault, OtherTablesAreFiniteAndInOrder) {
  EXPECT_EQ(after(QLOOM_ENCODING_BASES, [](Given& g) { g.offset[0] = kEndless; }),
            "offset: group 0 is inf, expected a finite value");
  EXPECT_EQ(after(QLOOM_ENCODING_AFFINE, [](Given& g) { g.high[0] = -3; }),
            "code_max: group 0 is -3, expected at least its code_min: -2");
  const auto in_table = [](Given& g) { g.table[4] = kNotANumber; };
  EXPECT_EQ(after(QLOOM_ENCODING_CODEBOOK, in_table),
            "codebook: value 1 of group 1 is nan, expected a finite value");
  EXPECT_EQ(after(QLOOM_ENCODING_VECTORS, in_table),
            "codebook: value 0 of vector 2 is nan, expected a finite value");
  EXPECT_EQ(after(QLOOM_ENCODING_CODEBOOK, [](Given& g) { g.thresholds[3] = kNotANumber; }),
            "threshold: value 1 of group 1 is nan, expected a number");
  EXPECT_EQ(after(QLOOM_ENCODING_AFFINE, [](Given& g) { g.widths[1] = 3; }),
            "bits_of_group: group 1 has a width of 3 bits, expected 0 to 2, that of the encoding");
}

TEST(EncodingFault, SizesOfTablesFollowFromTheWidth) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{5}, UINT64_MAX}) {
    EXPECT_EQ(after(QLOOM_ENCODING_CODEBOOK, [=](Given& g) { g.e.codebook_size = size; }),
              fmt::format("codebook_size is {}, expected 1 to 4, the codes of 2 bits", size));
  }
  EXPECT_EQ(after(QLOOM_ENCODING_BASES, [](Given& g) { g.e.bases = 32; }),
            "bases is 32, expected 1 to 31");
  EXPECT_EQ(after(QLOOM_ENCODING_VECTORS, [](Given& g) { g.e.vector = 0; }),
            "vector is 0, expected 1 to 16777216");
  EXPECT_EQ(after(QLOOM_ENCODING_VECTORS, [](Given& g) { g.e.vector_inner = 0; }),
            "vector_inner is 0, expected at least 1");
  EXPECT_EQ(after(QLOOM_ENCODING_FLOAT, [](Given& g) { g.e.format.exponent_bits = 200; }),
            "float format: exponent_bits must be 1 to 8 (2 to 8 with IEEE specials)");
  EXPECT_EQ(after(QLOOM_ENCODING_AFFINE, [](Given& g) { g.e.flags = 2; }),
            "flags is 2, expected 0 to 1");
  EXPECT_EQ(after(QLOOM_ENCODING_AFFINE, [](Given& g) { g.e.stored_bits = -1; }),
            "stored_bits is -1, expected 0 or a finite value above it");
}

/// A quantizer whose encoding the test writes.
qloom_status tell(const void* self, qloom_encoding* out) noexcept {
  *out = static_cast<const Given*>(self)->e;
  return QLOOM_OK;
}
qloom_status take(void*, const qloom_prepare*, qloom_error*) noexcept { return QLOOM_OK; }

TEST(EncodingFault, TheDriverNamesPlaceAndMethodAndKnowsTheTensorOfTheLastPrepare) {
  Given given(QLOOM_ENCODING_AFFINE);
  qloom_quantizer table{};
  table.struct_size = sizeof table;
  table.encoding = &tell;
  table.prepare = &take;
  const qloom_base base{sizeof(qloom_base), 1, [](void*) noexcept {}, nullptr, nullptr};
  registry::Method method;
  method.kind = "quantizer";
  method.id = "mine";
  Quantizer quantizer(
      registry::Instance(&method, qloom_instance{sizeof(qloom_instance), 0, &given, &base, &table}),
      "weight/conv1");
  qloom_prepare in{};
  in.struct_size = sizeof in;
  in.x = given.tensor(2);
  quantizer.prepare(in);
  EXPECT_EQ(quantizer.encoding().groups, 2U);
  in.x = given.tensor(4);
  quantizer.prepare(in);
  try {
    static_cast<void>(quantizer.encoding());
    FAIL() << "expected a RunError";
  } catch (const RunError& error) {
    EXPECT_STREQ(error.what(),
                 "weight/conv1: quantizer \"mine\": encoding: groups is 2, expected 4, those of "
                 "the tensor");
  }
}

}  // namespace
}  // namespace qloom::methods
