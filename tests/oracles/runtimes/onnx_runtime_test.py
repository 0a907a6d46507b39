# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""The requantizer float_scale, preset onnxruntime, beside ONNX Runtime's QLinearConv: every code is the same.

    onnx_runtime_test.py MAKER QLOOM"""
import sys
import unittest

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

import formulas
import layers


def convolution(weights, bias, x_scale, w_scale, y_scale, zero_points, stride, shape):
    """A session of one QLinearConv; weights (out, kh, kw, in)."""
    constants = {"xs": x_scale, "xz": numpy.uint8(zero_points[0]),
                 "w": numpy.ascontiguousarray(numpy.moveaxis(weights, 3, 1)), "ws": w_scale,
                 "wz": numpy.zeros(w_scale.shape, numpy.int8), "ys": y_scale,
                 "yz": numpy.uint8(zero_points[1]), "b": bias}
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"],
                            strides=[stride, stride])
    graph = helper.make_graph(
        [node], "convolution", [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [onnx.numpy_helper.from_array(numpy.asarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


class Codes(unittest.TestCase):
    def test_qlinear_conv(self):
        count = 0
        for seed in range(6):
            generator = numpy.random.default_rng(seed)
            stride, channels = 1 + seed % 2, (3, 16, 64)[seed % 3]
            weights = generator.integers(-127, 128, (48, 3, 3, channels)).astype(numpy.int8)
            x = generator.integers(0, 256, (40 if stride == 1 else 140, 14, 14, channels)).astype(
                numpy.uint8)
            zero_points = [int(z) for z in generator.integers(0, 256, 2)]
            total = layers.sums(x, weights, zero_points[0], stride)
            largest = int(numpy.abs(total).max())
            bias = generator.integers(-largest // 4, largest // 4, 48).astype(numpy.int32)
            x_scale, y_scale = numpy.float32(0.0173), numpy.float32(2.0 ** -4)
            if seed % 2 == 0:
                x_scale = numpy.float32(2.0 ** -5)  # then powers of two are ties
            factors = layers.spread_factors(generator, 48, largest)
            w_scale = (factors * float(y_scale) / float(x_scale)).astype(numpy.float32)
            session = convolution(weights, bias, x_scale, w_scale, y_scale, zero_points, stride,
                                  (len(x), channels, 14, 14))
            expected = session.run(None, {"x": numpy.moveaxis(x, 3, 1)})[0]
            factor = ((x_scale * w_scale) / y_scale).astype(numpy.float64)  # in float32 each
            task = {"shape": x.shape[1:], "window": [3, 3, stride, 1], "weights": weights.ravel(),
                    "zero_points": zero_points, "is_signed": [0, 0], "factor": factor,
                    "offset": bias * factor}
            codes = layers.program_codes(
                "conv", {"plugin": "float_scale", "preset": "onnxruntime"}, task, x)
            expected = numpy.moveaxis(expected, 1, 3)
            by_formula = formulas.clamp(formulas.float32(total + bias, factor) + zero_points[1], 0, 255)
            for what, side in (("formula", by_formula), ("qloom", codes)):
                differing = int((side != expected).sum())
                self.assertEqual(differing, 0, f"seed {seed}, {what}: codes that differ")
            count += codes.size
        print(f"QLinearConv: {count} codes")
        self.assertGreater(count, 1_000_000)


if __name__ == "__main__":
    layers.MAKER, layers.QLOOM = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=0)
