// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Sum of code - zero point over a window, or the largest code in it; one place of the window a
// clock. What is padded does not take part. Outputs come in the order row, column, channel of one
// sample after the other.
module pool_layer #(
  parameter INPUT_FILE = "",
  parameter IS_MAX = 0,
  parameter SAMPLES = 1,
  parameter IN_H = 1,
  parameter IN_W = 1,
  parameter CHANNELS = 1,
  parameter OUT_H = 1,
  parameter OUT_W = 1,
  parameter KERNEL_H = 1,
  parameter KERNEL_W = 1,
  parameter STRIDE_H = 1,
  parameter STRIDE_W = 1,
  parameter PAD_TOP = 0,
  parameter PAD_LEFT = 0,
  parameter DILATION_H = 1,
  parameter DILATION_W = 1,
  parameter IN_WORD_BITS = 8,  // of the file: IN_BITS rounded up to whole hexadecimal digits
  parameter IN_BITS = 8,
  parameter IN_SIGNED = 0,
  parameter signed [63:0] ZERO_POINT = 0,
  parameter VALUE_BITS = 16
) (
  input wire clk,
  input wire enable,
  output reg valid,
  output reg signed [VALUE_BITS-1:0] value,
  output reg [31:0] cycles,
  output reg done  // one clock behind the last value: it has been compared
);
  reg [IN_WORD_BITS-1:0] codes [0:SAMPLES*IN_H*IN_W*CHANNELS-1];

  integer sample, row, column, channel;  // of the output
  integer kernel_row, kernel_column;     // of the next place
  reg finished, is_first;
  reg signed [VALUE_BITS-1:0] total;

  // within one clock
  integer y, x;
  reg [IN_WORD_BITS-1:0] code_word;
  reg signed [IN_BITS:0] code;  // one bit more, so that unsigned ones fit

  initial begin
    $readmemh(INPUT_FILE, codes);
    valid = 0;
    value = 0;
    cycles = 0;
    done = 0;
    finished = 0;
    is_first = 1;
    total = 0;
    sample = 0;
    row = 0;
    column = 0;
    channel = 0;
    kernel_row = 0;
    kernel_column = 0;
  end

  always @(posedge clk) begin
    valid <= 0;
    done <= finished;
    if (enable && !finished) begin
      cycles <= cycles + 1;
      y = row * STRIDE_H + kernel_row * DILATION_H - PAD_TOP;
      x = column * STRIDE_W + kernel_column * DILATION_W - PAD_LEFT;
      if (y >= 0 && y < IN_H && x >= 0 && x < IN_W) begin
        code_word = codes[((sample * IN_H + y) * IN_W + x) * CHANNELS + channel];
        code = {(IN_SIGNED != 0) & code_word[IN_BITS-1], code_word[IN_BITS-1:0]};
        if (IS_MAX != 0) begin
          if (is_first || code > total) total = code;
        end else begin
          total = (is_first ? 64'sd0 : total) + code - ZERO_POINT;
        end
        is_first = 0;
      end
      kernel_column = kernel_column + 1;
      if (kernel_column == KERNEL_W) begin
        kernel_column = 0;
        kernel_row = kernel_row + 1;
      end
      if (kernel_row == KERNEL_H) begin
        valid <= 1;
        value <= total;
        kernel_row = 0;
        is_first = 1;
        channel = channel + 1;
        if (channel == CHANNELS) begin
          channel = 0;
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
