// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Index of the largest element of each sample, the smallest index among equals. One element a clock.
module argmax_layer #(
  parameter FILE = "",
  parameter SAMPLES = 1,
  parameter SIZE = 1,  // elements of a sample
  parameter IN_WORD_BITS = 8,
  parameter IN_BITS = 8,
  parameter IN_SIGNED = 0
) (
  input wire clk,
  input wire enable,
  output reg valid,
  output reg signed [32:0] value,
  output reg [31:0] cycles,
  output reg done  // one clock behind the last value: it has been compared
);
  reg [31:0] place;                 // in the sample
  reg [31:0] best_place;
  reg signed [IN_BITS:0] best;
  wire signed [IN_BITS:0] element;
  wire is_better = place == 0 || element > best;
  wire is_last = cycles == SAMPLES * SIZE;

  source_words #(
    .FILE(FILE), .WORD_BITS(IN_WORD_BITS), .BITS(IN_BITS), .IS_SIGNED(IN_SIGNED),
    .COUNT(SAMPLES * SIZE)
  ) source (.index(cycles), .value(element));

  initial begin
    valid = 0;
    value = 0;
    cycles = 0;
    done = 0;
    place = 0;
    best_place = 0;
    best = 0;
  end

  always @(posedge clk) begin
    valid <= 0;
    done <= is_last;
    if (enable && !is_last) begin
      cycles <= cycles + 1;
      place <= place == SIZE - 1 ? 0 : place + 1;
      if (is_better) begin
        best <= element;
        best_place <= place;
      end
      if (place == SIZE - 1) begin
        valid <= 1;
        value <= is_better ? place : best_place;
      end
    end
  end
endmodule
