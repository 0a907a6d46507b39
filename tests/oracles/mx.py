#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Microscaling formats and NVFP4 by tables of values: what the quantizers mx and nvfp4 must give.

mx.py          compares mx.json with what this file makes of the inputs in it
mx.py --write  writes mx.json anew

An element is the nearest of all values of its format, found by search in exact arithmetic; of two
equally near ones the one with the even code. Only nvfp4 rounds elsewhere: its scales are float32.
"""
import json
import pathlib
import sys
from fractions import Fraction

import numpy as np

FILE = pathlib.Path(__file__).with_suffix(".json")
F32 = np.float32


def float_values(exponent_bits, mantissa_bits, bias, codes):
    """Value of code 0 .. codes - 1 of a float format, the sign bit off."""
    values = []
    for code in range(codes):
        field, fraction = code >> mantissa_bits, code & ((1 << mantissa_bits) - 1)
        significand = Fraction(fraction, 1 << mantissa_bits) + (1 if field else 0)
        values.append(significand * Fraction(2) ** (max(field, 1) - bias))
    return values


# values of the codes without sign, exponent of the largest one, weight of the sign bit
FORMATS = {
    "mxfp8_e4m3": (float_values(4, 3, 7, 0x7F), 8, 128),  # 0x7F is NaN
    "mxfp8_e5m2": (float_values(5, 2, 15, 0x7C), 15, 128),  # 0x7C infinity, above it NaN
    "mxfp6_e3m2": (float_values(3, 2, 3, 32), 4, 32),
    "mxfp6_e2m3": (float_values(2, 3, 1, 32), 2, 32),
    "mxfp4_e2m1": (float_values(2, 1, 1, 8), 2, 8),
    "mxint8": ([Fraction(code, 64) for code in range(128)], 0, None),
    "nvfp4": (float_values(2, 1, 1, 8), 2, 8),
}
assert [float(FORMATS[f][0][-1]) for f in FORMATS] == [448, 57344, 28, 7.5, 6, 127 / 64, 6]


def nearest(values, x):
    """Code of the value nearest to x >= 0; values rise."""
    low, high = 0, len(values) - 1
    if x >= values[high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if values[middle] <= x else (low, middle)
    below, above = x - values[low], values[high] - x
    return low if below < above or (below == above and low % 2 == 0) else high


def floor_log2(x):
    exponent = 0
    while Fraction(2) ** exponent > x:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= x:
        exponent += 1
    return exponent


def shared_scale(largest, emax):
    if largest == 0:
        return F32(1)
    exponent = min(max(floor_log2(Fraction(float(largest))) - emax, -127), 127)
    return F32(2.0**exponent)


def nvfp4_scale(largest, whole):
    scale_values = FORMATS["mxfp8_e4m3"][0]
    g = F32(whole / F32(448 * 6))
    if g == 0:
        return F32(0)
    ratio = F32(F32(largest / F32(6)) / g)
    return F32(F32(float(scale_values[nearest(scale_values, Fraction(float(ratio)))])) * g)


def quantize(name, x, block, axis):
    """Values, codes, and the scales in the order of the blocks' first elements."""
    values, emax, sign_weight = FORMATS[name]
    rows = np.moveaxis(x, axis, -1)
    y, codes = np.empty(rows.shape, F32), np.empty(rows.shape, np.int32)
    starts = range(0, rows.shape[-1], block)
    scales = np.empty(rows.shape[:-1] + (len(starts),), F32)
    for row in np.ndindex(rows.shape[:-1]):
        for b, start in enumerate(starts):
            part = rows[row][start : start + block]
            largest = np.max(np.abs(part))
            whole = np.max(np.abs(x))
            scale = nvfp4_scale(largest, whole) if name == "nvfp4" else shared_scale(largest, emax)
            scales[row][b] = scale
            for i, v in enumerate(part):
                code, negative = 0, bool(np.signbit(v))
                if scale == 0:
                    negative = False
                elif name == "nvfp4":
                    code = nearest(values, Fraction(float(abs(F32(v / scale)))))
                else:
                    code = nearest(values, Fraction(abs(float(v))) / Fraction(float(scale)))
                magnitude = F32(float(values[code])) * scale
                signed = -code if sign_weight is None else code + sign_weight
                codes[row][start + i] = signed if negative else code
                y[row][start + i] = -magnitude if negative else magnitude
    return [np.moveaxis(a, -1, axis) for a in (y, codes, scales)]


def inputs():
    """Name of the format, x, block, axis."""
    random = np.random.default_rng(20)
    spread = lambda *shape: (random.normal(size=shape) * np.exp2(random.integers(-9, 9, shape)))
    for name in FORMATS:
        standard = 16 if name == "nvfp4" else 32
        yield name, random.normal(size=(3, 2 * standard)), standard, -1
        yield name, spread(2, standard + 5), standard, 1  # the last block is short
        yield name, spread(2, 9, 3), 4, -2
        yield name, spread(5, 2, 3), 2, 0
        values = [float(v) for v in FORMATS[name][0][-7:]]
        ties = [(a + b) / 2 for a, b in zip(values, values[1:])]
        yield name, np.array([ties + values, [-v for v in ties + values]]), 16, -1
        ends = [[0, -0.0, 0, 0], [3.4028234e38, -1e38, 1, -1e-45], [1e-45, -1.2e-38, 3e-39, 0]]
        yield name, np.array(ends), 4, -1
        yield name, np.array(ends[:1] + ends[2:]), 4, -1
        yield name, np.array([[1e-30, -2e-30, 5e-37, 0], [3e-30, 1e-30, -7e-31, 1e-45]]), 4, -1


def case(name, x, block, axis):
    y, codes, scales = quantize(name, x, block, axis)
    flat = lambda a: [v.item() for v in a.reshape(-1)]
    return {"format": name, "block": block, "axis": axis, "shape": list(x.shape), "x": flat(x),
            "y": flat(y), "codes": flat(codes), "scales": flat(scales)}


def main():
    if "--write" in sys.argv:
        cases = [case(name, np.asarray(x, F32), *rest) for name, x, *rest in inputs()]
        FILE.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
        return
    for given in json.loads(FILE.read_text()):
        x = np.array(given["x"], F32).reshape(given["shape"])
        found = case(given["format"], x, given["block"], given["axis"])
        if json.dumps(found) != json.dumps(given):
            sys.exit(f"{FILE.name}: {given['format']}, shape {given['shape']}: not what mx.py gives")
    print(f"{FILE.name}: as computed")


if __name__ == "__main__":
    main()
