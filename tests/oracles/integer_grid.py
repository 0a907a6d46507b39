#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Codes of fixed_point and affine in exact arithmetic: wrapping ones, and wide ones of up to 32 bits.

integer_grid.py          compares integer_grid.json with what this file makes of the inputs in it
integer_grid.py --write  writes integer_grid.json anew

Quotients are fractions, codes integers. Only the scale of affine, and its quotients of up to 16 bits,
are float32 as that method says.
"""
import json
import math
import pathlib
import sys
from fractions import Fraction

import numpy as np

FILE = pathlib.Path(__file__).with_suffix(".json")
F32 = np.float32

ROUND = {
    "nearest_even": round,  # of a Fraction: ties to even
    "nearest_away": lambda t: int(math.copysign(math.floor(abs(t) + Fraction(1, 2)), t)),
    "toward_zero": math.trunc,
    "toward_negative": math.floor,
    "nearest_odd": lambda t: round(t + 1) - 1,
}


def ends(bits, signed):
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def fitted(code, bits, signed, overflow):
    least, most = ends(bits, signed)
    if overflow == "wrap":
        return (code - least) % (1 << bits) + least
    return min(max(code, least), most)


def fixed_point(q, rounding, x):
    scale = Fraction(2) ** -q["fraction_bits"]
    codes = [fitted(ROUND[rounding](Fraction(float(v)) / scale), q["bits"], q["signed"],
                    q["overflow"]) for v in x]
    return codes, [F32(float(c * scale)) for c in codes]


LOW, HIGH = -1.5, 2.25  # the range of affine


def affine(q, rounding, x):
    least, most = ends(q["bits"], q["signed"])
    lo, hi = F32(LOW), F32(HIGH)
    steps = F32(F32(most) - F32(least))
    if q["symmetric"]:
        scale, zero = F32(max(-lo, hi) / F32(steps / F32(2))), 0
    else:
        scale = F32((hi - lo) / steps)
        zero = min(max(int(F32(least) - np.rint(F32(lo / scale))), least), most)
    codes = []
    for v in x:
        if q["bits"] <= 16:
            t = Fraction(float(F32(v * F32(F32(1) / scale))))
        else:
            t = Fraction(float(v)) / Fraction(float(scale))
        codes.append(fitted(ROUND[rounding](t) + zero, q["bits"], q["signed"], q["overflow"]))
    return codes, [F32(np.float64(c - zero) * np.float64(scale)) for c in codes]


def inputs():
    """Quantizer, rounding, x."""
    random = np.random.default_rng(7)
    roundings = list(ROUND)
    for bits in (1, 2, 5, 8, 16, 23, 24, 25, 30, 31, 32):
        for signed in (True, False):
            if bits == 32 and not signed:
                continue
            for overflow in ("saturate", "wrap"):
                fraction = int(random.integers(-3, 28))
                step = 2.0**-fraction
                x = list(random.normal(size=12) * step * 2.0 ** random.integers(0, bits + 3, 12))
                least, most = ends(bits, signed)
                x += [(least - 1) * step, least * step, most * step, (most + 1) * step, 0.5 * step,
                      1.5 * step, -0.5 * step, -2.5 * step, 1e30, -3e38, 1e-40, 0.0]
                q = {"plugin": "fixed_point", "bits": bits, "fraction_bits": fraction,
                     "signed": signed, "overflow": overflow}
                yield q, roundings[bits % len(roundings)], x
                symmetric = signed
                q = {"plugin": "affine", "bits": bits, "symmetric": symmetric, "signed": signed,
                     "overflow": overflow}
                if bits > 2:
                    yield q, roundings[(bits + 1) % len(roundings)], list(random.normal(size=16) * 3)
                    q = dict(q, symmetric=False)
                    yield q, "nearest_even", [0.1, -0.7, 2.25, -1.5, -1.6, 2.3, 9.75, -1e9, 1e-9, 1e30]


def case(q, rounding, x):
    codes, y = {"fixed_point": fixed_point, "affine": affine}[q["plugin"]](q, rounding, x)
    return {"quantizer": q, "rounding": rounding, "low": LOW, "high": HIGH, "x": [float(v) for v in x], "codes": codes,
            "y": [float(v) for v in y]}


def main():
    if "--write" in sys.argv:
        cases = [case(q, rounding, np.array(x, F32)) for q, rounding, x in inputs()]
        FILE.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
        return
    for given in json.loads(FILE.read_text()):
        found = case(given["quantizer"], given["rounding"], np.array(given["x"], F32))
        if json.dumps(found) != json.dumps(given):
            sys.exit(f"{FILE.name}: {given['quantizer']}: not what integer_grid.py gives")
    print(f"{FILE.name}: as computed")


if __name__ == "__main__":
    main()
