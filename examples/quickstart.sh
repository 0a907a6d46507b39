#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# The main job: sets up what is missing, then trains and quantizes a network on Fashion-MNIST with
# every pipeline of examples/quickstart and ends with one table. Arguments go to `qloom compare`,
# for instance: examples/quickstart.sh --seeds 1,2,3
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/examples/set_up.sh" program

cd "$root"
pipelines=(examples/quickstart/*.json)
echo "== compare: ${#pipelines[@]} pipelines, results in $root/runs/quickstart"
exec build/release/qloom compare "${pipelines[@]}" --output runs/quickstart "$@"
