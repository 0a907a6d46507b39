#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# First what a newcomer does: the set-up of examples/quickstart.sh, then docs/write-a-plugin.md with what
# that built. Then sets up what tests need, builds everything and runs the tests: all but slow ones
# and benchmarks in preset release, then unit, reference, conformance and abi tests under the address
# and undefined-behaviour sanitizers, then the fuzz targets for 60 seconds (tests/fuzz/run.sh). Exit status 0
# when all passed.
#
#   tests/run.sh                 all of it
#   tests/run.sh --no-asan       without the sanitizers, and so without the fuzz targets
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

cd "$root"
jobs="$(nproc)"
status=0

# run_tests <test preset> <output file> [ctest options]: keeps the output for the summary.
run_tests() {
  local preset="$1" output="$2"
  shift 2
  echo "== test: preset $preset $*"
  ctest --preset "$preset" --parallel "$jobs" --no-tests=error "$@" 2>&1 |
    tee "$output" || status=1
}

"$root/examples/set_up.sh" program
# One processor's work: the other one builds meanwhile, in a folder of its own.
(
  run_tests quick build/release/page_output.txt --tests-regex '^page_test$'
  exit "$status"
) > build/page_log.txt &
page=$!
trap wait EXIT  # leaves nothing running when a build fails
if [[ $with_asan == yes ]]; then
  echo "== configure: preset asan"
  cmake --preset asan
  echo "== build: preset asan, the tests it runs"
  cmake --build --preset asan --parallel "$jobs"
fi
wait "$page" || status=1
cat build/page_log.txt
"$root/examples/set_up.sh" all
run_tests quick build/release/test_output.txt --exclude-regex '^page_test$'
if [[ $with_asan == yes ]]; then
  run_tests asan build/asan/test_output.txt
  echo "== fuzz: every format that is read"
  tests/fuzz/run.sh 2>&1 | tee build/fuzz_output.txt || status=1
fi

# ctest's own closing lines, from "n% tests passed" on.
summarize() {
  echo "== $1:"
  sed -n '/^[0-9]*% tests passed/,$p' "$2"
}
summarize "docs/write-a-plugin.md after examples/set_up.sh" build/release/page_output.txt
summarize "release, all tests but slow and bench" build/release/test_output.txt
if [[ $with_asan == yes ]]; then
  summarize "sanitizers, labels unit reference conformance abi" build/asan/test_output.txt
  tail -n 1 build/fuzz_output.txt
fi
exit "$status"
