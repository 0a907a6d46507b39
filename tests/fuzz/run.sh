#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Builds the fuzz targets (preset fuzz: clang, libFuzzer, address and undefined-behaviour sanitizers) and
# runs them all, two at a time, on the seeds of corpus/ and on the files of the tree in each format. A
# crash, a leak, a sanitizer's report, an exception that is no InputError and 20 seconds of the processor
# for one input are findings: the exit status is 1 then, and the input that shows it is kept in
# build/fuzz/found.
#
#   tests/fuzz/run.sh                60 seconds in all
#   tests/fuzz/run.sh SECONDS        as many in all
#   tests/fuzz/run.sh SECONDS FORMAT one format alone, for instance npz
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
seconds="${1:-60}"
formats=(pipeline model sweep manifest npy npz idx cifar checkpoint program step)
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "run.sh: \"$seconds\", expected a number of seconds" >&2
  exit 2
fi
if [[ $# -ge 2 ]]; then
  if [[ " ${formats[*]} " != *" $2 "* ]]; then
    echo "run.sh: \"$2\", expected one of ${formats[*]}" >&2
    exit 2
  fi
  formats=("$2")
fi

cd "$root"
build="$root/build/fuzz"
cmake --preset fuzz > /dev/null
cmake --build --preset fuzz --parallel "$(nproc)"

# What the project itself holds in a format, under the names that libFuzzer wants: one folder each.
seeds="$build/seeds"
rm -rf "$seeds" && mkdir -p "$seeds"/{pipeline,model,sweep,manifest} "$build/found"
cp examples/quickstart/*.json examples/smallest.json "$seeds/pipeline"
cp examples/models/*.json "$seeds/model"
cp examples/sweep.json "$seeds/sweep"
for manifest in plugins/*/*/plugin.json; do
  cp "$manifest" "$seeds/manifest/$(basename "$(dirname "$manifest")").json"
done

# run_format <format>: what is new in its inputs stays in build/fuzz/corpus; nothing is written to the tree.
run_format() {
  local format="$1" work="$build/work/$1"
  rm -rf "$work"
  mkdir -p "$work" "$build/corpus/$format" "$seeds/$format"
  local options=(-max_total_time="$each" -timeout=86400 -rss_limit_mb=2048 -max_len=16384 -verbosity=1
    -print_final_stats=1 -artifact_prefix="$build/found/$format-")
  case "$format" in pipeline | model | sweep | manifest) options+=(-dict=tests/fuzz/json.dict) ;; esac
  TMPDIR="$work" "$build/tests/fuzz/fuzz_$format" "${options[@]}" "$build/corpus/$format" \
    "tests/fuzz/corpus/$format" "$seeds/$format" > "$build/$format.log" 2>&1
}

at_once=2
((${#formats[@]} > 1)) || at_once=1
each=$((seconds * at_once / ${#formats[@]}))
((each > 0)) || each=1
rm -f "$build"/found/*
status=0
for ((i = 0; i < ${#formats[@]}; i += at_once)); do
  running=()
  for format in "${formats[@]:i:at_once}"; do
    run_format "$format" &
    running+=("$format:$!")
  done
  for one in "${running[@]}"; do
    format="${one%%:*}"
    if wait "${one##*:}"; then
      echo "fuzz $format: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$format.log") inputs, nothing found"
    else
      status=1
      tail -n 60 "$build/$format.log"
      echo "fuzz $format: FOUND, kept as" "$build/found/$format-"*
    fi
  done
done
rm -rf "$build/work"
if ((status == 0)); then
  echo "fuzz: ${#formats[@]} formats, $each seconds each: nothing found"
else
  echo "fuzz: found something; the input files lie in $build/found"
fi
exit "$status"
