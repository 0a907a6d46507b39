/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * qloom_rounding.caps. C99, as abi.h.
 */
#ifndef QLOOM_ROUNDING_CAPS_H
#define QLOOM_ROUNDING_CAPS_H

enum {
  /* y[i] depends on x[i] alone, not on the index of the element: kernels may round values together
   * whose random words do not follow each other */
  QLOOM_ROUNDING_DRAWS_NOTHING = 1,
  /* an integer may become a neighbouring one, so that a rounded value need not stay when it is
   * rounded again, nor a zero a zero; without it integers stay */
  QLOOM_ROUNDING_MOVES_INTEGERS = 2
};

#endif
