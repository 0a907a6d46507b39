#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Sets up what is missing, builds everything and runs the tests: all but slow ones and benchmarks in
# preset release, then unit, reference, conformance and abi tests under the address and
# undefined-behaviour sanitizers. Exit status 0 when all passed.
#
#   tests/run.sh                 both
#   tests/run.sh --no-asan       without the sanitizers
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
with_asan=yes
case "${1:-}" in
  "") ;;
  --no-asan) with_asan=no ;;
  *)
    echo "run.sh: \"$1\", expected \"--no-asan\" or nothing" >&2
    exit 2
    ;;
esac

"$root/examples/set_up.sh" all
cd "$root"
jobs="$(nproc)"
status=0

# run_tests <test preset> <build folder>: keeps the output for the summary.
run_tests() {
  echo "== test: preset $1"
  ctest --preset "$1" --parallel "$jobs" --no-tests=error 2>&1 |
    tee "$2/test_output.txt" || status=1
}

run_tests quick build/release
if [[ $with_asan == yes ]]; then
  if [[ ! -f build/asan/build.ninja ]]; then
    echo "== configure: preset asan"
    cmake --preset asan
  fi
  echo "== build: preset asan, the tests it runs"
  cmake --build --preset asan --parallel "$jobs"
  run_tests asan build/asan
fi

# ctest's own closing lines, from "n% tests passed" on.
summarize() {
  echo "== $1:"
  sed -n '/^[0-9]*% tests passed/,$p' "$2/test_output.txt"
}
summarize "release, all tests but slow and bench" build/release
if [[ $with_asan == yes ]]; then
  summarize "sanitizers, labels unit reference conformance abi" build/asan
fi
exit "$status"
