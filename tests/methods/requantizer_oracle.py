#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""A second definition of the requantizers: the formulas of docs/methods/requantizers.md in fractions and
integers of any size.

requantizer_oracle.py MAKER FIRST COUNT   has MAKER print COUNT random tasks for each method with codes,
                                          computes these codes and compares
"""
import collections
import json
import pathlib
import subprocess
import sys
from fractions import Fraction

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "program"))
from interpreter import ROUND, float32  # noqa: E402

MODES = ["", "nearest_even", "nearest_away", "nearest_up", "toward_zero", "toward_negative", "toward_positive"]


def nearest(x, mode="nearest_even"):
    return ROUND[mode](x, 0)


def shifted(v, n, mode):
    """round(v / 2^n)"""
    return ROUND[mode](Fraction(v) / Fraction(2) ** n, 0)


def exponent_of(x):
    """e with 1/2 <= |x| / 2^e < 1"""
    e = 0
    while abs(x) >= Fraction(2) ** e:
        e += 1
    while abs(x) < Fraction(2) ** (e - 1):
        e -= 1
    return e


def multiplier_of(factor, bits):
    """q and e: factor is about q / 2^bits * 2^e"""
    if factor == 0:
        return 0, 0
    e = exponent_of(factor)
    q = nearest(factor / Fraction(2) ** (e - bits), "nearest_away")
    if abs(q) == 2 ** bits:
        q, e = q // 2, e + 1
    return (q, e) if e >= bits - 62 else (0, 0)


def with_room(q, e, factor, offset, bits):
    """The same where the bias at the product's scale would take more than 61 bits."""
    before = e
    while e < 0 and abs(offset) * Fraction(2) ** (bits - e) >= 2 ** 61:
        e += 1
    if e != before:
        q = nearest(factor * Fraction(2) ** (bits - e), "nearest_away")
    return q, e


class Task:
    """One channel of a task."""

    def __init__(self, text, channel):
        self.params, self.inputs = text["params"], text["inputs"]
        places = range(channel, len(text["factor"]), text["channels"])
        self.factors = [Fraction(float.fromhex(text["factor"][i])) for i in places]
        self.most = [max(-text["sum_min"][i], text["sum_max"][i]) for i in places]
        self.widest = max(max(-lo, hi) for lo, hi in zip(text["sum_min"], text["sum_max"]))
        self.offset = Fraction(float.fromhex(text["offset"][channel]))
        self.zero_point, self.mode = text["zero_point"], MODES[text["rounding"]]
        self.low, self.high = text["code_min"], text["code_max"]

    def clamp(self, code):
        return min(max(code, self.low), self.high)

    def rounding(self):
        """Of the last shift of a multiplier."""
        names = {"rule": self.mode, "single": "nearest_up", "floor": "toward_negative",
                 "double_away": "nearest_away", "double_up": "nearest_up"}
        return names[self.params["rounding"]]


def doubled(task, v, bias, q, e):
    """Up at the multiplier's width, then as the last shift rounds."""
    bits = task.params["bits"]
    high = shifted(v * 2 ** max(e, 0) * q + bias, bits, "nearest_up")
    return shifted(high, max(-e, 0), task.rounding())


def multiplier(task, values):
    if task.inputs > 1:
        return multiplier_join(task, values)
    bits, factor = task.params["bits"], task.factors[0]
    q, e = multiplier_of(factor, bits)
    last, sum_bias, wide_bias = task.zero_point, 0, 0
    is_double = task.params["rounding"].startswith("double")
    if task.params["bias_scale"] == "product":
        q, e = with_room(q, e, factor, task.offset, bits)
        wide_bias = nearest(task.offset * Fraction(2) ** (bits + max(-e, 0) if is_double else bits - e))
    elif factor == 0:
        last += nearest(task.offset, task.rounding())
    else:
        sum_bias = nearest(task.offset / factor)
    a = values[0] + sum_bias
    if is_double:
        return task.clamp(doubled(task, a, wide_bias, q, e) + last)
    return task.clamp(shifted(a * q + wide_bias, bits - e, task.rounding()) + last)


def multiplier_join(task, values):
    bits, largest = task.params["bits"], max(abs(f) for f in task.factors)
    if not task.params["rounding"].startswith("double"):
        q, e = with_room(*multiplier_of(largest, bits), largest, task.offset, bits)
        scale = Fraction(2) ** (bits - e)
        total = sum(v * (nearest(f * scale, "nearest_away") if q else 0) for v, f in zip(values, task.factors))
        total += nearest(task.offset * scale)
        return task.clamp(shifted(total, bits - e, task.rounding()) + task.zero_point)
    fraction, twice = 20 if task.widest <= 255 else 15, 2 * largest
    if twice == 0:
        return task.clamp(nearest(task.offset, task.rounding()) + task.zero_point)
    total = 0
    for v, f in zip(values, task.factors):  # quotients are doubles there
        total += doubled(task, v * 2 ** fraction, 0, *multiplier_of(Fraction(float(f) / float(twice)), bits))
    out = twice / 2 ** fraction
    total += nearest(task.offset / out)
    return task.clamp(doubled(task, total, 0, *multiplier_of(out, bits)) + task.zero_point)


def shift(task, values):
    """All shifts are exact but the last; the bias is rounded at the finest scale, or at the sum's."""
    finest = max([0] + [1 - exponent_of(f) for f in task.factors if f])
    scale = Fraction(2) ** finest
    is_narrow = task.params["bias_scale"] == "sum" and task.inputs == 1 and task.factors[0] != 0
    unit = abs(task.factors[0]) if is_narrow else 1 / scale
    bias = nearest(task.offset / unit) * unit
    total = sum(v * f for v, f in zip(values, task.factors)) + bias
    return task.clamp(shifted(total * scale, finest, task.mode) + task.zero_point)


def thresholds(task, values):
    """The real code itself, as long as the factors of a join need no rounding."""
    if task.inputs > 1:
        bits = max([0] + [f.denominator.bit_length() - 1 for f in task.factors])
        total = sum(abs(f) * max(1, m) for f, m in zip(task.factors, task.most))
        if total * Fraction(2) ** bits >= 2 ** 59:
            return None
    total = sum(v * f for v, f in zip(values, task.factors)) + task.offset
    return task.clamp(nearest(total, task.mode) + task.zero_point)


def float_scale(task, values):
    factor = task.factors[0]
    if factor == 0:
        return task.clamp(nearest(task.offset) + task.zero_point)
    a = Fraction(values[0] + nearest(task.offset / factor))
    return task.clamp(nearest(float32(float32(a) * float32(factor))) + task.zero_point)


METHODS = {"multiplier": multiplier, "shift": shift, "thresholds": thresholds, "float_scale": float_scale}


def main(maker, first, count):
    printed = subprocess.run([maker, first, count], check=True, capture_output=True, text=True).stdout
    compared, refused, found = collections.Counter(), collections.Counter(), []
    for line in printed.splitlines():
        text = json.loads(line)
        if "refusal" in text:
            refused[text["id"]] += 1
            assert "channel" in text["refusal"], text["refusal"]
            continue
        tasks = [Task(text, channel) for channel in range(text["channels"])]
        for channel, values, code in text["samples"]:
            expected = METHODS[text["id"]](tasks[channel], values)
            if expected is None:
                continue
            compared[text["id"]] += 1
            if code != expected:
                found.append(f"{line[:line.index('samples')]}: channel {channel}, {values}: {code}, expected {expected}")
    print("\n".join(found[:5]))
    print(f"compared {dict(compared)}, tasks refused {dict(refused)}, {len(found)} codes differ")
    assert set(compared) == set(METHODS)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
