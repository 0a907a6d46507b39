# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""qloom's model files as PyTorch networks, and one training step of them.

The same layers in the same order; fake quantization stands where qloom's rules place it: on the
weight and on the tensor that a convolution or dense layer reads (one quantizer where two layers
read one tensor).
"""
import json
import pathlib

import torch
from torch import nn
from torch.ao import quantization as tq


def activation_quantizer(kind):
    """Moving average of minimum and maximum, per tensor, 8 bits."""
    if kind == "qat_lsq_4":
        from torch.ao.quantization._learnable_fake_quantize import _LearnableFakeQuantize
        module = _LearnableFakeQuantize(tq.MovingAverageMinMaxObserver, quant_min=0, quant_max=15,
                                        dtype=torch.quint8, use_grad_scaling=True)
        module.enable_param_learning()
        return module
    arguments = dict(observer=tq.MovingAverageMinMaxObserver, quant_min=0, quant_max=255,
                     dtype=torch.quint8, qscheme=torch.per_tensor_affine)
    if kind == "qat_fused":
        return tq.FusedMovingAvgObsFakeQuantize(**arguments)
    return tq.FakeQuantize(**arguments)


def weight_quantizer(kind, channels):
    """Moving average of minimum and maximum, per output channel, 8 bits symmetric."""
    if kind == "qat_lsq_4":
        from torch.ao.quantization._learnable_fake_quantize import _LearnableFakeQuantize
        module = _LearnableFakeQuantize(tq.MovingAverageMinMaxObserver, quant_min=-8, quant_max=7,
                                        dtype=torch.qint8, use_grad_scaling=True)
        module.enable_param_learning()
        return module
    arguments = dict(observer=tq.MovingAveragePerChannelMinMaxObserver, quant_min=-128,
                     quant_max=127, dtype=torch.qint8, qscheme=torch.per_channel_symmetric,
                     ch_axis=0)
    if kind == "qat_fused":
        return tq.FusedMovingAvgObsFakeQuantize(**arguments)
    return tq.FakeQuantize(**arguments)


class Network(nn.Module):
    """A model file's layers, run in the file's order. kind: "float", "qat", "qat_fused",
    "qat_lsq_4"."""

    def __init__(self, model_file, height, width, channels, classes, kind):
        super().__init__()
        self.modules_of, self.plan, self.weight_fakes = nn.ModuleDict(), [], nn.ModuleDict()
        self.input_fakes = nn.ModuleDict()
        shape = {"": (channels, height, width)}
        previous = ""
        for layer in json.loads(pathlib.Path(model_file).read_text())["layers"]:
            inputs = layer.get("input", previous)
            inputs = inputs if isinstance(inputs, list) else [inputs]
            name = layer["name"]
            shape[name] = self._add(layer, name, inputs, shape[inputs[0]], classes)
            if kind != "float" and layer["type"] in ("conv", "dense"):
                self.weight_fakes[name] = weight_quantizer(kind, shape[name][0])
                key = inputs[0] or "input"
                if key not in self.input_fakes:
                    self.input_fakes[key] = activation_quantizer(kind)
            self.plan.append((layer["type"], name, inputs))
            previous = name
        self.last = previous

    def _add(self, layer, name, inputs, shape, classes):
        channels, height, width = shape
        kind = layer["type"]
        if kind == "conv":
            kernel, stride = layer["kernel"], layer.get("stride", 1)
            pad = (kernel - 1) // 2 if layer.get("padding", "valid") == "same" else 0
            self.modules_of[name] = nn.Conv2d(channels, layer["filters"], kernel, stride, pad,
                                              bias=layer.get("bias", True))
            size = [(s + 2 * pad - kernel) // stride + 1 for s in (height, width)]
            return (layer["filters"], *size)
        if kind == "dense":
            units = classes if layer["units"] == "classes" else layer["units"]
            self.modules_of[name] = nn.Linear(channels * height * width, units,
                                              bias=layer.get("bias", True))
            return (units, 1, 1)
        if kind == "norm":
            flat = height == 1 and width == 1
            self.modules_of[name] = (nn.BatchNorm1d if flat else nn.BatchNorm2d)(channels)
            return shape
        if kind == "relu":
            self.modules_of[name] = nn.ReLU()
            return shape
        if kind == "max_pool":
            kernel = layer["kernel"]
            stride = layer.get("stride", kernel)
            self.modules_of[name] = nn.MaxPool2d(kernel, stride)
            return (channels, (height - kernel) // stride + 1, (width - kernel) // stride + 1)
        if kind == "global_average_pool":
            self.modules_of[name] = nn.AdaptiveAvgPool2d(1)
            return (channels, 1, 1)
        if kind == "add":
            return shape
        raise ValueError(f"{name}: layer type {kind} has no counterpart here")

    def forward(self, x):
        values, quantized = {"": x}, {}
        for kind, name, inputs in self.plan:
            value = values[inputs[0]]
            if kind == "add":
                values[name] = value + values[inputs[1]]
                continue
            module = self.modules_of[name]
            if kind not in ("conv", "dense"):
                values[name] = module(value)
                continue
            weight = module.weight
            if name in self.weight_fakes:
                key = inputs[0] or "input"
                if key not in quantized:
                    quantized[key] = self.input_fakes[key](value)
                value, weight = quantized[key], self.weight_fakes[name](weight)
            if kind == "conv":
                values[name] = nn.functional.conv2d(value, weight, module.bias, module.stride,
                                                    module.padding)
            else:
                values[name] = nn.functional.linear(value.flatten(1), weight, module.bias)
        return values[self.last]


class TrainingStep:
    """Forward, loss, backward and update of one batch of random images."""

    def __init__(self, model_file, input_shape, classes, batch, kind, channels_last):
        torch.manual_seed(1)
        height, width, channels = input_shape
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = Network(model_file, height, width, channels, classes, kind)
        self.network = self.network.to(memory_format=layout).train()
        self.images = torch.rand(batch, channels, height, width) * 2 - 1
        self.images = self.images.contiguous(memory_format=layout)
        self.labels = torch.arange(batch) * 7 % classes
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.01, momentum=0.9,
                                         weight_decay=5e-4)

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(self.network(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
