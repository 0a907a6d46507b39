# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""The benchmark suite; tests/bench.sh builds what it runs and calls it."""
import argparse
import itertools
import json
import pathlib
import platform
import sys

from . import growth, output, sections, whole
from .measure import Workers, measure, rows_of

SECTIONS = ["fake_quantize", "rounding", "formats", "backward", "observers", "norms",
            "accumulators", "contractions", "steps", "memory", "plugins", "growth"]
SLOW = 3.0  # seconds of one round from which on fewer rounds are measured


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
    return parser.parse_args()


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
    shortest = 0.02 if quick else 0.05
    probe = measure(workers, group.jobs, group.threads, 1, 0, group.optional)
    if sum(seconds[0] for _, seconds in probe.values()) > SLOW:
        return rows_of(group, measure(workers, group.jobs, group.threads, 3, 0, group.optional))
    rounds = 7 if quick else 9
    return rows_of(group,
                   measure(workers, group.jobs, group.threads, rounds, shortest, group.optional))


def about(workers, threads, rounds):
    processor = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    ours, theirs = workers.get("qloom").ask(do="about"), workers.get("peers").ask(do="about")
    return {"processor": processor, "threads": threads, "rounds": rounds, **theirs, **ours}


def main():
    arguments = parse()
    wanted = set(arguments.only or SECTIONS)
    folder = pathlib.Path(arguments.output)
    arrays = sections.Arrays((folder / "arrays").absolute())
    arrays.write()
    threads = 2
    workers = Workers(pathlib.Path(arguments.build).absolute(), sys.executable, threads)
    rows = []
    try:
        for group in groups_of(arguments, arrays, wanted):
            print(f"== {group.section}, {group.size}", flush=True)
            new = measure_group(workers, group, arguments.quick)
            rows += new
            output.print_table(new)
        facts = about(workers, threads, 7 if arguments.quick else 9)
        workers.close()
        extra = []
        if "memory" in wanted:
            networks = ["resnet8"] if arguments.quick else list(sections.NETWORKS)
            extra.append(whole.memory(workers, networks, threads))
        if "plugins" in wanted:
            extra.append(whole.plugins(workers, threads, 7))
        for row in itertools.chain.from_iterable(extra):
            rows.append(row)
            output.print_table([row])
    finally:
        workers.close()
    text = json.dumps({"about": facts, "rows": rows}, indent=1)
    temporary = folder / "bench.json.tmp"
    temporary.write_text(text + "\n")
    temporary.rename(folder / "bench.json")
    print(f"wrote {folder / 'bench.json'}")
    docs = sections.ROOT / "docs"
    output.plot(rows, folder / "performance.svg")
    if arguments.update_docs:
        output.update_page(docs / "performance.md", facts, rows)
        output.plot(rows, docs / "performance.svg")
        print(f"wrote {docs / 'performance.md'}")


if __name__ == "__main__":
    main()
