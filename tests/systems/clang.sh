#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Preset clang on this system: no warning, all tests, the bits of gcc's build also in float runs.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$root"
source tests/systems/parts.sh
source tests/systems/compare.sh
results=build/systems/clang

examples/set_up.sh all # clang is a package of the tests
clang++ --version | head -n 1
cmake --preset clang
part "build, without a warning" cmake --build --preset clang --parallel "$(nproc)"
part "tests" ctest --preset clang --parallel "$(nproc)"
part "main job" build/clang/qloom compare examples/quickstart/*.json --output build/clang/quickstart
part "main job of preset release" tests/systems/here.sh
part "facts" tests/systems/facts.sh build/clang build/clang/quickstart "$results"
compare_facts build/systems/here "$results" 0
closing_line clang
