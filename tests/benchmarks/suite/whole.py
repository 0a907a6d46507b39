# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Rows that whole processes give: the compute core on each instruction set, memory of a training
step, listing and loading plugins."""
import json
import os
import statistics
import subprocess
import time

from .measure import judge, new_row
from .sections import NETWORKS, ROOT, STEPS


def instruction_sets(workers, quick):
    """Google Benchmark's medians on one thread, beside the scalar definition."""
    program = workers.build / "tests/qloom_kernels_bench"
    if not program.exists():
        print("   left out: Google Benchmark is not installed")
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    text = subprocess.run(
        [str(program), "--benchmark_filter=/131072|^accumulate", "--benchmark_format=json",
         "--benchmark_repetitions=7", "--benchmark_report_aggregates_only=true",
         f"--benchmark_min_time={0.005 if quick else 0.02}"],
        env=environment, check=True, capture_output=True, text=True).stdout
    medians = {}
    for result in json.loads(text)["benchmarks"]:
        if result["aggregate_name"] == "median":
            what, *rest = result["run_name"].split("/")  # name / instruction set / size
            medians[what, rest[0]] = result
    yield from instruction_set_rows(medians)


def instruction_set_rows(medians):
    for (what, isa), result in medians.items():
        scalar = medians.get((what, "scalar"))
        if scalar is None or isa == "scalar":
            continue
        row = new_row("instruction sets", f"{what}, {isa}",
                      "64 x 64 x 576" if what.startswith("accumulate") else "128 K floats", 1)
        row.update(samples=7, seconds=1e-9 * result["real_time"],
                   rate=result["items_per_second"], peer="scalar definition",
                   peer_seconds=1e-9 * scalar["real_time"],
                   ratio_to_peer=scalar["real_time"] / result["real_time"])
        yield judge(row)


def peak_of_steps(workers, name, case, params, threads, steps=4):
    """Bytes that some training steps add to the idle process, in a process of their own."""
    worker = workers.start(name)
    try:
        worker.ask(do="prepare", name="idle", case=case, params={**params, "batch": 2})
        worker.ask(do="time", name="idle", threads=threads)
        worker.ask(do="drop", name="idle")
        before = worker.ask(do="memory")["resident"]
        worker.ask(do="prepare", name="step", case=case, params=params)
        for _ in range(steps):
            worker.ask(do="time", name="step", threads=threads)
        return worker.ask(do="memory")["peak"] - before
    finally:
        worker.close()


def memory(workers, networks, threads):
    for network in networks:
        model = {"model": str(ROOT / f"examples/models/{network}.json"),
                 "input": NETWORKS[network], "batch": 128}
        theirs = peak_of_steps(workers, "peers", "torch_step",
                               {**model, "kind": "float", "layout": "nchw"}, threads)
        for rules in ("float", "qat_affine_8", "fixed_point_8"):
            ours = peak_of_steps(workers, "qloom", "step",
                                 {**model, "rules": str(STEPS / f"{rules}.json")}, threads)
            row = new_row("memory", f"{network}, {rules}: peak of a training step", "batch 128",
                          threads, (("peer", 1.0),) if rules == "float" else ())
            row.update(samples=1, bytes=ours, peer="PyTorch float step", peer_bytes=theirs,
                       ratio_to_peer=theirs / ours)
            yield judge(row)


def plugins(workers, threads, rounds):
    environment = {"QLOOM_PLUGIN_PATH": workers.environment["QLOOM_PLUGIN_PATH"],
                   "PATH": "/usr/bin:/bin"}
    program = str(workers.build / "qloom")
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        subprocess.run([program, "plugins", "list"], env=environment, check=True,
                       stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    row = new_row("plugins", "qloom plugins list, whole process", "all plugins", 1,
                  (("seconds", 0.05),))
    row.update(samples=rounds, seconds=statistics.median(seconds[1:]))
    yield judge(row)
    for kind, name in (("quantizer", "affine"), ("norm", "range_bn")):
        seconds = []
        for _ in range(rounds):
            worker = workers.start("qloom")  # a library is loaded once in a process
            worker.ask(do="prepare", name="load", case="load_plugin",
                       params={"kind": kind, "id": name})
            seconds.append(worker.ask(do="time", name="load", threads=threads)["seconds"])
            worker.close()
        row = new_row("plugins", f"{kind} {name}: load, check, create", "one plugin", 1,
                      (("seconds", 0.005),))
        row.update(samples=rounds, seconds=statistics.median(seconds))
        yield judge(row)
