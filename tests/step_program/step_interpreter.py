#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""A second definition of the step program, in integers of any size and without NumPy.

step_interpreter.py MAKER FIRST COUNT STEPS   has MAKER write COUNT random step programs with the executor's
                                         tensors, runs STEPS steps of each and compares every tensor
step_interpreter.py FOLDER ...           the same for folders with step.json, step.npz, trace.npz
"""
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "program"))
from interpreter import ROUND, read_npz, require_digests, through  # noqa: E402

from fractions import Fraction  # noqa: E402
from math import floor, prod  # noqa: E402


# ---- random words: Philox4x32-10 ----

def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [k[0] + 0x9E3779B9 & 0xFFFFFFFF, k[1] + 0xBB67AE85 & 0xFFFFFFFF]
    return c


def random_word(seed, stream, step, index):
    block = index // 4
    counter = (block & 0xFFFFFFFF, step & 0xFFFFFFFF, stream & 0xFFFFFFFF, stream >> 32 ^ block >> 32)
    return philox(counter, (seed & 0xFFFFFFFF, seed >> 32))[index % 4]


# ---- a shift register: bits of x^16 + x^14 + x^13 + x^11 + 1, the oldest first ----

def register_states(state):
    """All states behind this one, period after period."""
    bits = [state >> i & 1 for i in range(16)]
    while True:
        bits = bits[1:] + [(bits[0] + bits[2] + bits[3] + bits[5]) % 2]
        yield sum(bit << i for i, bit in enumerate(bits))


def register_numbers(op, seed, step, count):
    first = random_word(seed, int(op["stream"], 16), step, 0) % 65535 if op["lfsr"]["start"] == "run" else 0
    bits = op["random_bits"]
    states = itertools.islice(register_states(op["lfsr"]["state"]), first + count * bits)
    return [state % 2 ** bits for state in states][first + bits - 1::bits]


# ---- operations; a tensor is a list of samples, each a list of integers; of weights one ----

class Step:
    """One step under way."""

    def __init__(self, text, arrays, number):
        self.text, self.arrays, self.number = text, arrays, number
        self.tensors = {tensor["name"]: tensor for tensor in text["tensors"]}
        self.values, self.labels = {}, []

    def extent(self, name, flat):
        shape = self.tensors[name]["shape"]
        return (1, 1, prod(shape)) if flat else tuple(shape)

    def products(self, op, x, w, y):
        """Places in x, w and y of all products of one sample."""
        flat = op["op"].startswith("dense")
        height, width, _ = self.extent(x, flat)
        rows, columns, filters = self.extent(y, flat)
        channels = self.extent(x, flat)[2]
        top, _, left, _ = op.get("pad", [0, 0, 0, 0])
        kernel, stride = op.get("kernel", [1, 1]), op.get("stride", [1, 1])
        dilation, groups = op.get("dilation", [1, 1]), op.get("groups", 1)
        each = channels // groups
        assert prod(self.tensors[w]["shape"]) == filters * kernel[0] * kernel[1] * each
        for i, j, o in itertools.product(range(rows), range(columns), range(filters)):
            first = o // (filters // groups) * each
            for p, q in itertools.product(range(kernel[0]), range(kernel[1])):
                row = i * stride[0] - top + p * dilation[0]
                column = j * stride[1] - left + q * dilation[1]
                if not (0 <= row < height and 0 <= column < width):
                    continue
                for c in range(each):
                    yield ((row * width + column) * channels + first + c,
                           ((o * kernel[0] + p) * kernel[1] + q) * each + c,
                           (i * columns + j) * filters + o)

    def window(self, op, x, y):
        """For each element of y: (place in the window, place in x) of what the window sees."""
        height, width, channels = self.tensors[x]["shape"]
        rows, columns, _ = self.tensors[y]["shape"]
        (top, _, left, _), stride, kernel = op["pad"], op["stride"], op["kernel"]
        for i, j, c in itertools.product(range(rows), range(columns), range(channels)):
            seen = []
            for p, q in itertools.product(range(kernel[0]), range(kernel[1])):
                row, column = i * stride[0] - top + p, j * stride[1] - left + q
                if 0 <= row < height and 0 <= column < width:
                    seen.append((p * kernel[1] + q, (row * width + column) * channels + c))
            yield seen

    def zeros(self, name):
        return [0] * prod(self.tensors[name]["shape"])

    def forward(self, op, x, w):
        made = []
        for sample in self.values[x]:
            sums = self.zeros(op["out"])
            for i, k, o in self.products(op, x, w, op["out"]):
                sums[o] += sample[i] * self.values[w][0][k]
            made.append(sums)
        return made

    def dx(self, op, dy, w):
        made = []
        for sample in self.values[dy]:
            sums = self.zeros(op["out"])
            for i, k, o in self.products(op, op["out"], w, dy):
                sums[i] += sample[o] * self.values[w][0][k]
            made.append(sums)
        return made

    def dw(self, op, x, dy):
        sums = self.zeros(op["out"])
        for left, right in zip(self.values[x], self.values[dy]):
            for i, k, o in self.products(op, x, op["out"], dy):
                sums[k] += left[i] * right[o]
        return [sums]

    def map_(self, op, x):
        channels = self.tensors[op["out"]]["shape"][-1]
        return [[through(op["steps"], v, i % channels, self.arrays) for i, v in enumerate(sample)]
                for sample in self.values[x]]

    def max_pool(self, op, x):
        return [[max(sample[place] for _, place in seen) for seen in self.window(op, x, op["out"])]
                for sample in self.values[x]]

    def max_place(self, op, x):
        return [[max(seen, key=lambda pair: (sample[pair[1]], -pair[0]))[0]
                 for seen in self.window(op, x, op["out"])] for sample in self.values[x]]

    def route(self, op, dy, places):
        made = []
        for sample, chosen in zip(self.values[dy], self.values[places]):
            sums = self.zeros(op["out"])
            for error, place, seen in zip(sample, chosen, self.window(op, op["out"], dy)):
                sums[dict(seen)[place]] += error
            made.append(sums)
        return made

    def subtract_label(self, op, x):
        return [[v - (op["one"] if i == label else 0) for i, v in enumerate(sample)]
                for sample, label in zip(self.values[x], self.labels)]

    def multiply(self, op, a, b):
        return [[v * w for v, w in zip(left, right)]
                for left, right in zip(self.values[a], self.values[b])]

    def significant(self, op, x):
        def kept(v):
            n = max(0, abs(v).bit_length() - op["bits"])
            return ROUND["nearest_even"](v, n) * 2 ** n
        return [[kept(v) for v in sample] for sample in self.values[x]]

    def exponent(self, op, x):
        largest = max(abs(v) for sample in self.values[x] for v in sample)
        e = 0
        while largest ** 2 > 2 ** (2 * e + 1):
            e += 1
        return [[e]]

    def normalise(self, op, x, e):
        shift = op["bits"] - self.values[e][0][0]

        def one(v):
            moved = v * 2 ** shift if shift >= 0 else ROUND[op["rounding"]](v, -shift)
            return min(max(moved, op["low"]), op["high"])
        return [[one(v) for v in sample] for sample in self.values[x]]

    def stochastic(self, op, x, e):
        rate = [r["shift"] for r in op["rates"] if r["step"] <= self.number][-1]
        bits, seed, count = op["random_bits"], int(self.text["seed"], 16), len(self.values[x][0])
        if "lfsr" in op:
            numbers = register_numbers(op, seed, self.number, count)
        else:
            numbers = [random_word(seed, int(op["stream"], 16), self.number, i) >> 32 - bits
                       for i in range(count)]
        made = []
        for v, number in zip(self.values[x][0], numbers, strict=True):
            exact = abs(v) * Fraction(2) ** (rate - self.values[e][0][0])
            limit = floor((exact - floor(exact)) * 2 ** bits)
            size = floor(exact) + (1 if number < limit else 0)
            made.append(-size if v < 0 else size)
        return [made]

    def update(self, op, w, u):
        return [[min(max(v - by, op["low"]), op["high"])
                 for v, by in zip(self.values[w][0], self.values[u][0])]]

    def run(self):
        names = {"conv": self.forward, "dense": self.forward, "conv_dx": self.dx, "dense_dx": self.dx,
                 "conv_dw": self.dw, "dense_dw": self.dw, "map": self.map_}
        for section in ("forward", "backward", "update"):
            for op in self.text[section]:
                function = names.get(op["op"]) or getattr(self, op["op"])
                self.values[op["out"]] = function(op, *op["in"])
                kind = self.tensors[op["out"]]["type"]
                bits = int(kind[1:])
                low, high = (-2 ** (bits - 1), 2 ** (bits - 1)) if kind[0] == "s" else (0, 2 ** bits)
                assert all(low <= v < high for sample in self.values[op["out"]] for v in sample), \
                    f"{op['name']} leaves its type"


def differences(folder):
    """Values compared, and a line for each tensor that differs."""
    text = json.loads((folder / "step.json").read_text())
    require_digests(folder, text, "step.npz")
    arrays, trace = read_npz(folder / "step.npz"), read_npz(folder / "trace.npz")
    weights = {p["tensor"]: arrays[p["initial"]].values for p in text["parameters"]}
    compared, found = 0, []
    for number in itertools.count():
        if f"{number}/labels" not in trace:
            return compared, found
        step = Step(text, arrays, number)
        step.labels = trace[f"{number}/labels"].values
        images = trace[f"{number}/{text['images']}"].values
        size = len(images) // len(step.labels)
        step.values[text["images"]] = [images[i:i + size] for i in range(0, len(images), size)]
        step.values.update({name: [values] for name, values in weights.items()})
        step.run()
        for name, samples in step.values.items():
            made, expected = [v for sample in samples for v in sample], trace[f"{number}/{name}"].values
            compared += len(made)
            if made != expected:
                wrong = [i for i, (a, b) in enumerate(zip(made, expected)) if a != b]
                found.append(f"{folder}: step {number}, {name}: {len(wrong)} differ of {len(made)} and "
                             f"{len(expected)}")
        weights = {p["tensor"]: step.values[p["next"]][0] for p in text["parameters"]}


def compare(folders):
    compared, found = 0, []
    for folder in folders:
        count, lines = differences(pathlib.Path(folder))
        compared, found = compared + count, found + lines
    print("\n".join(found[:20]))
    print(f"{len(folders)} step programs, {compared} values compared, {len(found)} tensors differ")
    assert compared > 0
    return 1 if found else 0


def main(words):
    if len(words) == 4 and words[1].isdigit():
        maker, first, count, steps = words[0], int(words[1]), int(words[2]), words[3]
        with tempfile.TemporaryDirectory() as root:
            subprocess.run([maker, root, str(first), str(count), steps], check=True)
            return compare([f"{root}/{seed}" for seed in range(first, first + count)])
    return compare(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
