// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Sizes of Deep Compression (Han, Mao, Dally, 2016): codes and gaps in Huffman codes.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <qloom/chosen_layers.hpp>
#include <qloom/huffman.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr double kFloatBits = 32;

/// What reads the codes: scales and zero points, or the values that are shared. Unit: bits.
double table_bits(const qloom_encoding& e) {
  const double groups = static_cast<double>(e.groups);
  if (e.kind == QLOOM_ENCODING_CODEBOOK) {
    return groups * static_cast<double>(e.codebook_size) * kFloatBits;
  }
  if (e.kind == QLOOM_ENCODING_BASES) return groups * e.bases * kFloatBits;
  if (e.kind != QLOOM_ENCODING_AFFINE) return e.grid.scale == nullptr ? 0 : groups * kFloatBits;
  const bool has_zero_point = std::any_of(e.grid.zero_point, e.grid.zero_point + e.groups,
                                          [](std::int32_t z) { return z != 0; });
  return groups * kFloatBits * (1 + (has_zero_point ? 1 : 0) + (e.grid.offset != nullptr ? 1 : 0));
}

/// A tensor's codes in one of two forms: all of them, or those of values that are not 0, each with
/// the number of places since the one before.
struct Form {
  const char* name = "";
  std::uint64_t entries = 0, fillers = 0;
  double bits = 0;
};

Form dense(const std::vector<std::int32_t>& codes) {
  return {"dense", codes.size(), 0, coded_bits(counts_of(codes))};
}

/// A gap above 2^index_bits is cut by entries of value 0 ("fillers"), whose symbol is that of 0.
Form sparse(const std::vector<std::int32_t>& codes, const float* values, std::uint64_t index_bits) {
  const std::uint64_t longest = std::uint64_t{1} << index_bits;
  std::vector<std::int64_t> symbols, gaps;
  Form form{"sparse", 0, 0, 0};
  std::uint64_t next = 0;  // first place that is not covered
  for (std::uint64_t i = 0; i < codes.size(); ++i) {
    if (values[i] == 0.0F) continue;
    for (; i - next + 1 > longest; next += longest, ++form.fillers) {
      symbols.push_back(kFiller);
      gaps.push_back(static_cast<std::int64_t>(longest) - 1);
    }
    symbols.push_back(codes[i]);
    gaps.push_back(static_cast<std::int64_t>(i - next));
    next = i + 1;
  }
  form.entries = symbols.size();
  form.bits = coded_bits(counts_of(symbols)) + coded_bits(counts_of(gaps));
  return form;
}

/// When the run is over: the size of each tensor with codes, in the form that takes less, becomes
/// its size in the report; a table says how it comes about.
class HuffmanReport {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_END;

  explicit HuffmanReport(const Params& params)
      : layers_(params),
        conv_bits_(static_cast<std::uint64_t>(params.integer("/index_bits_conv"))),
        dense_bits_(static_cast<std::uint64_t>(params.integer("/index_bits_dense"))) {}

  void on(const Run& run, const qloom_event&) const {
    std::string rows;
    for (const RunTensor& t : layers_.weights(run)) {
      const std::string row = store(run, t);
      rows += (rows.empty() || row.empty() ? "" : ",") + row;
    }
    run.report_table(
        "huffman",
        concat(R"({"title": "Weights in Huffman codes", "columns": ["layer", "weights", "not 0", )"
               R"("entries", "fillers", "form", "bits", "times smaller"], "rows": [)",
               rows, "]}"));
  }

 private:
  /// The row of the table; empty for a tensor without codes, whose size stays.
  [[nodiscard]] std::string store(const Run& run, const RunTensor& t) const {
    const Run::Codes coded = run.encode(t.index, t.n);
    if (coded.encoding.kind == QLOOM_ENCODING_NONE) return {};
    const double tables = table_bits(coded.encoding);
    std::vector<float> values(t.n);
    static_cast<void>(run.quantize(t.index, t.value, values.data()));
    const bool is_dense_layer = t.shape[1] * t.shape[2] == 1;
    const Form forms[] = {dense(coded.codes), sparse(coded.codes, values.data(),
                                                     is_dense_layer ? dense_bits_ : conv_bits_)};
    const Form& best = forms[1].bits < forms[0].bits ? forms[1] : forms[0];
    const double bits = best.bits + tables;
    run.set_storage(t.index, bits);
    const auto zeros = static_cast<std::uint64_t>(std::count(values.begin(), values.end(), 0.0F));
    return concat("[\"", t.layer, "\", ", t.n, ", ", t.n - zeros, ", ", best.entries, ", ",
                  best.fillers, ", \"", best.name, "\", ", static_cast<std::uint64_t>(bits), ", ",
                  static_cast<double>(t.n) * kFloatBits / bits, "]");
  }

  ChosenLayers layers_;
  std::uint64_t conv_bits_, dense_bits_;
};

}  // namespace

QLOOM_METHODS(Procedure<HuffmanReport>)
