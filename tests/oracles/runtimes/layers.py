# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Layers of random weights and scales, as a runtime's model and as a program of qloom."""
import json
import pathlib
import subprocess
import tempfile

import numpy

MAKER, QLOOM = None, None  # the two programs: set by whoever runs the tests
NEAREST_EVEN, NEAREST_AWAY = 1, 2  # of abi.h


def sums(x, weights, zero_point, stride, groups=1):
    """Of (x - zero point) * w, nothing padded; x (n, h, w, c), weights (out, kh, kw, c / groups)."""
    codes, w = x.astype(numpy.int64) - zero_point, weights.astype(numpy.int64)
    out, kh, kw, _ = w.shape
    rows, columns = (codes.shape[1] - kh) // stride + 1, (codes.shape[2] - kw) // stride + 1
    total = numpy.zeros((len(codes), rows, columns, out), numpy.int64)
    for h in range(kh):
        for c in range(kw):
            part = codes[:, h:h + rows * stride:stride, c:c + columns * stride:stride]
            if groups == 1:
                total += part @ w[:, h, c].T
            else:
                total += part * w[:, h, c, 0]
    return total


def program_codes(kind, method, task, x):
    """What qloom's executor makes of x in a program whose requantizer is `method`."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        arrays = {key: numpy.atleast_1d(value)
                  for key, value in {"rounding": NEAREST_EVEN, **task}.items()}
        numpy.savez(folder / "task.npz", **{
            key: value.astype(numpy.float64 if key in ("factor", "offset") else numpy.int64)
            for key, value in arrays.items()})
        numpy.save(folder / "x.npy", x.astype(numpy.int64))
        run(MAKER, kind, json.dumps(method), folder / "task.npz", folder / "program")
        run(QLOOM, "execute", folder / "program", "--input", folder / "x.npy", "--output",
            folder / "y.npy")
        return numpy.load(folder / "y.npy")


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]}: status {done.returncode}: {done.stderr}")


def spread_factors(generator, count, largest_sum):
    """Factors that bring sums into 8 bits and a little beyond, or to a small part of them; powers of two
    among them, with which many sums are ties. None is as large as 1."""
    factors = 2.0 ** generator.uniform(-3, 1, count) * 128 / largest_sum
    factors[:count // 4] = 2.0 ** numpy.round(numpy.log2(factors[:count // 4]))
    return numpy.minimum(factors, 0.96)
