# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""TFLite models of one operation, made without TensorFlow, and what LiteRT's kernels give for them."""
import dataclasses

import flatbuffers
import numpy
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema

BUILTIN_REF = litert.OpResolverType.BUILTIN_REF
WITHOUT_DELEGATE = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

TYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}


@dataclasses.dataclass
class Tensor:
    """scale: float32, one or one for each index of `axis`; values: of a constant."""
    shape: tuple
    scale: numpy.ndarray
    zero_point: int = 0
    values: numpy.ndarray | None = None
    axis: int = 0
    type: str = "int8"


def _quantization(tensor):
    made = schema.QuantizationParametersT()
    made.scale = [float(s) for s in numpy.atleast_1d(tensor.scale)]
    made.zeroPoint = [tensor.zero_point] * len(made.scale)
    made.quantizedDimension = tensor.axis if len(made.scale) > 1 else 0
    return made


def _subgraph(tensors, constants, buffers):
    graph = schema.SubGraphT()
    graph.tensors = []
    for i, tensor in enumerate(tensors):
        made = schema.TensorT()
        made.name, made.shape, made.type = f"t{i}", list(tensor.shape), TYPES[tensor.type]
        made.quantization = _quantization(tensor)
        made.buffer = 0
        if tensor.values is not None:
            buffer = schema.BufferT()
            buffer.data = numpy.frombuffer(tensor.values.tobytes(), numpy.uint8)
            made.buffer = len(buffers)
            buffers.append(buffer)
        graph.tensors.append(made)
    last = len(tensors) - 1
    graph.inputs = [i for i in range(last) if i not in constants]
    graph.outputs = [last]
    return graph


def model(code, options, tensors, version=3):
    """A model of one operation whose last tensor is its result; tensors without values go in."""
    kinds = {"CONV_2D": (schema.BuiltinOptions.Conv2DOptions, schema.Conv2DOptionsT),
             "DEPTHWISE_CONV_2D": (schema.BuiltinOptions.DepthwiseConv2DOptions,
                                   schema.DepthwiseConv2DOptionsT),
             "FULLY_CONNECTED": (schema.BuiltinOptions.FullyConnectedOptions,
                                 schema.FullyConnectedOptionsT),
             "ADD": (schema.BuiltinOptions.AddOptions, schema.AddOptionsT),
             "AVERAGE_POOL_2D": (schema.BuiltinOptions.Pool2DOptions, schema.Pool2DOptionsT)}
    made = schema.ModelT()
    made.version, made.buffers = 3, [schema.BufferT()]
    constants = {i for i, tensor in enumerate(tensors) if tensor.values is not None}
    graph = _subgraph(tensors, constants, made.buffers)
    operator, operator_code = schema.OperatorT(), schema.OperatorCodeT()
    builtin = getattr(schema.BuiltinOperator, code)
    operator_code.builtinCode, operator_code.version = builtin, version
    operator_code.deprecatedBuiltinCode = builtin
    operator.opcodeIndex = 0
    operator.inputs, operator.outputs = list(range(len(tensors) - 1)), [len(tensors) - 1]
    operator.builtinOptionsType, record = kinds[code]
    operator.builtinOptions = record()
    for name, value in options.items():
        setattr(operator.builtinOptions, name, value)
    graph.operators = [operator]
    made.subgraphs, made.operatorCodes = [graph], [operator_code]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(made.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run(content, inputs, resolver):
    """The result of the model's one operation."""
    interpreter = litert.Interpreter(model_content=content, experimental_op_resolver_type=resolver,
                                     num_threads=1)
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def convolution(x, weights, bias, y, stride, kind):
    """kind: "conv", "depthwise" (weights (1, h, w, channels)) or "dense" (weights (out, in)). Nothing is
    padded."""
    if kind == "dense":
        return model("FULLY_CONNECTED", {}, [x, weights, bias, y], 4)
    options = {"padding": schema.Padding.VALID, "strideH": stride, "strideW": stride,
               "dilationHFactor": 1, "dilationWFactor": 1}
    if kind == "depthwise":
        options["depthMultiplier"] = 1
    return model({"conv": "CONV_2D", "depthwise": "DEPTHWISE_CONV_2D"}[kind], options,
                 [x, weights, bias, y])


def add(a, b, y):
    return model("ADD", {}, [a, b, y], 2)


def average_pool(x, y, window, stride):
    return model("AVERAGE_POOL_2D", {"padding": schema.Padding.VALID, "strideH": stride,
                                     "strideW": stride, "filterHeight": window,
                                     "filterWidth": window}, [x, y], 2)
