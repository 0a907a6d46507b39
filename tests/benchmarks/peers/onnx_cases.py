# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""ONNX Runtime's int8 convolution."""
import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper


def version():
    return onnxruntime.__version__


def int8_convolution(params):
    """QLinearConv: unsigned 8-bit activations, signed 8-bit weights, 8-bit results."""
    batch, size, channels, filters = (params[k] for k in ("batch", "size", "in", "out"))
    kernel, stride = params.get("kernel", 3), params.get("stride", 1)
    pad = params.get("padding", (kernel - 1) // 2)
    generator = numpy.random.default_rng(1)
    weights = generator.integers(-127, 128, (filters, channels, kernel, kernel), numpy.int8)
    constants = {"xs": numpy.float32(1 / 64), "xz": numpy.uint8(128), "w": weights,
                 "ws": numpy.float32(1 / 64), "wz": numpy.int8(0),
                 "ys": numpy.float32(1), "yz": numpy.uint8(128)}
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"],
                            strides=[stride, stride], pads=[pad] * 4)
    graph = helper.make_graph(
        [node], "convolution",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [batch, channels, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [onnx.numpy_helper.from_array(numpy.asarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = params["threads"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    x = generator.integers(0, 256, (batch, channels, size, size), numpy.uint8)
    return lambda: session.run(None, {"x": x}), 1


CASES = {"onnx_int8_convolution": int8_convolution}
