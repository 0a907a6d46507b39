// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The words of a file as the elements of a tensor.
module source_words #(
  parameter FILE = "",
  parameter WORD_BITS = 8,  // of the file: BITS rounded up to whole hexadecimal digits
  parameter BITS = 8,       // of the tensor
  parameter IS_SIGNED = 0,
  parameter COUNT = 1       // words of all samples
) (
  input wire [31:0] index,
  output wire signed [BITS:0] value  // one bit more, so that unsigned ones fit
);
  reg [WORD_BITS-1:0] words [0:COUNT-1];
  wire [WORD_BITS-1:0] word = words[index];
  assign value = {(IS_SIGNED != 0) & word[BITS-1], word[BITS-1:0]};

  initial $readmemh(FILE, words);
endmodule
