// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The report of a record of facts: what is counted as stored, sections with their revisions.
#include "host/results/report.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "host/json/validate.hpp"
#include "host/methods/encoding.hpp"
#include "host/results/sections.hpp"
#include "host/results/table.hpp"
#include "host/tensor/error.hpp"

namespace qloom::results {
namespace {

using json::Json;

Json schema() {
  std::ifstream in(QLOOM_SOURCE_DIR "/schemas/report.schema.json");
  return Json::parse(in);
}

/// A grid with these values in every group; `Grid` keeps what the encoding points to.
struct Grid {
  std::vector<float> scale, offset;
  std::vector<std::int32_t> zero, low, high;
  Grid(std::size_t groups, std::int32_t zero_point, std::int32_t code_min, std::int32_t code_max)
      : scale(groups, 0.5F),
        offset(groups, 1.0F),
        zero(groups, zero_point),
        low(groups, code_min),
        high(groups, code_max) {}
  [[nodiscard]] qloom_encoding encoding(std::uint32_t bits) const {
    qloom_encoding e{};
    e.kind = QLOOM_ENCODING_AFFINE;
    e.bits = bits;
    e.groups = scale.size();
    e.grid.scale = scale.data();
    e.grid.zero_point = zero.data();
    e.grid.code_min = low.data();
    e.grid.code_max = high.data();
    return e;
  }
};

void expect_storage(const qloom_encoding& e, std::uint64_t n, std::uint64_t group,
                    std::uint64_t codes, std::uint64_t tables) {
  const Storage storage = storage_of(e, n, group);
  EXPECT_EQ(storage.code_bits, codes);
  EXPECT_EQ(storage.table_bits, tables);
  EXPECT_EQ(storage.bytes(), (codes + tables + 7) / 8);
}

TEST(Storage, WithoutAnEncodingIsFloat32) { expect_storage({}, 10, 0, 320, 0); }

TEST(Storage, CountsScalesAndOnlyZeroPointsThatAreThere) {
  expect_storage(Grid(1, 0, -128, 127).encoding(8), 100, 0, 800, 32);
  expect_storage(Grid(3, 0, -7, 7).encoding(4), 300, 0, 1200, 3 * 32);
  expect_storage(Grid(3, 5, 0, 15).encoding(4), 300, 0, 1200, 3 * (32 + 4));
  // A zero point beyond the codes is as wide as itself: 200 takes 8 bits, -9 with 15 takes 5.
  expect_storage(Grid(1, 200, 0, 15).encoding(4), 10, 0, 40, 32 + 8);
  expect_storage(Grid(1, -9, 0, 15).encoding(4), 10, 0, 40, 32 + 5);
  const Grid shifted(2, 0, 0, 3);
  qloom_encoding e = shifted.encoding(2);
  e.grid.offset = shifted.offset.data();
  expect_storage(e, 64, 0, 128, 2 * (32 + 32));
}

TEST(Storage, ASharedExponentTakesEightBits) {
  const Grid blocks(4, 0, -127, 127);
  qloom_encoding e = blocks.encoding(8);
  e.flags = QLOOM_ENCODING_SHARED_EXPONENT;
  expect_storage(e, 100, 32, 800, 4 * 8);
  e.kind = QLOOM_ENCODING_FLOAT;
  expect_storage(e, 100, 32, 800, 4 * 8);
  e.grid.scale = nullptr;
  expect_storage(e, 100, 32, 800, 0);
}

TEST(Storage, CountsTheValuesOfTables) {
  qloom_encoding e{};
  e.kind = QLOOM_ENCODING_CODEBOOK;
  e.bits = 2;
  e.groups = 5;
  e.codebook_size = 3;
  expect_storage(e, 50, 0, 100, 5 * 3 * 32);
  e.kind = QLOOM_ENCODING_BASES;
  e.bases = 2;
  expect_storage(e, 50, 0, 100, 5 * 2 * 32);
  e.kind = QLOOM_ENCODING_VECTORS;  // 13 vectors of 4 hold 50 values; one table serves them all
  e.bits = 6;
  e.codebook_size = 64;
  e.vector = 4;
  expect_storage(e, 50, 0, 13 * 6, 64 * 4 * 32);
}

TEST(Encoding, ValuesOfBasesAreOffsetsAndScaledSigns) {
  const float scales[] = {0.5F, 2.0F, 1.0F, 0x1p-30F}, offsets[] = {0.0F, 10.0F};
  qloom_encoding e{};
  e.kind = QLOOM_ENCODING_BASES;
  e.bits = e.bases = 2;
  e.groups = 2;
  e.codebook = scales;
  EXPECT_EQ(methods::values_of_bases(e, 0), (std::vector<float>{-2.5F, -1.5F, 1.5F, 2.5F}));
  e.grid.offset = offsets;
  EXPECT_EQ(methods::values_of_bases(e, 1), (std::vector<float>{9.0F, 11.0F, 9.0F, 11.0F}));
  const Json json = methods::to_json(e, "channel");
  EXPECT_EQ(json["kind"], "bases");
  EXPECT_EQ(json["bases"], 2);
  EXPECT_EQ(json["codebook"], Json({0.5, 2.0, 1.0, 0x1p-30}));
  EXPECT_EQ(json["offset"], Json({0.0, 10.0}));
}

TEST(Storage, GroupsMayHaveWidthsOfTheirOwn) {
  const float widths[] = {4, 0, 8};
  const Grid blocks(3, 0, -127, 127);
  qloom_encoding e = blocks.encoding(8);
  e.bits_of_group = widths;
  expect_storage(e, 30, 0, 10 * 4 + 10 * 8, 3 * (32 + 8));
  expect_storage(e, 30, 14, 14 * 4 + 2 * 8, 3 * (32 + 8));  // 14, 14 and 2 values
}

TEST(Storage, BelievesAMethodThatCountsItself) {
  Grid grid(1, 0, -7, 7);
  qloom_encoding e = grid.encoding(4);
  e.stored_bits = 500;
  expect_storage(e, 100, 0, 400, 100);
  e.stored_bits = 299.5;  // compressed codes
  expect_storage(e, 100, 0, 300, 0);
}

/// Facts of a run that did nothing: two parameters and a table.
RunFacts facts() {
  RunFacts facts;
  facts.inputs = {{"files", Json::array()}};
  facts.configuration = {{"pipeline", Json::object()}, {"model", Json::object()}};
  facts.layer_statistics = {{"samples", 1}, {"tensors", Json::array()}};
  facts.name = "facts";
  facts.parameters.push_back({.name = "d/weight",
                              .shape = {3, 100},
                              .elements = 300,
                              .bits = 4,
                              .is_weight = true,
                              .storage = {1200, 108}});
  facts.parameters.push_back({.name = "d/bias", .shape = {3}, .elements = 3, .storage = {96, 0}});
  facts.activations.push_back(
      {.name = "input of d", .shape = {}, .elements = 100, .bits = 8, .storage = {800, 40}});
  facts.tables["folds"] = {{"title", "Folded norms"},
                           {"columns", {"layer", "factor"}},
                           {"rows", Json::parse(R"([["n", 0.5], ["m", null]])")}};
  return facts;
}

TEST(Report, CountsTablesInItsTotalsAndInASection) {
  const Json report = report_of(facts());
  EXPECT_EQ(report["totals"]["model_bytes"], 164 + 12);
  EXPECT_EQ(report["totals"]["weight_bits"], 4.0);
  const Json storage = report["sections"]["storage"];
  EXPECT_EQ(storage["revision"], 1);
  EXPECT_EQ(storage["model_bytes"], 164 + 12);
  EXPECT_EQ(storage["parameters"][0], Json({{"name", "d/weight"},
                                            {"elements", 300},
                                            {"code_bits", 1200},
                                            {"table_bits", 108},
                                            {"bytes", 164}}));
  EXPECT_EQ(storage["activations"][0]["bytes"], 105);
}

TEST(Report, HasASectionForEachTableOfAProcedure) {
  const Json section = report_of(facts())["sections"]["table.folds"];
  EXPECT_EQ(section["revision"], 1);
  EXPECT_EQ(section["title"], "Folded norms");
  EXPECT_EQ(section["rows"][1][1], nullptr);
}

TEST(Report, FitsItsSchemaWithSectionsAndWithout) {
  Json report = report_of(facts());
  EXPECT_NO_THROW(static_cast<void>(json::validate(schema(), report, "report: ")));
  report["sections"]["weather"] = {{"revision", 7}, {"rain", true}};  // somebody else's
  EXPECT_NO_THROW(static_cast<void>(json::validate(schema(), report, "report: ")));
  report.erase("sections");  // as older versions wrote it
  EXPECT_NO_THROW(static_cast<void>(json::validate(schema(), report, "report: ")));
}

TEST(Report, ASectionOutsideItsFormIsRefused) {
  const auto expect_refusal = [](const char* pointer, const Json& value) {
    Json report = report_of(facts());
    report[Json::json_pointer(pointer)] = value;
    EXPECT_THROW(static_cast<void>(json::validate(schema(), report, "report: ")), InputError)
        << pointer;
  };
  expect_refusal("/sections/weather", {{"rain", true}});  // no revision
  expect_refusal("/sections/storage/revision", 2);
  expect_refusal("/sections/storage/parameters/0/bites", 1);
  expect_refusal("/sections/table.folds/rows/0/0", Json::array());
}

TEST(Report, TablesOfSeveralRunsReadReportsWithSectionsAndWithout) {
  Json report = report_of(facts()), old = report, row, old_row;
  old.erase("sections");
  add_figures({report}, row);
  add_figures({old}, old_row);
  EXPECT_EQ(row, old_row);
  EXPECT_EQ(row["model_bytes"], 176);
}

}  // namespace
}  // namespace qloom::results
