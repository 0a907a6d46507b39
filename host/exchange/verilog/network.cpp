// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/network.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/verilog/wrapper.hpp"

namespace qloom::exchange::verilog {
namespace {

std::string instance(const Design& design, const Layer& layer, std::size_t i) {
  return fmt::format(
      "  wire is_on{0} = (most_cycles == 0 || {1} <= most_cycles) &&\n"
      "                  (layer == 0 || layer == \"{2}\");\n"
      "  wire done{0};\n"
      "  wire [31:0] sums{0}, codes{0}, cycles{0};\n"
      "  layer_{3} unit{0} (\n"
      "    .clk(clk), .enable(is_on{0}), .done(done{0}), .sums(sums{0}), .codes(codes{0}),\n"
      "    .cycles(cycles{0})\n"
      "  );\n\n",
      i, design.samples * cycles_of(design, layer), layer.name, layer.identifier);
}

std::string report(const Design& design, const Layer& layer, std::size_t i) {
  const Compared compared = compared_by(design, layer);
  std::string sums, sum_count;
  if (compared.sums != 0) {
    sums = fmt::format("%0d of {} sums, ", compared.sums);
    sum_count = fmt::format("sums{}, ", i);
  }
  return fmt::format(
      "      if (is_on{0}) begin\n"
      "        $display(\"{1}: {2}%0d of {3} codes differ, %0d cycles\",\n"
      "                 {4}codes{0}, cycles{0});\n"
      "        layers = layers + 1;\n"
      "        all_sums = all_sums + sums{0};\n"
      "        all_codes = all_codes + codes{0};\n"
      "      end\n",
      i, layer.name, sums, compared.codes, sum_count);
}

/// The registers and the options of the command line.
std::string head_text(std::size_t longest_name) {
  return fmt::format(
      "// Every layer of the network at once, each fed with golden words. +most_cycles=<n> takes "
      "the\n"
      "// layers of at most so many cycles, +layer=<name> one. Done: all that were taken are.\n"
      "module all_layers (\n"
      "  input wire clk,\n"
      "  output reg done,\n"
      "  output reg [31:0] differing  // sums and codes; 1 when none of the layers was taken\n"
      ");\n"
      "  reg [31:0] most_cycles, layers, all_sums, all_codes;\n"
      "  reg [{}:0] layer;  // characters\n\n"
      "  initial begin\n"
      "    done = 0;\n"
      "    differing = 0;\n"
      "    if (!$value$plusargs(\"most_cycles=%d\", most_cycles)) most_cycles = 0;\n"
      "    if (!$value$plusargs(\"layer=%s\", layer)) layer = 0;\n"
      "  end\n\n",
      8 * longest_name - 1);
}

}  // namespace

std::string all_layers_text(const Design& design) {
  std::size_t longest = 1;
  for (const Layer& layer : design.layers) longest = std::max(longest, layer.name.size());
  std::string text = head_text(longest + 1), is_done, reports;  // one more: a longer name is none
  for (std::size_t i = 0; i < design.layers.size(); ++i) {
    text += instance(design, design.layers[i], i);
    is_done += fmt::format("{}(done{} || !is_on{})", i == 0 ? "" : " && ", i, i);
    reports += report(design, design.layers[i], i);
  }
  return text + fmt::format(
                    "  wire is_done = {0};\n\n"
                    "  always @(posedge clk) begin\n"
                    "    if (is_done && !done) begin\n"
                    "      done <= 1;\n"
                    "      layers = 0;\n"
                    "      all_sums = 0;\n"
                    "      all_codes = 0;\n"
                    "{1}"
                    "      $display(\"%0d sums and %0d codes differ in %0d of {2} layers\",\n"
                    "               all_sums, all_codes, layers);\n"
                    "      differing <= all_sums + all_codes + (layers == 0 && {2} != 0 ? 1 : 0);\n"
                    "    end\n"
                    "  end\n"
                    "endmodule\n",
                    is_done.empty() ? "1'b1" : is_done, reports, design.layers.size());
}

}  // namespace qloom::exchange::verilog
