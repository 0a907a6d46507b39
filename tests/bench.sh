#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# The benchmarks beside their peers: builds the programs, installs PyTorch and ONNX Runtime into an
# environment of its own (build/bench/python) and measures them in turn on the same arrays and
# networks. Writes build/bench/bench.json; with --update-docs also docs/performance.{md,svg}.
#
#   tests/bench.sh --help            options
#   QLOOM_BENCH_PYTHON=<python>      an interpreter that has the peers already
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
python="${QLOOM_BENCH_PYTHON:-}"
for argument in "$@"; do
  if [[ $argument == -h || $argument == --help ]]; then
    PYTHONPATH=tests/benchmarks exec python3 -m suite --help
  fi
done
if [[ ! -f build/release/build.ninja ]]; then
  examples/set_up.sh program
fi
cmake --preset release >/dev/null
cmake --build build/release --target qloom qloom_plugins qloom_bench --parallel "$(nproc)"
if [[ -z $python ]]; then
  python=build/bench/python/bin/python
  if [[ ! -f build/bench/python/complete ]]; then
    rm -rf build/bench/python
    python3 -m venv build/bench/python # package python3-venv
    "$python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 onnxruntime==1.32.0 onnx==1.23.2 \
      matplotlib==3.11.2
    "$python" -m pip install --quiet qtorch==0.3.0 ||
      echo "bench.sh: QPyTorch does not build here; its rules run as PyTorch eager operations"
    touch build/bench/python/complete
  fi
fi
PYTHONPATH=tests/benchmarks exec "$python" -m suite "$@"
