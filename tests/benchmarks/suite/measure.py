# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Runs jobs in turn, job by job and round by round, in worker processes that wait on a pipe."""
import dataclasses
import json
import math
import os
import pathlib
import statistics
import subprocess
import time

# glibc keeps what is freed, so that an allocation costs no page faults: kinder to peers that
# allocate every result than their own default.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
               "MALLOC_TOP_PAD_": str(256 << 20)}


class Worker:
    """One process that answers one JSON object a line with another."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**os.environ, **environment})

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended at {request}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{request.get('case', request['do'])}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Workers:
    """The processes by name, started at the first use: "qloom", "peers", "peers_kept" (the same
    with KEEP_MEMORY)."""

    def __init__(self, build, python, threads):
        here = pathlib.Path(__file__).parent.parent
        self.build, self.threads = pathlib.Path(build), threads
        self.environment = {"QLOOM_PLUGIN_PATH": str(self.build / "plugins"),
                            "OMP_NUM_THREADS": str(threads)}
        self.commands = {"qloom": [str(self.build / "tests/qloom_bench_worker")],
                         "peers": [python, "-W", "ignore", str(here / "peers/worker.py")]}
        self.commands["peers_kept"] = self.commands["peers"]
        self.running = {}

    def start(self, name):
        extra = KEEP_MEMORY if name == "peers_kept" else {}
        return Worker(self.commands[name], {**self.environment, **extra})

    def get(self, name):
        if name not in self.running:
            self.running[name] = self.start(name)
        return self.running[name]

    def close(self):
        for worker in self.running.values():
            worker.close()
        self.running = {}


@dataclasses.dataclass
class Job:
    """What one process is asked to do. label: what it is called in the table."""
    worker: str
    case: str
    params: dict
    label: str = ""


@dataclasses.dataclass
class Comparison:
    """One row: a job beside a peer and a limit, and the figures to reach.

    figures: ("peer", 10): at least 10 times as fast as the peer; ("limit", 0.9): at least 0.9 of the
    limit's rate; ("cost", 1.15): at most 1.15 times the peer's seconds; ("rate", 2e9): at least so
    much work a second; ("seconds", 0.05): at most so long."""
    what: str
    ours: str
    peer: str = ""
    limit: str = ""
    figures: tuple = ()


@dataclasses.dataclass
class Group:
    """Jobs that are measured in turn, and what is read from them."""
    section: str
    size: str
    jobs: dict
    comparisons: list
    threads: int = 2
    optional: tuple = ()  # jobs that may be missing on this machine


def measure(workers, jobs, threads, rounds_of, shortest, optional=()):
    """{key: (work, [seconds of each round])}. Every job runs once in each round, after one run that
    does not count; short work is repeated until a sample takes `shortest` seconds. rounds_of
    answers how many rounds there are when one takes so many seconds."""
    ready, results = {}, {}
    for key, job in jobs.items():
        worker = workers.get(job.worker)
        try:
            work = worker.ask(do="prepare", name=key, case=job.case, params=job.params)["work"]
            first = worker.ask(do="time", name=key, threads=threads)["seconds"]
        except RuntimeError as error:
            if key not in optional:
                raise
            print(f"   left out: {error}")
            continue
        if first < 1:  # the first run allocates and wakes threads
            first = worker.ask(do="time", name=key, threads=threads)["seconds"]
        ready[key] = (worker, max(1, math.ceil(shortest / max(first, 1e-9))), first)
        results[key] = (work, [])
    for _ in range(rounds_of(sum(repeats * first for _, repeats, first in ready.values()))):
        for key, (worker, repeats, first) in ready.items():
            time.sleep(0.005)  # the other process's threads go to sleep
            answer = worker.ask(do="time", name=key, threads=threads, repeats=repeats,
                                warm=first < 0.05)
            results[key][1].append(answer["seconds"])
    for key, (worker, _, _) in ready.items():
        worker.ask(do="drop", name=key)
    return results


def paired_ratio(numerator, denominator):
    return statistics.median(a / b for a, b in zip(numerator, denominator))


def figure_reached(kind, wanted, row):
    ratio = {"peer": row["ratio_to_peer"], "limit": row["ratio_to_limit"], "rate": row["rate"],
             "cost": row["ratio_to_peer"], "seconds": row["seconds"]}[kind]
    if ratio is None:
        return None
    if kind == "cost":
        return 1 / ratio <= wanted
    return ratio <= wanted if kind == "seconds" else ratio >= wanted


def new_row(section, what, size, threads, figures=()):
    return {"section": section, "what": what, "size": size, "threads": threads, "samples": 0,
            "seconds": None, "rate": None, "bytes": None, "peer": None, "peer_seconds": None,
            "peer_bytes": None, "ratio_to_peer": None, "limit": None, "limit_seconds": None,
            "ratio_to_limit": None, "figures": [list(f) for f in figures], "reached": None}


def judge(row):
    """Fills in `reached`: all of the row's figures, or null where there are none."""
    verdicts = [figure_reached(kind, wanted, row) for kind, wanted in row["figures"]]
    row["reached"] = None if not verdicts or None in verdicts else all(verdicts)
    return row


def rows_of(group, results):
    rows = []
    for c in group.comparisons:
        if c.ours not in results or (c.peer and c.peer not in results):
            continue
        work, seconds = results[c.ours]
        row = new_row(group.section, c.what, group.size, group.threads, c.figures)
        row.update(samples=len(seconds), seconds=statistics.median(seconds))
        row["rate"] = work / row["seconds"]
        if c.peer:
            peer_seconds = results[c.peer][1]
            row.update(peer=group.jobs[c.peer].label,
                       peer_seconds=statistics.median(peer_seconds),
                       ratio_to_peer=paired_ratio(peer_seconds, seconds))
        if c.limit:
            limit_work, limit_seconds = results[c.limit]
            row.update(limit=group.jobs[c.limit].label,
                       limit_seconds=statistics.median(limit_seconds) * work / limit_work,
                       ratio_to_limit=paired_ratio(limit_seconds, seconds) * work / limit_work)
        rows.append(judge(row))
    return rows
