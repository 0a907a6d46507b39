#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Runs pipelines, makes their integer programs and compares every tensor with the simulation.

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
    return text, diff.returncode == 0 and values > 0 and differing == 0


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
