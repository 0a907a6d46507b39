# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""QPyTorch's number formats (Zhang et al., 2019) in PyTorch's eager operations, which run on all
threads; QPyTorch's own CPU code runs on one."""
import math

import torch


def fixed_point(x, bits, fraction_bits, stochastic):
    """Integer codes of `bits` bits times 2^-fraction_bits, saturating."""
    step = 2.0 ** -fraction_bits
    low, high = -(2 ** (bits - 1)) * step, (2 ** (bits - 1) - 1) * step
    scaled = x / step
    rounded = torch.floor(scaled + torch.rand_like(x)) if stochastic else torch.round(scaled)
    return torch.clamp(rounded * step, low, high)


def _round_bits(x, dropped, stochastic):
    """x with its lowest `dropped` mantissa bits rounded away."""
    bits = x.view(torch.int32)
    if stochastic:
        addend = torch.randint_like(bits, 1 << dropped)
    else:
        addend = 1 << (dropped - 1)
    return ((bits + addend) & -(1 << dropped)).view(torch.float32)


def minifloat(x, exponent_bits, mantissa_bits, stochastic):
    """Sign, exponent and mantissa as given, subnormals, saturating."""
    dropped = 23 - mantissa_bits
    smallest = 2.0 ** (2 - 2 ** (exponent_bits - 1))
    largest = 2.0 ** (2 ** (exponent_bits - 1) - 1) * (2 - 2.0 ** -mantissa_bits)
    normal = torch.clamp(_round_bits(x, dropped, stochastic), -largest, largest)
    shift = torch.copysign(torch.tensor(smallest), x)
    subnormal = _round_bits(x + shift, dropped, stochastic) - shift
    return torch.where(x.abs() < smallest, subnormal, normal)


def block_float(x, bits, stochastic):
    """Codes of `bits` bits that share the largest magnitude's exponent."""
    exponent = math.floor(math.log2(max(float(x.abs().max()), 2.0 ** -126)))
    step = 2.0 ** (exponent - (bits - 2))
    scaled = x / step
    rounded = torch.floor(scaled + torch.rand_like(x)) if stochastic else torch.round(scaled)
    return torch.clamp(rounded, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * step
