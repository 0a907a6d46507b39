// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Counts through the elements of a tensor, one each clock, for layers that work element by element.
module element_layer #(
  parameter COUNT = 1,    // elements of all samples
  parameter CHANNELS = 1
) (
  input wire clk,
  input wire enable,
  output reg valid,
  output reg [31:0] index,
  output reg [31:0] channel,
  output reg [31:0] cycles,
  output reg done  // one clock behind the last value: it has been compared
);
  // index and channel have no first value: theirs is a change, which comes after all memories are read
  initial begin
    valid = 0;
    cycles = 0;
    done = 0;
  end

  always @(posedge clk) begin
    valid <= enable && cycles != COUNT;
    done <= cycles == COUNT;
    if (enable && cycles != COUNT) begin
      index <= cycles;
      channel <= cycles % CHANNELS;
      cycles <= cycles + 1;
    end
  end
endmodule
