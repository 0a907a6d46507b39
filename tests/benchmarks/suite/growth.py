# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""How the cost grows: curves over tensor size, channels, batch, width and threads."""
from .measure import Comparison, Group, Job
from .sections import ROOT, STEPS

# Curve: title, unit of x, unit of y, then per series its name; a point is one row of bench.json.
UNITS = {
    "tensor size": ("floats", "G elements/s"),
    "channels": ("channels, innermost", "G elements/s"),
    "group size": ("elements that share a scale", "G elements/s"),
    "batch": ("samples", "samples/s of resnet8"),
    "width": ("channels in and out, 3x3 at 16 x 16", "G multiply-adds/s"),
}


def point(curve, x, threads, jobs):
    rows = [Comparison(name, name, "", "") for name in jobs]
    return Group(f"growth: {curve}", str(x), jobs, rows, threads=threads)


def tensor_sizes(arrays):
    for exponent in range(12, 25, 2):
        shape = {"shape": [1 << exponent]}
        for threads in (1, 2):
            suffix = suffix_of(threads)
            yield point("tensor size", 1 << exponent, threads, {
                "memcpy" + suffix: Job("qloom", "memcpy", arrays.params(**shape)),
                "affine" + suffix: Job("qloom", "affine", arrays.params(**shape)),
                "stochastic, 16 bits" + suffix: Job(
                    "qloom", "affine", arrays.params(fixed_point=True, random_bits=16, **shape))})


def suffix_of(threads):
    return f", {threads} thread" + ("s" if threads > 1 else "")


def channels(arrays):
    total = 1 << 22
    for exponent in range(0, 13, 2):
        groups = 1 << exponent
        yield point("channels", groups, 2, {
            "affine per channel": Job("qloom", "affine", arrays.params(
                groups=groups, inner=1, shape=[total // groups, groups]))})
        inner = 4 << exponent
        yield point("group size", inner, 2, {
            "affine per group": Job("qloom", "affine", arrays.params(
                groups=total // inner, inner=inner, shape=[total // inner, inner]))})


def batches():
    model = {"model": str(ROOT / "examples/models/resnet8.json"), "input": "32x32x3"}
    rules = {"float": "float", "QAT affine 8/8": "qat_affine_8", "fixed point 8": "fixed_point_8"}
    for batch in (1, 8, 32, 128, 256):
        for threads in (1, 2):
            yield point("batch", batch, threads, {
                name + suffix_of(threads): Job("qloom", "step", {
                    **model, "batch": batch, "rules": str(STEPS / f"{file}.json")})
                for name, file in rules.items() if threads > 1 or file == "float"})


def widths():
    for width in (4, 8, 16, 64, 256):
        layer = {"batch": 16, "size": 16, "in": width, "out": width}
        for threads in (1, 2):
            jobs = {"float" + suffix_of(threads): Job("qloom", "contraction", layer)}
            if threads > 1:
                jobs["exact 8 bit codes" + suffix_of(threads)] = Job(
                    "qloom", "contraction", {**layer, "coded": True})
            yield point("width", width, threads, jobs)


def groups(arrays):
    yield from tensor_sizes(arrays)
    yield from channels(arrays)
    yield from batches()
    yield from widths()
