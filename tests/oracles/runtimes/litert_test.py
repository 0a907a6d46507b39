# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""The requantizer multiplier beside TensorFlow Lite's kernels (LiteRT): every code of conv, depthwise conv,
dense, add and average pool is the same. formulas.py, in Python's integers, is a third opinion.

    litert_test.py MAKER QLOOM"""
import sys
import unittest

import numpy

import formulas
import layers
import litert

# Which preset the kernels of a kind of layer are, and a formula that they are not. LiteRT's reference
# kernel of dense layers rounds once, those of convolutions twice.
KERNELS = [("tflite_reference", litert.BUILTIN_REF, formulas.REFERENCE, formulas.single,
            ("conv", "depthwise")),
           ("cmsis_nn_single", litert.BUILTIN_REF, formulas.single, formulas.REFERENCE, ("dense",)),
           ("ruy", litert.WITHOUT_DELEGATE, formulas.RUY, formulas.REFERENCE,
            ("conv", "depthwise", "dense"))]
LAYERS = {"conv": (16, 32, 14, 16), "depthwise": (48, 48, 14, 12), "dense": (64, 48, 1, 800)}
SEEDS = 4
KERNEL = 3


class Layer:
    """kind: conv, depthwise or dense. Weights, scales, zero points; its model and its program."""

    def __init__(self, kind, seed, channels, filters, size, samples):
        self.kind, self.generator = kind, numpy.random.default_rng(seed)
        self.size, self.samples, self.channels = size, samples, channels
        self.groups = channels if kind == "depthwise" else 1
        kernel = 1 if kind == "dense" else KERNEL
        self.kernel, self.stride = kernel, 1 + seed % 2 if kernel > 1 else 1
        self.weights = self.generator.integers(
            -127, 128, (filters, kernel, kernel, channels // self.groups)).astype(numpy.int8)
        self.zero_points = [int(z) for z in self.generator.integers(-128, 128, 2)]
        self.set_scales()
        most = numpy.abs(self.sums(self.codes(1))).max()
        self.bias = self.generator.integers(-most // 4, most // 4 + 1, filters).astype(numpy.int32)

    def set_scales(self):
        largest = numpy.abs(self.sums(self.codes(2))).max()
        wanted = layers.spread_factors(self.generator, len(self.weights), largest)
        if self.kind == "dense":
            wanted = wanted[-1:]
        self.x_scale, self.y_scale = numpy.float32(2.0 ** -5), numpy.float32(2.0 ** -4)
        self.weight_scale = (wanted * float(self.y_scale) / float(self.x_scale)).astype(numpy.float32)
        self.factor = numpy.broadcast_to(
            float(self.x_scale) * self.weight_scale.astype(numpy.float64) / float(self.y_scale),
            len(self.weights))

    def codes(self, samples):
        return self.generator.integers(
            -128, 128, (samples, self.size, self.size, self.channels)).astype(numpy.int8)

    def sums(self, x):
        return layers.sums(x, self.weights, self.zero_points[0], self.stride, self.groups)

    def in_litert(self, x, resolver):
        tensor, flat = litert.Tensor, self.kind == "dense"
        weights = {"conv": self.weights, "depthwise": numpy.moveaxis(self.weights, 0, 3)[..., 0, :]
                   [None], "dense": self.weights[:, 0, 0]}[self.kind]
        weights = numpy.ascontiguousarray(weights)
        shape = self.sums(x[:1]).shape
        given = x.reshape(len(x), -1) if flat else x
        model = litert.convolution(
            tensor(given.shape, self.x_scale, self.zero_points[0]),
            tensor(weights.shape, self.weight_scale, 0, weights, 3 if self.kind == "depthwise" else 0),
            tensor(self.bias.shape, self.x_scale * self.weight_scale, 0, self.bias, 0, "int32"),
            tensor((len(x), shape[3]) if flat else (len(x),) + shape[1:], self.y_scale,
                   self.zero_points[1]), self.stride, self.kind)
        return litert.run(model, [given], resolver).reshape((len(x),) + shape[1:])

    def in_qloom(self, x, preset):
        task = {"shape": x.shape[1:], "window": [self.kernel, self.kernel, self.stride, self.groups],
                "weights": self.weights.ravel(), "zero_points": self.zero_points,
                "is_signed": [1, 1], "factor": self.factor, "offset": self.bias * self.factor}
        return layers.program_codes("conv", {"plugin": "multiplier", "preset": preset}, task, x)

    def by_formula(self, x, scaled):
        total = formulas.exact(self.sums(x) + self.bias)
        channels = [scaled(total[..., c], self.factor[c]) for c in range(total.shape[3])]
        return formulas.clamp(numpy.stack(channels, 3) + self.zero_points[1])


class Codes(unittest.TestCase):
    def expect_same(self, what, *sides):
        """Each side against the first; answers how many codes each has."""
        for side in sides[1:]:
            self.assertEqual(sides[0].shape, side.shape, what)
            self.assertEqual(int((sides[0] != side).sum()), 0, f"{what}: codes that differ")
        return sides[0].size

    def test_conv_depthwise_dense(self):
        count, others = 0, 0
        for preset, resolver, scaled, other, kinds in KERNELS:
            for kind in kinds:
                for seed in range(SEEDS):
                    layer = Layer(kind, seed, *LAYERS[kind])
                    x = layer.codes(layer.samples)
                    expected = layer.in_litert(x, resolver)
                    count += self.expect_same(f"{preset}, {kind}, seed {seed}", expected,
                                              layer.by_formula(x, scaled), layer.in_qloom(x, preset))
                    others += int((layer.by_formula(x, other) != expected).sum())
        print(f"conv, depthwise, dense: {count} codes; {others} are others by another formula")
        self.assertGreater(count, 1_000_000)
        self.assertGreater(others, 100)  # presets are told apart

    def test_add(self):
        """All pairs of codes; scales that make ties, and others."""
        a, b = (codes.astype(numpy.int8).ravel() for codes in
                numpy.meshgrid(numpy.arange(-128, 128), numpy.arange(-128, 128), indexing="ij"))
        count = 0
        for scales, zero_points in (((0.5, 0.5, 1.0), (0, 0, 0)), ((0.5, 0.25, 1.0), (3, -7, 5)),
                                    ((0.25, 1.0, 2.0), (-128, 0, 127)), ((1.0, 1.0, 0.75), (1, 2, 3)),
                                    ((0.0123, 0.0312, 0.04), (10, -3, -128))):
            scales = [numpy.float32(s) for s in scales]
            tensors = [litert.Tensor((256, 256), s, z) for s, z in zip(scales, zero_points)]
            expected = litert.run(litert.add(*tensors), [a.reshape(256, 256), b.reshape(256, 256)],
                                  litert.BUILTIN_REF).ravel()
            by_formula = formulas.clamp(formulas.add(a, b, scales[:2], zero_points, scales[2],
                                                     zero_points[2], formulas.REFERENCE))
            y = float(scales[2])
            task = {"zero_points": zero_points, "factor": [float(s) / y for s in scales[:2]],
                    "offset": [0.0], "is_signed": [1, 1]}
            pairs = (a.astype(numpy.int64) + 128) * 256 + (b.astype(numpy.int64) & 255)
            codes = layers.program_codes(
                "add", {"plugin": "multiplier", "preset": "tflite_reference"}, task,
                pairs.reshape(-1, 1, 1, 1))
            count += self.expect_same(f"add, scales {scales}", expected, by_formula, codes.ravel())
        print(f"add: {count} codes")

    def test_average_pool(self):
        generator, count = numpy.random.default_rng(5), 0
        x = generator.integers(-128, 128, (40, 12, 12, 24)).astype(numpy.int8)
        for window, stride in ((2, 2), (3, 2), (4, 1), (8, 1)):
            total = layers.sums(x, numpy.ones((24, window, window, 1), numpy.int8), 0, stride, 24)
            y = litert.Tensor(total.shape, numpy.float32(0.1), 5)
            model = litert.average_pool(litert.Tensor(x.shape, numpy.float32(0.1), 5), y, window,
                                        stride)
            task = {"shape": x.shape[1:], "window": [window, window, stride, 1],
                    "zero_points": [0, 0], "is_signed": [1, 1],
                    "factor": numpy.full(24, 1 / window ** 2), "offset": numpy.zeros(24),
                    "rounding": layers.NEAREST_AWAY}
            codes = layers.program_codes("pool", {"plugin": "multiplier", "rounding": "rule"}, task, x)
            count += self.expect_same(
                f"average pool {window}", litert.run(model, [x], litert.BUILTIN_REF),
                litert.run(model, [x], litert.WITHOUT_DELEGATE),
                formulas.clamp(formulas.mean(total, window ** 2)), codes)
        print(f"average pool: {count} codes")


if __name__ == "__main__":
    layers.MAKER, layers.QLOOM = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=0)
