#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Runs pipelines, makes their integer programs and compares every tensor with the simulation; compares
every tensor of the whole test set with what the program computes as C; then Verilator recomputes every layer for one
sample.

equal.py QLOOM OUTPUT PIPELINE...   a line for each: values compared, or what compile refuses;
                                    status 1 where anything differs or a command fails otherwise
"""
import gzip
import pathlib
import re
import subprocess
import sys

REFUSED = 2
IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")
IMAGE_BYTES = 28 * 28
PART = 250  # images whose tensors are in memory at one time


def call(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def differing_of(diff):
    """(values that differ, values) of what qloom diff printed."""
    counts = re.findall(r"(\d+) of (\d+) differ", diff.stdout)
    return sum(int(a) for a, _ in counts), sum(int(b) for _, b in counts)


def c_of(program, folder, output):
    """(text, is it well) of a program as C, over all test images."""
    exported = call(program, "export", folder, "--format", "c", "--output", output)
    compiled = call("sh", "-c", f"cd '{output}' && cc -std=c99 -O2 -DMODEL_TRACE model.c model_main.c -o traced")
    if exported.returncode != 0 or compiled.returncode != 0:
        return exported.stderr + compiled.stderr, False
    images = gzip.decompress(IMAGES.read_bytes())[16:]
    differing = values = 0
    for first in range(0, len(images), PART * IMAGE_BYTES):
        part = images[first : first + PART * IMAGE_BYTES]
        subprocess.run([output / "traced", output / "trace.bin"], input=part, stdout=subprocess.DEVNULL, check=True)
        diff = call(program, "diff", folder, output / "trace.bin")
        if diff.returncode not in (0, 1):
            return diff.stderr, False
        differing, values = (a + b for a, b in zip((differing, values), differing_of(diff)))
    (output / "trace.bin").unlink()
    return f"C: {differing} of {values} values differ", differing == 0 and values > 0


def verilog_of(program, folder, output):
    """(text, is it well) of a program as Verilog."""
    exported = call(program, "export", folder, "--format", "verilog", "--output", output)
    if exported.returncode != 0:
        return exported.stderr, False
    simulated = call("make", "-C", output, "verilator", "OPTIMIZATION=-O0")
    counts = re.search(r"\d+ sums and \d+ codes differ in (\d+) of \1 layers", simulated.stdout)
    text = "Verilog: " + (counts[0] if counts else simulated.stdout + simulated.stderr)
    return text, simulated.returncode == 0 and counts is not None


def outcome_of(program, pipeline, output):
    """(text, is it well) of one pipeline."""
    run, folder = output / pipeline.stem, output / f"{pipeline.stem}.program"
    if not (run / "report.json").exists():
        done = call(program, "run", pipeline, "--output", run, "--shared", output / "shared")
        if done.returncode != 0:
            return done.stderr, False
    compiled = call(program, "compile", run, "--output", folder)
    if compiled.returncode == REFUSED:
        return "refused:" + compiled.stderr.split("no integer form", 1)[-1], True
    if compiled.returncode != 0:
        return compiled.stderr, False
    diff = call(program, "diff", run, folder)
    differing, values = differing_of(diff)
    constants = re.search(r"(\d+) constants", compiled.stdout).group(1)
    text = f"{differing} of {values} values differ, {constants} constants"
    verilog, is_recomputed = verilog_of(program, folder, output / f"{pipeline.stem}.verilog")
    c, is_equal = c_of(program, folder, output / f"{pipeline.stem}.c")
    is_well = diff.returncode == 0 and values > 0 and differing == 0 and is_recomputed and is_equal
    return f"{text}; {c}; {verilog}", is_well


def main(program, output, *pipelines):
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    all_well = True
    for pipeline in map(pathlib.Path, pipelines):
        text, is_well = outcome_of(program, pipeline, output)
        all_well &= is_well
        print(f"{'' if is_well else 'FAILED '}{pipeline.name}: {text}", flush=True)
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
