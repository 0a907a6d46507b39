// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Convolution or dense layer: the sum over (kernel row, kernel column, channel) of
// (code - zero point) * weight, LANES products a clock, added one after the other in that order to a
// register of SUM_BITS. Outputs come in the order row, column, channel of one sample after the other.
// A word of weights holds LANES of them, the first in the lowest bits; an output channel begins a
// new word.
module mac_layer #(
  parameter INPUT_FILE = "",
  parameter WEIGHT_FILE = "",
  parameter SAMPLES = 1,
  parameter IN_H = 1,
  parameter IN_W = 1,
  parameter IN_C = 1,
  parameter OUT_H = 1,
  parameter OUT_W = 1,
  parameter OUT_C = 1,
  parameter KERNEL_H = 1,
  parameter KERNEL_W = 1,
  parameter STRIDE_H = 1,
  parameter STRIDE_W = 1,
  parameter PAD_TOP = 0,
  parameter PAD_LEFT = 0,
  parameter DILATION_H = 1,
  parameter DILATION_W = 1,
  parameter GROUPS = 1,
  parameter LANES = 1,
  parameter IN_WORD_BITS = 8,      // of the file: IN_BITS rounded up to whole hexadecimal digits
  parameter IN_BITS = 8,
  parameter IN_SIGNED = 0,
  parameter signed [63:0] ZERO_POINT = 0,
  parameter signed [63:0] PAD = 0,  // the code that stands where the window pads
  parameter TERM_BITS = 9,         // of code - zero point, two's complement
  parameter WEIGHT_WORD_BITS = 8,  // of the file: LANES * WEIGHT_BITS rounded up
  parameter WEIGHT_BITS = 8,
  parameter WEIGHT_SIGNED = 1,
  parameter SUM_BITS = 32,         // of the register
  parameter OVERFLOW = 0,          // 0: proved that there is none; 1: wraps; 2: saturates
  parameter WIDE_BITS = 33         // register and product before the register takes them
) (
  input wire clk,
  input wire enable,
  output reg valid,
  output reg [31:0] channel,
  output reg signed [SUM_BITS-1:0] sum,
  output reg [31:0] cycles,
  output reg done  // one clock behind the last value: it has been compared
);
  localparam GROUP_IN = IN_C / GROUPS;
  localparam GROUP_OUT = OUT_C / GROUPS;
  localparam LENGTH = KERNEL_H * KERNEL_W * GROUP_IN;  // products of a sum
  localparam WORDS = (LENGTH + LANES - 1) / LANES;
  localparam signed [WIDE_BITS-1:0] ONE = 1;
  localparam signed [WIDE_BITS-1:0] HIGH = (ONE <<< (SUM_BITS - 1)) - ONE;
  localparam signed [WIDE_BITS-1:0] LOW = -(ONE <<< (SUM_BITS - 1));

  reg [IN_WORD_BITS-1:0] codes [0:SAMPLES*IN_H*IN_W*IN_C-1];
  reg [WEIGHT_WORD_BITS-1:0] weights [0:OUT_C*WORDS-1];

  integer sample, row, column, out_channel;          // of the output
  integer word, kernel_row, kernel_column, in_channel;  // of the next product
  reg finished;
  reg signed [WIDE_BITS-1:0] total;

  // within one clock
  integer lane, y, x;
  reg [IN_WORD_BITS-1:0] code_word;
  reg [WEIGHT_WORD_BITS-1:0] weight_word;
  reg signed [IN_BITS:0] code;  // one bit more, so that unsigned ones fit
  reg signed [TERM_BITS-1:0] term;
  reg signed [WEIGHT_BITS:0] weight;

  // channel and sum have no first value: theirs is a change, which comes after all memories are read
  initial begin
    $readmemh(INPUT_FILE, codes);
    $readmemh(WEIGHT_FILE, weights);
    valid = 0;
    cycles = 0;
    done = 0;
    finished = 0;
    total = 0;
    sample = 0;
    row = 0;
    column = 0;
    out_channel = 0;
    word = 0;
    kernel_row = 0;
    kernel_column = 0;
    in_channel = 0;
  end

  always @(posedge clk) begin
    valid <= 0;
    done <= finished;
    if (enable && !finished) begin
      cycles <= cycles + 1;
      weight_word = weights[out_channel * WORDS + word];
      if (word == 0) total = 0;
      for (lane = 0; lane < LANES; lane = lane + 1) begin
        if (word * LANES + lane < LENGTH) begin
          y = row * STRIDE_H + kernel_row * DILATION_H - PAD_TOP;
          x = column * STRIDE_W + kernel_column * DILATION_W - PAD_LEFT;
          if (y >= 0 && y < IN_H && x >= 0 && x < IN_W) begin
            code_word = codes[((sample * IN_H + y) * IN_W + x) * IN_C +
                              out_channel / GROUP_OUT * GROUP_IN + in_channel];
            code = {(IN_SIGNED != 0) & code_word[IN_BITS-1], code_word[IN_BITS-1:0]};
          end else begin
            code = PAD;
          end
          term = code - ZERO_POINT;
          weight = {(WEIGHT_SIGNED != 0) & weight_word[lane*WEIGHT_BITS+WEIGHT_BITS-1],
                    weight_word[lane*WEIGHT_BITS +: WEIGHT_BITS]};
          total = total + term * weight;
          if (OVERFLOW == 2) begin
            if (total > HIGH) total = HIGH;
            if (total < LOW) total = LOW;
          end else begin
            total = {{(WIDE_BITS - SUM_BITS){total[SUM_BITS-1]}}, total[SUM_BITS-1:0]};
          end
          in_channel = in_channel + 1;
          if (in_channel == GROUP_IN) begin
            in_channel = 0;
            kernel_column = kernel_column + 1;
            if (kernel_column == KERNEL_W) begin
              kernel_column = 0;
              kernel_row = kernel_row + 1;
            end
          end
        end
      end
      word = word + 1;
      if (word == WORDS) begin
        valid <= 1;
        channel <= out_channel;
        sum <= total[SUM_BITS-1:0];
        word = 0;
        kernel_row = 0;
        out_channel = out_channel + 1;
        if (out_channel == OUT_C) begin
          out_channel = 0;
          column = column + 1;
          if (column == OUT_W) begin
            column = 0;
            row = row + 1;
            if (row == OUT_H) begin
              row = 0;
              sample = sample + 1;
              if (sample == SAMPLES) finished <= 1;
            end
          end
        end
      end
    end
  end
endmodule
