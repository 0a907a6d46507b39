/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * The argument of the rule QLOOM_ROUND_STOCHASTIC, a sum of
 *   random bits         r, 1 to 32, in the low eight bits
 *   QLOOM_STOCHASTIC_*  how the fraction f of a number in grid steps becomes the number of r-bit
 *                       words, of 2^r, that send it up
 * C99, as abi.h.
 */
#ifndef QLOOM_STOCHASTIC_H
#define QLOOM_STOCHASTIC_H

enum {
  QLOOM_STOCHASTIC_BITS = 0xFF, /* mask of the random bits */
  /* sign and magnitude: f is the fraction of |t|, up is away from zero, so that t and -t with one
   * word are mirror images; otherwise f = t - floor(t), as two's complement has it.
   * qloom_kernels.minifloat and accumulate_float always round so; a rounding method that they call
   * finds this flag in the argument of the call's rounding, beside QLOOM_ROUND_GENERIC. */
  QLOOM_STOCHASTIC_MAGNITUDE = 0x100,
  /* f 2^r rounded to nearest even: bias at most 2^-(r+1) steps, on average none; otherwise
   * floor(f 2^r): bias at most 2^-r, always down */
  QLOOM_STOCHASTIC_NEAREST_FRACTION = 0x200
};

#endif
