#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# The tree on another system or with another compiler: builds it, runs its tests and compares what it
# gives with what it gives here. Ends with a line of what passed and failed; the exit status says the same.
#
#   tests/systems.sh [trixie]     Debian 13, made in a folder for it: the README's two commands there
#   tests/systems.sh bookworm     Debian 12, likewise
#   tests/systems.sh clang        this system, preset clang
#   tests/systems.sh arm64        64-bit ARM: cross-built, run under emulation
#
# trixie and bookworm need root, debootstrap and ten gigabytes below TMPDIR (/tmp). They take
#   QLOOM_DEBIAN_MIRROR=<address>    packages from there; default: debootstrap's own mirror
#   QLOOM_SYSTEMS_CCACHE=<folder>    keeps what is compiled there for the next time
#   QLOOM_SYSTEMS_BENCH=1            also tests/bench.sh, into build/systems/<release>/bench.json
# All take QLOOM_TEST_PATIENCE=<n>: tests may take n times as long as on a quiet machine.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
case "${1:-trixie}" in
  trixie | bookworm) exec "$here/systems/debian.sh" "${1:-trixie}" ;;
  clang | arm64) exec "$here/systems/$1.sh" ;;
  *)
    echo "systems.sh: \"$1\", expected \"trixie\", \"bookworm\", \"clang\" or \"arm64\"" >&2
    exit 2
    ;;
esac
