# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""What PyTorch and QPyTorch are timed on. A case is made from its parameters and answers what to
run and how much work one run does."""
import math

import numpy
import torch
from torch.ao import quantization as tq

import qpytorch_rules
import torch_networks

try:
    import qtorch  # noqa: F401  (its version)
    from qtorch import quant as qtorch_quant
except Exception:  # it compiles itself when imported: no compiler, no QPyTorch
    qtorch_quant = None


def qtorch_version():
    if qtorch_quant is None:
        return None
    from importlib import metadata
    try:
        return metadata.version("qtorch")
    except metadata.PackageNotFoundError:
        return "present"


def read_array(params, key="array"):
    """The file's first elements in the wanted shape, as worker/main.cpp reads them."""
    array = numpy.load(params[key])
    shape = params.get("shape", list(array.shape))
    return torch.from_numpy(array.reshape(-1)[:math.prod(shape)].reshape(shape).copy())


def grid(params):
    """Scale, zero point and codes of worker/kernels.cpp's grid."""
    bits = params.get("bits", 8)
    if params.get("fixed_point", False):
        return 1 / 16, 0, -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    scale = 8.0 / ((1 << bits) - 1)
    return scale, round(4.0 / scale), 0, (1 << bits) - 1


def fake_quantize(params):
    x = read_array(params)
    scale, zero, low, high = grid(params)
    if params.get("groups", 1) == 1:
        return lambda: torch.fake_quantize_per_tensor_affine(x, scale, zero, low, high), x.numel()
    groups = params["groups"]
    scales = scale * (1.0 + 0.5 * (torch.arange(groups) % 7) / 7)
    zeros = torch.full((groups,), zero, dtype=torch.int32)
    axis = x.shape.index(groups) if params.get("inner", 1) > 1 else x.dim() - 1
    return (lambda: torch.fake_quantize_per_channel_affine(x, scales, zeros, axis, low, high),
            x.numel())


def fake_quantize_backward(params):
    x = read_array(params).requires_grad_()
    dy = read_array(params, "gradient")
    scale, zero, low, high = grid(params)
    if params.get("learned", False):
        scale = torch.tensor([scale], requires_grad=True)
        offset = torch.tensor([float(zero)])
        y = torch._fake_quantize_learnable_per_tensor_affine(x, scale, offset, low, high, 1.0)
        return lambda: torch.autograd.grad(y, (x, scale), dy, retain_graph=True), x.numel()
    y = torch.fake_quantize_per_tensor_affine(x, scale, zero, low, high)
    return lambda: torch.autograd.grad(y, x, dy, retain_graph=True), x.numel()


def observer(params):
    """One batch seen by an observer; "search": with the range that it then looks for."""
    x = read_array(params)
    kind = getattr(tq, params["observer"])
    if params.get("search", False):
        def run():
            fresh = kind()
            fresh(x)
            fresh.calculate_qparams()
        return run, x.numel()
    watching = kind(ch_axis=x.dim() - 1) if "PerChannel" in params["observer"] else kind()
    return lambda: watching(x), x.numel()


def rules(params):
    """A number format of QPyTorch; "library": its own code in place of eager operations."""
    x = read_array(params)
    stochastic = params.get("stochastic", False)
    name = params["format"]
    if params.get("library", False):
        if qtorch_quant is None:
            raise RuntimeError("QPyTorch is not here")
        rounding = "stochastic" if stochastic else "nearest"
        if name == "fixed_point":
            return lambda: qtorch_quant.fixed_point_quantize(x, 8, 4, rounding=rounding), x.numel()
        if name == "block_float":
            return lambda: qtorch_quant.block_quantize(x, 8, rounding=rounding), x.numel()
        e, m = params["exponent_bits"], params["mantissa_bits"]
        return lambda: qtorch_quant.float_quantize(x, e, m, rounding=rounding), x.numel()
    if name == "fixed_point":
        return lambda: qpytorch_rules.fixed_point(x, 8, 4, stochastic), x.numel()
    if name == "block_float":
        return lambda: qpytorch_rules.block_float(x, 8, stochastic), x.numel()
    e, m = params["exponent_bits"], params["mantissa_bits"]
    return lambda: qpytorch_rules.minifloat(x, e, m, stochastic), x.numel()


def batch_norm(params):
    """torch.nn.BatchNorm2d in training on the NHWC tensor, channels_last."""
    x = read_array(params).permute(0, 3, 1, 2)  # NHWC memory
    norm = torch.nn.BatchNorm2d(x.shape[1]).train()
    if params["direction"] == "forward":
        return lambda: norm(x), x.numel()
    dy = read_array(params, "gradient").permute(0, 3, 1, 2)
    x.requires_grad_()
    y = norm(x)
    inputs = (x, norm.weight, norm.bias)
    return lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True), x.numel()


def step(params):
    height, width, channels = (int(n) for n in params["input"].split("x"))
    training = torch_networks.TrainingStep(params["model"], (height, width, channels), 10,
                                           params.get("batch", 128), params["kind"],
                                           params["layout"] == "channels_last")
    return training, 1


CASES = {
    "torch_fake_quantize": fake_quantize,
    "torch_fake_quantize_backward": fake_quantize_backward,
    "torch_observer": observer,
    "qpytorch": rules,
    "torch_batch_norm": batch_norm,
    "torch_step": step,
}
