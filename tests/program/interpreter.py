#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""A second definition of the integer program, in integers of any size and without NumPy.

interpreter.py MAKER FIRST COUNT   has MAKER write COUNT random programs with the executor's tensors,
                                   runs each program and compares every tensor
interpreter.py FOLDER ...          the same for folders with program.json, program.npz, trace.npz
"""
import ast
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile
from fractions import Fraction
from math import ceil, floor, prod, trunc

LETTERS = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "f4": "f"}


class Array:
    """Integers, or factors of float32, in C order."""

    def __init__(self, shape, values):
        self.shape, self.values = tuple(shape), list(values)


def read_npz(file):
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            text = archive.read(member)
            length = struct.unpack("<H", text[8:10])[0]
            header = ast.literal_eval(text[10:10 + length].decode())
            kind = header["descr"].lstrip("<|")
            if kind in LETTERS:
                count = prod(header["shape"])
                values = struct.unpack(f"<{count}{LETTERS[kind]}", text[10 + length:])
                arrays[member.removesuffix(".npy")] = Array(header["shape"], values)
    return arrays


# ---- digests ----

ODD, WORD = 0x9E3779B97F4A7C15, 2 ** 64 - 1


def mixed(lane, word):
    word = word * ODD & WORD
    lane ^= word ^ word >> 32
    return ((lane << 29 | lane >> 35) & WORD) * ODD & WORD


def digest(content):
    lanes = [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89]
    filled = content + bytes(-len(content) % 32)
    for i, (word,) in enumerate(struct.iter_unpack("<Q", filled)):
        lanes[i % 4] = mixed(lanes[i % 4], word)
    total = len(content)
    for lane in lanes:
        total = mixed(total, lane)
        total ^= total >> 32
    total = total * ODD & WORD
    return f"{total ^ total >> 29:016x}"


def require_digests(folder, text, arrays):
    constants = (folder / arrays).read_bytes()
    assert text["constants"]["bytes"] == len(constants), folder
    assert text["constants"]["digest"] == digest(constants), folder
    rest = {key: value for key, value in text.items() if key != "digest"}
    shortest = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text["digest"] == digest(shortest.encode()), folder


# ---- steps ----

def half(v, n, tie):
    """v / 2^n to the nearest integer; of a half tie(v / 2^n) is the answer."""
    exact = Fraction(v) / 2 ** n
    low = floor(exact)
    distance = exact - low
    if distance == Fraction(1, 2):
        return tie(exact)
    return low if distance < Fraction(1, 2) else low + 1


ROUND = {
    "nearest_even": lambda v, n: half(v, n, lambda e: floor(e) if floor(e) % 2 == 0 else ceil(e)),
    "nearest_away": lambda v, n: half(v, n, lambda e: ceil(e) if e > 0 else floor(e)),
    "nearest_up": lambda v, n: half(v, n, ceil),
    "toward_zero": lambda v, n: trunc(Fraction(v, 2 ** n)),
    "toward_negative": lambda v, n: floor(Fraction(v, 2 ** n)),
    "toward_positive": lambda v, n: ceil(Fraction(v, 2 ** n)),
}


def wrap(v, bits):
    v %= 2 ** bits
    return v - 2 ** bits if v >= 2 ** (bits - 1) else v


def saturate(v, bits):
    return min(max(v, -2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def float32(exact):
    """The nearest number of float32 to a Fraction; of two as near the one with an even last bit."""
    if exact == 0:
        return exact
    exponent = -126
    while abs(exact) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    step = Fraction(2) ** (exponent - 23)
    return ROUND["nearest_even"](exact / step, 0) * step


def float_scale(v, factor):
    product = float32(float32(Fraction(v)) * Fraction(factor))
    return ROUND["nearest_even"](product, 0)


def looked_up(v, table):
    assert 0 <= v < len(table), f"{v} is no place of a table of {len(table)}"
    return table[v]


DO = {
    "add": lambda v, c, step: v + c[0],
    "multiply": lambda v, c, step: v * c[0],
    "shift_left": lambda v, c, step: v * 2 ** c[0],
    "shift_right": lambda v, c, step: ROUND[step["rounding"]](v, c[0]),
    "clamp": lambda v, c, step: min(max(v, c[0]), c[1]),
    "count": lambda v, c, step: sum(1 for constant in c if constant <= v),
    "wrap": lambda v, c, step: wrap(v, c[0]),
    "saturate": lambda v, c, step: saturate(v, c[0]),
    "table": lambda v, c, step: looked_up(v, c),
    "float_scale": lambda v, c, step: float_scale(v, c[0]),
}


def constants_of(step, channel, arrays):
    if "value" in step:
        return [step["value"]]
    if "low" in step:
        return [step["low"], step["high"]]
    array = arrays[step["constants"]]
    groups, each = array.shape
    first = (0 if groups == 1 else channel) * each
    return array.values[first:first + each]


def through(steps, v, channel, arrays):
    for step in steps:
        v = DO[step["do"]](v, constants_of(step, channel, arrays), step)
        assert -2 ** 63 <= v < 2 ** 63, f"{v} behind {step} leaves 64 bits"
    return v


# ---- operations, on one sample: a function of (height, width, channel) ----

class Tensor:
    def __init__(self, text, values):
        self.shape, self.zero_point, self.values = text["shape"], text["zero_point"], values

    def at(self, h, w, c):
        height, width, channels = self.shape
        if not (0 <= h < height and 0 <= w < width):
            return None  # padding
        return self.values[(h * width + w) * channels + c]

    def places(self):
        height, width, channels = self.shape
        return ((h, w, c) for h in range(height) for w in range(width) for c in range(channels))


def window(op, h, w):
    """Rows and columns that the window at (h, w) sees, in order."""
    top, _, left, _ = op["pad"]
    return [(h * op["stride"][0] - top + i * op["dilation"][0],
             w * op["stride"][1] - left + j * op["dilation"][1])
            for i in range(op["kernel"][0]) for j in range(op["kernel"][1])]


def accumulated(products, register):
    bits, overflow, total = register["bits"], register["overflow"], 0
    for product in products:
        total += product
        if overflow == "wrap":
            total = wrap(total, bits)
        elif overflow == "saturate":
            total = saturate(total, bits)
        assert saturate(total, bits) == total, f"{total} leaves a register of {bits} bits"
    return total


def conv(op, inputs, out, arrays):
    x, weights = inputs[0], arrays[op["weights"]]
    out_channels, _, _, each = weights.shape
    per_group = out_channels // op["groups"]
    fan_in = prod(weights.shape[1:])

    def products(h, w, c):
        k = c * fan_in
        first = c // per_group * each
        for row, column in window(op, h, w):
            for i in range(first, first + each):
                code = x.at(row, column, i)
                code = op["pad_code"] if code is None else code
                yield (code - x.zero_point) * weights.values[k]
                k += 1
    return [accumulated(products(h, w, c), op["accumulator"]) for h, w, c in out.places()]


def dense(op, inputs, out, arrays):
    x, weights = inputs[0], arrays[op["weights"]]
    rows, columns = weights.shape
    return [accumulated(((x.values[k] - x.zero_point) * weights.values[row * columns + k]
                         for k in range(columns)), op["accumulator"]) for row in range(rows)]


def sum_pool(op, inputs, out, arrays):
    x = inputs[0]
    return [sum(x.at(i, j, c) - x.zero_point for i, j in window(op, h, w))
            for h, w, c in out.places()]


def max_pool(op, inputs, out, arrays):
    x = inputs[0]
    return [max(code for code in (x.at(i, j, c) for i, j in window(op, h, w)) if code is not None)
            for h, w, c in out.places()]


def map_(op, inputs, out, arrays):
    return [through(op["steps"], inputs[0].at(h, w, c), c, arrays) for h, w, c in out.places()]


def join(op, inputs, out, arrays):
    return [through(op["steps"],
                    sum(through(steps, x.at(h, w, c) - x.zero_point, c, arrays)
                        for x, steps in zip(inputs, op["input_steps"])), c, arrays)
            for h, w, c in out.places()]


def concat(op, inputs, out, arrays):
    height, width, _ = out.shape
    return [x.at(h, w, c) for h in range(height) for w in range(width) for x in inputs
            for c in range(x.shape[2])]


def argmax(op, inputs, out, arrays):
    return [inputs[0].values.index(max(inputs[0].values))]


def reshape(op, inputs, out, arrays):
    return list(inputs[0].values)


OPS = {"conv": conv, "dense": dense, "map": map_, "join": join, "concat": concat,
       "sum_pool": sum_pool, "max_pool": max_pool, "argmax": argmax, "reshape": reshape}


def run(text, arrays, values):
    """All tensors of one sample, by name."""
    texts = {tensor["name"]: tensor for tensor in text["tensors"]}
    made = {text["input"]: Tensor(texts[text["input"]], values)}
    for op in text["ops"]:
        out = Tensor(texts[op["out"]], None)
        out.values = OPS[op["op"]](op, [made[name] for name in op["in"]], out, arrays)
        kind, bits = texts[op["out"]]["type"][0], int(texts[op["out"]]["type"][1:])
        low, high = (-2 ** (bits - 1), 2 ** (bits - 1)) if kind == "s" else (0, 2 ** bits)
        assert all(low <= value < high for value in out.values), f"{op['name']} leaves its type"
        made[op["out"]] = out
    return made


def differences(folder):
    """Values compared, and a line for each tensor that differs."""
    text = json.loads((folder / "program.json").read_text())
    require_digests(folder, text, "program.npz")
    has_floats = any(step["do"] == "float_scale" for op in text["ops"]
                     for steps in [op.get("steps", []), *op.get("input_steps", [])] for step in steps)
    assert text["is_integer"] != has_floats, folder
    arrays, trace = read_npz(folder / "program.npz"), read_npz(folder / "trace.npz")
    assert set(trace) == {tensor["name"] for tensor in text["tensors"]}
    samples = trace[text["input"]].shape[0]
    compared, found = 0, []
    for sample in range(samples):
        def part(name):
            size = len(trace[name].values) // samples
            return trace[name].values[sample * size:(sample + 1) * size]
        for name, tensor in run(text, arrays, part(text["input"])).items():
            expected = part(name)
            compared += len(expected)
            wrong = [i for i, value in enumerate(tensor.values) if value != expected[i]]
            if len(tensor.values) != len(expected):
                found.append(f"{folder}: {name} has {len(expected)} elements, expected "
                             f"{len(tensor.values)}")
            elif wrong:
                found.append(f"{folder}: sample {sample}, {name}: {len(wrong)} differ, the first at "
                             f"{wrong[0]}: {expected[wrong[0]]}, expected {tensor.values[wrong[0]]}")
    return compared, found


def compare(folders):
    compared, found = 0, []
    for folder in folders:
        count, lines = differences(pathlib.Path(folder))
        compared, found = compared + count, found + lines
    print("\n".join(found[:20]))
    print(f"{len(folders)} programs, {compared} values compared, {len(found)} tensors differ")
    assert compared > 0
    return 1 if found else 0


def main(words):
    if len(words) == 3 and words[1].isdigit():
        maker, first, count = words[0], int(words[1]), int(words[2])
        with tempfile.TemporaryDirectory() as root:
            subprocess.run([maker, root, str(first), str(count), "3"], check=True)
            return compare([f"{root}/{seed}" for seed in range(first, first + count)])
    return compare(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
