#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# What the README's main job and preset release give on this system: build/systems/here. Kept until the
# programs, methods or pipelines change.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$root"
facts=build/systems/here
examples/set_up.sh program
cmake --build --preset release --parallel "$(nproc)" --target contraction_sums
made_by="$(sha256sum build/release/qloom* build/release/plugins/*/*.so examples/*/*.json tests/systems/facts.sh |
  sha256sum)"
if [[ "$(cat "$facts/made_by.txt" 2> /dev/null)" != "$made_by" ]]; then
  build/release/qloom compare examples/quickstart/*.json --output build/systems/quickstart
  tests/systems/facts.sh build/release build/systems/quickstart "$facts"
  echo "$made_by" > "$facts/made_by.txt"
fi
