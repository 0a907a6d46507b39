# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""What is compared with what: kernels, sites, observers, norms, contractions, training steps."""
import pathlib

from .measure import Comparison, Group, Job

SIZE = 1 << 24
SIZE_TEXT = "16 M floats"
ROOT = pathlib.Path(__file__).resolve().parents[3]
STEPS = pathlib.Path(__file__).resolve().parents[1] / "steps"
NETWORKS = {"lenet5": "28x28x1", "vgg_small": "32x32x3", "resnet8": "32x32x3"}


class Arrays:
    """The .npy files that both sides read."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def write(self):
        import numpy
        self.folder.mkdir(parents=True, exist_ok=True)
        for seed, name in enumerate(("values", "gradient"), 1):
            if not (self.folder / f"{name}.npy").exists():
                generator = numpy.random.default_rng(seed)
                numpy.save(self.folder / f"{name}.npy",
                           generator.standard_normal(SIZE, dtype=numpy.float32))

    def params(self, **more):
        return {"array": str(self.folder / "values.npy"),
                "gradient": str(self.folder / "gradient.npy"), **more}


def memory_limits(arrays, names=("memcpy",), **params):
    labels = {"memcpy": "memcpy", "read": "reading", "triad": "three streams"}
    return {name: Job("qloom", name, arrays.params(**params), labels[name]) for name in names}


def peers(case, params, label, kept=True):
    """The peer as installed, and with freed memory kept."""
    jobs = {"peer": Job("peers", case, params, label)}
    if kept:
        jobs["kept"] = Job("peers_kept", case, params, label + ", memory kept")
    return jobs


def beside(what, jobs, at_limit, times, ours="ours", limit="memcpy"):
    """Comparisons of one job with the peers of peers() and QPyTorch's own code. The figures are
    those of the peer as installed."""
    figures = (("limit", at_limit),) + ((("peer", times),) if times else ())
    rows = [Comparison(what, ours, "peer" if "peer" in jobs else "", limit, figures)]
    for extra in ("kept", "library"):
        if extra in jobs:
            wanted = (("peer", times),) if extra == "library" and times else ()
            rows.append(Comparison(what, ours, extra, limit, wanted))
    return rows


def fake_quantize(arrays):
    layouts = [
        ("affine 8 bit, per tensor", SIZE_TEXT, {}, 0.9),
        ("fixed_point 8 bit, per tensor", SIZE_TEXT, {"fixed_point": True}, 0.9),
        ("affine 8 bit, per channel, NHWC activations", "262144 x 64",
         {"groups": 64, "shape": [1 << 18, 64]}, 0.8),
        ("affine 8 bit, per output channel, weights", "4096 x 4096",
         {"groups": 4096, "inner": 4096, "shape": [4096, 4096]}, 0.8),
    ]
    for what, size, params, wanted in layouts:
        given = arrays.params(**params)
        jobs = {"ours": Job("qloom", "affine", given), **memory_limits(arrays),
                **peers("torch_fake_quantize", given, "PyTorch fake_quantize")}
        yield Group("fake quantize", size, jobs, beside(what, jobs, wanted, 10))
    rules = {
        "affine": {"quantizer": {"plugin": "affine", "bits": 8},
                   "range": {"plugin": "min_max"}, "rounding": {"plugin": "nearest_even"}},
        "fixed_point": {"quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 4},
                        "rounding": {"plugin": "nearest_even"}},
    }
    for name, rule in rules.items():
        site = arrays.params(rule=rule, tracks_range=True)
        jobs = {"ours": Job("qloom", "site_forward", {**site, "evaluate": True}),
                "observing": Job("qloom", "site_forward", site),
                "kernel": Job("qloom", "affine",
                              arrays.params(block=4096, fixed_point=name == "fixed_point"),
                              "fused kernel, blocks of 4096"),
                **memory_limits(arrays)}
        rows = [Comparison(f"{name} through separate plugins, range known", "ours", "kernel",
                           "memcpy", (("peer", 0.95),))]
        if name == "affine":
            rows.append(Comparison(f"{name} through separate plugins, range observed", "observing",
                                   "kernel", "memcpy"))
        yield Group("plugins together", SIZE_TEXT, jobs, rows)


def rounding(arrays):
    for bits in (32, 16, 8):
        jobs = {"ours": Job("qloom", "affine",
                            arrays.params(fixed_point=True, random_bits=bits)),
                **memory_limits(arrays),
                **peers("qpytorch", arrays.params(format="fixed_point", stochastic=True),
                        "PyTorch eager")}
        rows = beside(f"stochastic rounding, {bits} random bits", jobs, 0.8, 30)
        if bits != 16:
            rows[0].figures = (("peer", 30),)
        yield Group("stochastic rounding", SIZE_TEXT, jobs, rows)


def formats(arrays):
    for e, m in ((4, 3), (5, 2), (6, 9)):
        for random_bits in (0, 16):
            params = arrays.params(exponent_bits=e, mantissa_bits=m, random_bits=random_bits)
            peer = arrays.params(format="minifloat", exponent_bits=e, mantissa_bits=m,
                                 stochastic=random_bits > 0)
            mode = "stochastic, 16 random bits" if random_bits else "nearest even"
            yield format_group(arrays, f"minifloat e{e}m{m}, {mode}",
                               Job("qloom", "minifloat", params), peer)
    for random_bits in (0, 16):
        rule = {"quantizer": {"plugin": "block_float", "bits": 8}}
        if random_bits:
            rule["rounding"] = {"plugin": "stochastic", "random_bits": random_bits}
        peer = arrays.params(format="block_float", stochastic=random_bits > 0)
        mode = "stochastic, 16 random bits" if random_bits else "nearest even"
        yield format_group(arrays, f"block_float 8 bit, {mode}",
                           Job("qloom", "site_forward", arrays.params(rule=rule)), peer)


def format_group(arrays, what, ours, peer):
    jobs = {"ours": ours, **memory_limits(arrays),
            **peers("qpytorch", peer, "QPyTorch's rule in PyTorch eager"),
            "library": Job("peers", "qpytorch", {**peer, "library": True}, "QPyTorch")}
    return Group("small floats", SIZE_TEXT, jobs, beside(what, jobs, 0.7, 30),
                 optional=("library",))


def backward(arrays):
    streams = {"affine": "triad", "pact": "triad", "lsq": "triad", "ttq": "triad", "qil": "triad",
               "twn": "memcpy"}  # the gradient of twn passes unchanged
    for name, limit in streams.items():
        quantizer = {"plugin": name, **({"part": "weight"} if name == "qil" else {})}
        jobs = {"ours": Job("qloom", "site_backward",
                            arrays.params(rule={"quantizer": quantizer})),
                **memory_limits(arrays, (limit,))}
        if name in ("affine", "lsq"):
            params = arrays.params(bits=8 if name == "affine" else 4, learned=name == "lsq")
            jobs.update(peers("torch_fake_quantize_backward", params, "PyTorch autograd"))
        yield Group("backward", SIZE_TEXT, jobs,
                    beside(f"{name} with its learned parameters' sums", jobs, 0.7, 0, limit=limit))


def observers(arrays):
    plain = {"min_max": "MinMaxObserver", "moving_average_min_max": "MovingAverageMinMaxObserver"}
    for name, peer in plain.items():
        yield observer_group(arrays, name, SIZE_TEXT, {}, peer, (("limit", 0.9),))
    yield observer_group(arrays, "min_max", "262144 x 64",
                         {"shape": [1 << 18, 64], "granularity": "channel"},
                         "PerChannelMinMaxObserver", ())
    for name in ("percentile", "histogram_mse"):
        yield observer_group(arrays, name, SIZE_TEXT, {"search": True}, "HistogramObserver",
                             (("peer", 10),))


def observer_group(arrays, name, size, more, peer, figures):
    granularity = more.get("granularity", "tensor")
    rule = {"quantizer": {"plugin": "affine", "granularity": granularity},
            "range": {"plugin": name}}
    shape = {"shape": more["shape"]} if "shape" in more else {}
    what = name + (", per channel" if granularity == "channel" else "")
    jobs = {"ours": Job("qloom", "observe", arrays.params(rule=rule, **shape)),
            **memory_limits(arrays, ("read",)),
            **peers("torch_observer", arrays.params(observer=peer, **more), f"PyTorch {peer}")}
    return Group("observers", size, jobs, [
        Comparison(what, "ours", "peer", "read", figures),
        Comparison(what, "ours", "kept", "read")])


def norms(arrays):
    shape = [128, 32, 32, 64]
    for direction in ("forward", "backward"):
        params = arrays.params(shape=shape)
        names = ("batch_norm", "range_bn", "l1_bn")
        jobs = {name: Job("qloom", f"norm_{direction}", {**params, "plugin": name})
                for name in names}
        jobs["onednn"] = Job("qloom", f"onednn_norm_{direction}", params,
                             "oneDNN batch normalization")
        jobs["kept"] = Job("peers_kept", "torch_batch_norm", {**params, "direction": direction},
                           "PyTorch BatchNorm2d, channels_last, memory kept")
        jobs.update(memory_limits(arrays, ("triad",), shape=shape))
        rows = [Comparison(f"{name} {direction}", name, "onednn", "triad", (("cost", 1.0),))
                for name in names]
        rows.append(Comparison(f"batch_norm {direction}", "batch_norm", "kept", "triad"))
        yield Group("norms", "128 x 32 x 32 x 64", jobs, rows)


def accumulators(_arrays):
    layer = {"batch": 8, "size": 16, "in": 64, "out": 64, "coded": True}
    kinds = [
        ("integer 16 bit, saturating", "accumulate_integer", {"bits": 16}, 20e9,
         {"plugin": "integer", "bits": 16}),
        ("integer 16 bit, wrapping", "accumulate_integer", {"bits": 16, "wrap": True}, 20e9,
         {"plugin": "integer", "bits": 16, "overflow": "wrap"}),
        ("float_chunked e6m9, chunk 64", "accumulate_float", {"chunk": 64}, 3e9,
         {"plugin": "float_chunked"}),
    ]
    for what, case, params, rate, plugin in kinds:
        jobs = {"ours": Job("qloom", case, params),
                "layer": Job("qloom", "contraction", {**layer, "accumulator": plugin}),
                "exact": Job("qloom", "contraction", layer, "exact contraction"),
                "peak": Job("qloom", "fma_peak", {"threads": 2}, "multiply-add peak")}
        yield Group("accumulators", "64 x 64 x 576, 32 tiles", jobs,
                    [Comparison(what, "ours", "", "peak", (("rate", rate),))])
        yield Group("accumulators", "3x3, 64 to 64, 16x16, batch 8", jobs,
                    [Comparison(f"{what}, whole convolution", "layer", "exact", "peak")])


def contractions(_arrays):
    layers = [("vgg_small conv2", 32, 32, 128, 128, 1), ("vgg_small conv4", 32, 16, 256, 256, 1),
              ("vgg_small conv6", 32, 8, 512, 512, 1), ("resnet8 s1b1_conv1", 128, 32, 16, 16, 1),
              ("resnet8 s2b1_conv1", 128, 32, 16, 32, 2), ("resnet8 s3b1_conv2", 128, 8, 64, 64, 1)]
    for name, batch, size, inputs, outputs, stride in layers:
        layer = {"batch": batch, "size": size, "in": inputs, "out": outputs, "stride": stride}
        roles = ("forward", "input_gradient", "weight_gradient")
        jobs = {role: Job("qloom", "contraction", {**layer, "role": role}) for role in roles}
        jobs["peak"] = Job("qloom", "fma_peak", {"threads": 2}, "multiply-add peak")
        text = f"3x3, {inputs} to {outputs}, {size}x{size}, batch {batch}"
        yield Group("contractions", text, jobs,
                    [Comparison(f"{name}, float {role.replace('_', ' ')}", role, "", "peak",
                                (("limit", 0.8),)) for role in roles])
        int8 = {**layer, "threads": 2}
        coded = {role: Job("qloom", "contraction", {**layer, "role": role, "coded": True})
                 for role in roles}
        jobs = {role + " in float": Job("qloom", "contraction", {**layer, "role": role},
                                        "the same in float") for role in roles}
        jobs.update(coded, peak=Job("qloom", "fma_peak", {"threads": 2},
                                    "float multiply-add peak"))
        yield Group("contractions", text, jobs,
                    [Comparison(f"{name}, exact 8 bit codes, {role.replace('_', ' ')}", role,
                                role + " in float", "peak") for role in roles])
        jobs = {"ours": coded["forward"],
                "onednn": Job("qloom", "onednn_int8_convolution", int8, "oneDNN int8"),
                "onnx": Job("peers", "onnx_int8_convolution", int8, "ONNX Runtime int8"),
                "peak": Job("qloom", "fma_peak", {"threads": 2}, "float multiply-add peak")}
        yield Group("contractions", text, jobs,
                    [Comparison(f"{name}, exact 8 bit codes, forward", "ours", peer, "peak")
                     for peer in ("onednn", "onnx")])


LAYERS = [("vgg_small conv2", 8, 32, 128, 128, 1), ("vgg_small conv4", 8, 16, 256, 256, 1),
          ("vgg_small conv6", 8, 8, 512, 512, 1), ("resnet8 s1b1_conv1", 32, 32, 16, 16, 1),
          ("resnet8 s2b1_conv1", 32, 32, 16, 32, 2), ("resnet8 s3b1_conv2", 32, 8, 64, 64, 1)]


def programs(_arrays):
    """Integer programs, codes in and codes out, on one thread."""
    for name, batch, size, inputs, outputs, stride in LAYERS:
        layer = {"batch": batch, "size": size, "in": inputs, "out": outputs, "stride": stride,
                 "threads": 1}
        jobs = {"ours": Job("qloom", "program_convolution", layer),
                "onnx": Job("peers", "onnx_int8_convolution", layer, "ONNX Runtime QLinearConv")}
        yield Group("integer programs", f"3x3, {inputs} to {outputs}, {size}x{size}, batch {batch}",
                    jobs, [Comparison(f"{name}, 8 bits, multiplier", "ours", "onnx", "",
                                      (("peer", 0.8),))], threads=1)
    for batch in (1, 32):
        whole = {"batch": batch, "threads": 1}
        jobs = {"ours": Job("qloom", "program_resnet8", whole),
                "onnx": Job("peers", "onnx_int8_resnet8", whole, "ONNX Runtime int8")}
        yield Group("integer programs", f"resnet8, batch {batch}", jobs,
                    [Comparison("resnet8, 8 bits, multiplier", "ours", "onnx", "",
                                (("peer", 1.0),))], threads=1)


def steps(network, quick=False):
    """Training steps of one network, all in one group."""
    model = {"model": str(ROOT / f"examples/models/{network}.json"), "input": NETWORKS[network]}
    ours = {name: Job("qloom", "step", {**model, "rules": str(STEPS / f"{name}.json")}, label)
            for name, label in (("float", "our float step"), ("qat_affine_8", ""),
                                ("qat_lsq_4", ""), ("fixed_point_8", ""))}

    def torch(kind, layout, label, worker="peers"):
        return Job(worker, "torch_step", {**model, "kind": kind, "layout": layout}, label)

    theirs = {
        "nchw": torch("float", "nchw", "PyTorch"),
        "last": torch("float", "channels_last", "PyTorch channels_last"),
        "qat": torch("qat", "nchw", "PyTorch QAT"),
        "qat_last": torch("qat", "channels_last", "PyTorch QAT channels_last"),
        "learned": torch("qat_lsq_4", "nchw", "PyTorch QAT, learned step"),
    }
    if network != "vgg_small":
        theirs["last_kept"] = torch("float", "channels_last",
                                    "PyTorch channels_last, memory kept", "peers_kept")
        theirs["fused"] = torch("qat_fused", "nchw", "PyTorch QAT, fused observers")
    elif quick:
        theirs = {key: theirs[key] for key in ("nchw", "last", "qat")}
        ours = {key: ours[key] for key in ("float", "qat_affine_8", "fixed_point_8")}
    peak = {"peak": Job("qloom", "fma_peak", {"threads": 2}, "multiply-add peak")}
    rows = [Comparison("float", "float", "nchw", "peak", (("peer", 2.0),)),
            Comparison("float", "float", "last", "peak", (("peer", 1.3),)),
            Comparison("float", "float", "last_kept", "peak")]
    names = {"qat_affine_8": "QAT affine 8/8", "qat_lsq_4": "QAT lsq 4/4"}
    for key, what in names.items():
        rows.append(Comparison(what, key, "float", "peak", (("cost", 1.15),)))
    rows.append(Comparison(names["qat_affine_8"], "qat_affine_8", "qat", "peak", (("peer", 4.0),)))
    rows.append(Comparison(names["qat_affine_8"], "qat_affine_8", "qat_last", "peak"))
    rows.append(Comparison(names["qat_affine_8"], "qat_affine_8", "fused", "peak"))
    rows.append(Comparison(names["qat_lsq_4"], "qat_lsq_4", "learned", "peak", (("peer", 4.0),)))
    rows.append(Comparison("fixed point W A E G 8", "fixed_point_8", "float", "peak",
                           (("cost", 1.5),)))
    rows.append(Comparison("fixed point W A E G 8", "fixed_point_8", "nchw", "peak"))
    rows.append(Comparison("fixed point W A E G 8", "fixed_point_8", "last", "peak"))
    return Group("training steps", f"{network}, batch 128", {**ours, **theirs, **peak},
                 [Comparison(f"{network} {c.what}", c.ours, c.peer, c.limit, c.figures)
                  for c in rows])


def kernel_groups(arrays):
    """By section, what runs on arrays alone."""
    return {"fake_quantize": fake_quantize(arrays), "rounding": rounding(arrays),
            "formats": formats(arrays), "backward": backward(arrays),
            "observers": observers(arrays), "norms": norms(arrays),
            "accumulators": accumulators(arrays), "contractions": contractions(arrays),
            "programs": programs(arrays)}
