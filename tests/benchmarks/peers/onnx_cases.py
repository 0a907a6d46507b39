# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""ONNX Runtime's int8 convolution and an int8 resnet8."""
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
    session = session_of(graph, params["threads"])
    x = generator.integers(0, 256, (batch, channels, size, size), numpy.uint8)
    return lambda: session.run(None, {"x": x}), 1


def session_of(graph, threads):
    model = helper.make_model(graph, opset_imports=[
        helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


class Network:
    """Nodes and constants of a network in QLinear operators; a tensor is (name, channels, zero point)."""

    def __init__(self):
        self.nodes, self.constants = [], {}
        self.generator = numpy.random.default_rng(1)

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants[name] = numpy.asarray(value)
        return name

    def scale(self, zero_point, scale=0.05):
        return [self.constant(numpy.float32(scale)), self.constant(numpy.uint8(zero_point))]

    def node(self, operator, inputs, domain="com.microsoft", **attributes):
        name = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], domain=domain, **attributes))
        return name

    def weights(self, shape):
        filters = shape[0]
        scales = self.generator.uniform(0.0005, 0.001, filters).astype(numpy.float32)
        return [self.constant(self.generator.integers(-127, 128, shape, numpy.int8)),
                self.constant(scales), self.constant(numpy.zeros(filters, numpy.int8))]

    def conv(self, x, filters, kernel, stride, zero_point):
        name, channels, zero = x
        bias = self.constant(self.generator.integers(-127, 128, filters, numpy.int32))
        inputs = [name, *self.scale(zero), *self.weights((filters, channels, kernel, kernel)),
                  *self.scale(zero_point), bias]
        y = self.node("QLinearConv", inputs, "", strides=[stride] * 2, pads=[kernel // 2] * 4)
        return y, filters, zero_point

    def add(self, a, b):
        inputs = [a[0], *self.scale(a[2]), b[0], *self.scale(b[2]), *self.scale(0)]
        return self.node("QLinearAdd", inputs), a[1], 0

    def pool_and_dense(self, x, units):
        pooled = self.node("QLinearGlobalAveragePool", [x[0], *self.scale(0), *self.scale(0)],
                           channels_last=0)
        flat = self.node("Flatten", [pooled], "")
        bias = self.constant(self.generator.integers(-127, 128, units, numpy.int32))
        return self.node("QGemm", [flat, *self.scale(0), *self.weights((units, x[1])), bias,
                                   *self.scale(128)], transB=1)


def int8_resnet8(params):
    """The network of worker/programs.cpp, which is that of examples/models/resnet8.json."""
    network = Network()
    x = network.conv(("x", 3, 128), 16, 3, 1, 0)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        first = network.conv(x, filters, 3, stride, 0)
        second = network.conv(first, filters, 3, 1, 128)
        x = network.add(second, x if stride == 1 else network.conv(x, filters, 1, 2, 128))
    y = network.pool_and_dense(x, 10)
    shape = [params["batch"], 3, 32, 32]
    graph = helper.make_graph(
        network.nodes, "resnet8", [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info(y, TensorProto.UINT8, None)],
        [onnx.numpy_helper.from_array(v, k) for k, v in network.constants.items()])
    session = session_of(graph, params["threads"])
    images = network.generator.integers(0, 256, shape, numpy.uint8)
    return lambda: session.run(None, {"x": images}), 1


CASES = {"onnx_int8_convolution": int8_convolution, "onnx_int8_resnet8": int8_resnet8}
