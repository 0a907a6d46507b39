# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Requantization as deployment libraries do it, in integers without a limit: arrays of dtype object hold
Python's own. docs/numerics.md says the same in words."""
import math

import numpy


def exact(values):
    return numpy.asarray(values).astype(object)


def half_up(v, n):
    """v / 2^n, a half upwards."""
    return v if n == 0 else (v + (1 << (n - 1))) >> n


def half_away(v, n):
    """v / 2^n, a half away from zero."""
    return numpy.where(v >= 0, half_up(abs(v), n), -half_up(abs(v), n))


def multiplier_of(factor):
    """factor = q * 2^(e - 31), 2^30 <= q < 2^31, q rounded half away."""
    if factor == 0:
        return 0, 0
    fraction, e = math.frexp(factor)
    q = int(math.floor(fraction * (1 << 31) + 0.5))
    if q == 1 << 31:
        q, e = q >> 1, e + 1
    return (0, 0) if e < -31 else (q, e)


def double_rounding(away):
    """TFLite's two roundings: the second one half away (reference kernels) or up (ruy)."""
    second = half_away if away else half_up

    def scaled(v, factor):
        q, e = multiplier_of(factor)
        return second((v * (1 << max(e, 0)) * q + (1 << 30)) >> 31, max(-e, 0))

    return scaled


def single(v, factor):
    """One rounding, a half up."""
    q, e = multiplier_of(factor)
    return half_up(v * q, 31 - e)


REFERENCE = double_rounding(away=True)
RUY = double_rounding(away=False)


def float32(v, factor):
    """float32(v) * factor in float32, half to even: an array of factors, one for each channel."""
    product = numpy.asarray(v).astype(numpy.float32) * numpy.asarray(factor, numpy.float32)
    return numpy.rint(product).astype(numpy.int64)


def add(a, b, scales, zero_points, out_scale, out_zero_point, scaled):
    """TFLite's ADD: both inputs at 2^20 / (2 * the larger scale), then at the output's scale."""
    twice = 2 * max(float(s) for s in scales)
    total = sum(scaled((exact(x) - z) * (1 << 20), float(s) / twice)
                for x, s, z in zip((a, b), scales, zero_points))
    return scaled(total, twice / ((1 << 20) * float(out_scale))) + out_zero_point


def mean(total, count):
    """total / count, a half away from zero."""
    total = exact(total)
    magnitude = (2 * abs(total) + count) // (2 * count)
    return numpy.where(total >= 0, magnitude, -magnitude)


def clamp(codes, low=-128, high=127):
    return numpy.clip(codes, low, high).astype(numpy.int64)
