// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The clock for Icarus; Verilator has main.cpp in its place.
module testbench;
  reg clk;
  wire done;
  wire [31:0] differing;

  all_layers layers (.clk(clk), .done(done), .differing(differing));

  initial begin
    clk = 0;
    while (done !== 1) #1 clk = !clk;
    $finish;
  end
endmodule
