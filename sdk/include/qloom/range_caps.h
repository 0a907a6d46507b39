/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * qloom_range_estimator.caps. C99, as abi.h.
 */
#ifndef QLOOM_RANGE_CAPS_H
#define QLOOM_RANGE_CAPS_H

enum {
  /* the ranges are the same whatever finite values a group has */
  QLOOM_RANGE_IGNORES_VALUES = 1
};

#endif
