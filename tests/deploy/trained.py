#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""trained.py QLOOM FOLDER PIPELINE [--set ...]: a whole training three times over: simulation, integers, C.

Runs the pipeline, makes its step program, lets the executor do all steps of the run on the run's batches,
exports C, trains with it on the same batches, and compares every stored weight of all three.
"""
import json
import pathlib
import struct
import subprocess
import sys
import time
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "program"))
from interpreter import read_npz  # noqa: E402


def floats_of(file, member):
    with zipfile.ZipFile(file) as archive:
        text = archive.read(member)
    length = struct.unpack("<H", text[8:10])[0]
    return struct.unpack(f"<{(len(text) - 10 - length) // 4}f", text[10 + length:])


def main(qloom, folder, pipeline, *changes):
    root = pathlib.Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    run, step, c = root / "run", root / "step", root / "c"

    def done(*words, **more):
        begin = time.monotonic()
        subprocess.run([str(word) for word in words], check=True, **more)
        print(f"{pathlib.Path(words[0]).name} {words[1]}: {time.monotonic() - begin:.1f} s", flush=True)

    done(qloom, "run", pipeline, "--output", run, *changes)
    done(qloom, "compile", run, "--step", "--output", step)
    done(qloom, "execute", step, "--run", run, "--batches", root / "batches", "--output", root / "w.npz")
    done(qloom, "export", step, "--format", "c", "--output", c)
    done("gcc", "-std=c99", "-O2", "-o", root / "model", c / "model.c", c / "model_main.c")
    with open(root / "batches", "rb") as batches, open(root / "printed", "w") as printed:
        done(root / "model", "<batches", stdin=batches, stdout=printed)
    text, weights = json.loads((step / "step.json").read_text()), read_npz(root / "w.npz")
    exponent = {tensor["name"]: tensor.get("exponent") for tensor in text["tensors"]}
    lines = iter((root / "printed").read_text().split())
    compared = differing = 0
    for name in (parameter["tensor"] for parameter in text["parameters"]):
        layer = name.removesuffix(".weight")
        simulated = floats_of(run / "checkpoint.npz", f"parameter/{layer}/weight.npy")
        assert len(simulated) == len(weights[name].values)
        for real, whole in zip(simulated, weights[name].values):
            compared += 1
            differing += not (real == whole * 2.0 ** exponent[name] and int(next(lines)) == whole)
    assert next(lines, None) is None
    print(f"{compared} weights compared, {differing} differ")
    return 0 if compared > 0 and differing == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
