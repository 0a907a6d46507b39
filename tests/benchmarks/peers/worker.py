# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""The peers' side of the benchmark: PyTorch, QPyTorch and ONNX Runtime behind the same line
protocol as qloom's own worker (worker/main.cpp)."""
import json
import sys
import time

import torch

import onnx_cases
import torch_cases

CASES = {**torch_cases.CASES, **onnx_cases.CASES}


def memory():
    """Of this program alone: getrusage() would also count what its parent had before it started."""
    lines = (line.split() for line in open("/proc/self/status"))
    figures = {line[0]: int(line[1]) * 1024 for line in lines if line[0] in ("VmRSS:", "VmHWM:")}
    return {"resident": figures["VmRSS:"], "peak": figures["VmHWM:"]}


class Worker:
    def __init__(self):
        self.prepared = {}

    def answer(self, request):
        what = request["do"]
        if what == "memory":
            return memory()
        if what == "about":
            return {"program": "peers", "torch": torch.__version__,
                    "onnxruntime": onnx_cases.version(), "qtorch": torch_cases.qtorch_version()}
        name = request["name"]
        if what == "drop":
            self.prepared.pop(name, None)
            return {}
        if what == "prepare":
            run, work = CASES[request["case"]](request["params"])
            self.prepared[name] = run
            return {"work": work}
        return self.time(self.prepared[name], request)

    @staticmethod
    def time(run, request):
        torch.set_num_threads(request["threads"])
        if request.get("warm", False):
            run()
        repeats = request.get("repeats", 1)
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        return {"seconds": (time.perf_counter() - start) / repeats}


def main():
    worker, answers = Worker(), sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # the driver decides what a failure means
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
