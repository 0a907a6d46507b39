#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# What a build gives on the system that it runs on, as text that can be compared:
#   digests.txt      of every method, for every case and input of the checker
#   sums.txt         of contractions of integer codes
#   checkpoints.txt  of every array of the checkpoints of the exact runs
#   exact_rows.csv   pipeline,accuracy of the exact runs: all their contractions are of integer codes
#   float_rows.csv   of the others: their float sums may depend on the library that adds
#
#   tests/systems/facts.sh <build folder> <output of qloom compare examples/quickstart/*.json> <folder>
set -euo pipefail

build="$1" runs="$2" facts="$3"
exact_runs=(09_fixed_point_8 11_wage_2888)

rm -rf "$facts" && mkdir -p "$facts"
"$build/qloom-check" --digests "$build"/plugins/*/plugin.json > "$facts/digests.txt"
"$build/tests/contraction_sums" > "$facts/sums.txt"

arrays="$(mktemp -d)"
trap 'rm -rf "$arrays"' EXIT
for run in "${exact_runs[@]}"; do
  checkpoint="$(cd "$runs" && pwd)/$run/seed_1/checkpoint.npz"
  mkdir "$arrays/$run"
  (cd "$arrays/$run" && cmake -E tar xf "$checkpoint")
  rm "$arrays/$run/@meta.npy" # names the libraries and files of the run
done
(cd "$arrays" && find . -type f -print0 | LC_ALL=C sort --zero-terminated |
  xargs --null sha256sum) > "$facts/checkpoints.txt"

# pipeline,accuracy of each row. A name holds commas only within quotes, and no quote.
rows="$(sed -E '1d; s#^([^,]*/)?([^,/]*)\.json,("[^"]*"|[^,]*),([^,]*),.*#\2,\4#' "$runs/compare.csv")"
is_exact="^($(IFS='|' && echo "${exact_runs[*]}")),"
grep -E "$is_exact" <<< "$rows" > "$facts/exact_rows.csv"
grep -Ev "$is_exact" <<< "$rows" > "$facts/float_rows.csv"
