# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Rows that whole processes give: memory of a training step, listing and loading plugins."""
import statistics
import subprocess
import time

from .measure import judge, new_row
from .sections import NETWORKS, ROOT, STEPS

MEBIBYTE = 1 << 20


def peak_of_steps(workers, name, case, params, threads, steps=4):
    """Bytes that some training steps add to the idle process, in a process of their own."""
    worker = workers.start(name)
    try:
        worker.ask(do="prepare", name="idle", case=case, params={**params, "batch": 1})
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
