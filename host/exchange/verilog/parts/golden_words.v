// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Compares a stream of values with the words of a file, word by word, in the order row, column,
// channel of one sample after the other. Prints the first difference. What never came counts as
// differing. With +trace the values go to a file as decimal numbers, one a line.
module golden_words #(
  parameter FILE = "",
  parameter TRACE_FILE = "",
  parameter LAYER = "",
  parameter WHAT = "code",
  parameter WORD_BITS = 8,   // of the file: BITS rounded up to whole hexadecimal digits
  parameter BITS = 8,        // of the tensor
  parameter IS_SIGNED = 0,
  parameter VALUE_BITS = 9,  // of the value: two's complement
  parameter COUNT = 1,       // words of all samples
  parameter HEIGHT = 1,
  parameter WIDTH = 1,
  parameter CHANNELS = 1
) (
  input wire clk,
  input wire valid,
  input wire signed [VALUE_BITS-1:0] value,
  output wire [31:0] differing
);
  reg [WORD_BITS-1:0] golden [0:COUNT-1];
  reg [31:0] index;
  reg [31:0] wrong;
  integer trace;  // file, or 0

  wire [WORD_BITS-1:0] word = golden[index];
  wire signed [BITS:0] expected = {(IS_SIGNED != 0) & word[BITS-1], word[BITS-1:0]};
  assign differing = wrong + (COUNT - index);

  initial begin
    $readmemh(FILE, golden);
    index = 0;
    wrong = 0;
    trace = 0;
    if ($test$plusargs("trace")) trace = $fopen(TRACE_FILE, "w");
  end

  always @(posedge clk) begin
    if (valid) begin
      index <= index + 1;
      if (trace != 0) begin
        $fdisplay(trace, "%0d", value);
        if (index == COUNT - 1) $fclose(trace);
      end
      if (value !== expected) begin  // also where either is unknown
        wrong <= wrong + 1;
        if (wrong == 0) begin
          $display("%0s: first differing %0s: sample %0d, row %0d, column %0d, channel %0d: %0d, expected %0d",
                   LAYER, WHAT, index / (HEIGHT * WIDTH * CHANNELS),
                   index / (WIDTH * CHANNELS) % HEIGHT, index / CHANNELS % WIDTH, index % CHANNELS,
                   value, expected);
        end
      end
    end
  end
endmodule
