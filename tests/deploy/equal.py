#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Runs pipelines, makes their integer programs and compares every tensor with the simulation; then Verilator
recomputes every layer for one sample.

equal.py QLOOM OUTPUT PIPELINE...   a line for each: values compared, or what compile refuses;
                                    status 1 where anything differs or a command fails otherwise
"""
import pathlib
import re
import subprocess
import sys

REFUSED = 2


def call(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


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
    counts = re.findall(r"(\d+) of (\d+) differ", diff.stdout)
    values, differing = sum(int(b) for _, b in counts), sum(int(a) for a, _ in counts)
    constants = re.search(r"(\d+) constants", compiled.stdout).group(1)
    text = f"{differing} of {values} values differ, {constants} constants"
    verilog, is_recomputed = verilog_of(program, folder, output / f"{pipeline.stem}.verilog")
    is_well = diff.returncode == 0 and values > 0 and differing == 0 and is_recomputed
    return f"{text}; {verilog}", is_well


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
