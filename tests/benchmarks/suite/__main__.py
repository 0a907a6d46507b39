# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""The benchmark suite; tests/bench.sh builds what it runs and calls it."""
import argparse
import json
import pathlib
import platform
import subprocess
import sys

from . import growth, output, sections, whole
from .measure import Workers, measure, rows_of

SECTIONS = ["fake_quantize", "rounding", "formats", "backward", "observers", "norms",
            "accumulators", "contractions", "programs", "steps", "growth", "instruction_sets",
            "memory", "plugins"]
SLOW = 1.0  # seconds of one round; above it --quick measures three rounds in place of seven


def parse():
    parser = argparse.ArgumentParser(prog="bench.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="fewer peers and networks, shorter samples")
    parser.add_argument("--only", action="append", choices=SECTIONS, metavar="SECTION",
                        help="this section alone (may be repeated): " + ", ".join(SECTIONS))
    parser.add_argument("--output", default="build/bench", metavar="DIR",
                        help="folder of bench.json and of the arrays; default: build/bench")
    parser.add_argument("--build", default="build/release", metavar="DIR",
                        help="build folder; default: build/release")
    parser.add_argument("--update-docs", action="store_true",
                        help="write the tables and the plot into docs/")
    parser.add_argument("--tables", action="store_true",
                        help="measure nothing: write the tables of docs/performance.md anew from "
                        "docs/bench.json and docs/bench.<system>.json")
    arguments = parser.parse_args()
    if arguments.update_docs and (arguments.only or arguments.quick):
        parser.error("--update-docs wants all sections in full")
    return arguments


def groups_of(arguments, arrays, wanted):
    kernels = sections.kernel_groups(arrays)
    for name in SECTIONS:
        if name not in wanted:
            continue
        if name in kernels:
            for group in kernels[name]:
                yield slimmed(group) if arguments.quick else group
        elif name == "steps":
            for network in sections.NETWORKS:
                yield sections.steps(network, arguments.quick)
        elif name == "growth":
            yield from growth.groups(arrays)


def slimmed(group):
    """Without the peers' second run with kept memory and without QPyTorch's own code."""
    for key in ("kept", "library"):
        group.jobs.pop(key, None)
    return group


def measure_group(workers, group, quick):
    def rounds_of(seconds):
        return 3 if quick and seconds > SLOW else 7

    return rows_of(group, measure(workers, group.jobs, group.threads, rounds_of,
                                  0.01 if quick else 0.05, group.optional))


def about(workers, arguments):
    processor = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    ours, theirs = workers.get("qloom").ask(do="about"), workers.get("peers").ask(do="about")
    return {"processor": processor, "threads": workers.threads,
            "mode": "quick" if arguments.quick else "full", **theirs, **ours}


def process_rows(workers, arguments, wanted):
    """Rows for which nothing else may wait in memory."""
    if "instruction_sets" in wanted:
        yield "instruction sets", whole.instruction_sets(workers, arguments.quick)
    if "memory" in wanted:
        networks = ["resnet8"] if arguments.quick else list(sections.NETWORKS)
        yield "memory", whole.memory(workers, networks, workers.threads)
    if "plugins" in wanted:
        yield "plugins", whole.plugins(workers, workers.threads, 7)


def run(workers, arguments, arrays, wanted):
    """The machine's description, all rows, printed as they come, and how many parts failed."""
    rows, failures = [], 0

    def take(part):
        """The rows of a part; one that fails costs no other."""
        nonlocal failures
        try:
            new = list(part())
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            failures += 1
            workers.close()
            print(f"   failed: {error}", file=sys.stderr)
            return
        output.print_table(new)
        rows.extend(new)

    for group in groups_of(arguments, arrays, wanted):
        print(f"== {group.section}, {group.size}", flush=True)
        take(lambda: measure_group(workers, group, arguments.quick))
    facts = about(workers, arguments)
    workers.close()
    for name, part in process_rows(workers, arguments, wanted):
        print(f"== {name}", flush=True)
        take(lambda: part)
    return facts, rows, failures


def main():
    arguments = parse()
    docs = sections.ROOT / "docs"
    if arguments.tables:
        kept = json.loads((docs / "bench.json").read_text())
        output.update_page(docs / "performance.md", kept["about"], kept["rows"])
        return
    folder = pathlib.Path(arguments.output)
    arrays = sections.Arrays((folder / "arrays").absolute())
    arrays.write()
    workers = Workers(pathlib.Path(arguments.build).absolute(), sys.executable, threads=2)
    try:
        facts, rows, failures = run(workers, arguments, arrays, set(arguments.only or SECTIONS))
    finally:
        workers.close()
    output.write_json(folder / "bench.json", facts, rows)
    output.plot(rows, folder / "performance.svg")
    output.print_summary(rows)
    print(f"wrote {folder}/bench.json and performance.svg")
    if failures:
        sys.exit(f"{failures} parts failed; docs stay as they were")
    if arguments.update_docs:
        output.write_json(docs / "bench.json", facts, rows)
        output.plot(rows, docs / "performance.svg")
        output.update_page(docs / "performance.md", facts, rows)
        print("wrote docs/performance.md, performance.svg and bench.json")


if __name__ == "__main__":
    main()
