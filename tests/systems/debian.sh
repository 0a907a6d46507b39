#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# A Debian of the named release, made in a folder of its own; the README's two commands in it, as for a
# newcomer; what they give, beside what they give here. Everything mounted lies in a namespace that ends
# with its process, so that nothing is left mounted; the folder goes however this script ends. Facts and
# the tests' output stay in build/systems/<release>.
#
#   tests/systems/debian.sh trixie|bookworm
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$root"
source tests/systems/parts.sh
source tests/systems/compare.sh
release="$1"
results="$root/build/systems/$release"

if ((EUID != 0)); then
  echo "systems.sh: $release needs root, for debootstrap and chroot" >&2
  exit 2
fi
for program in debootstrap unshare git; do
  if ! command -v "$program" > /dev/null; then
    echo "systems.sh: $release needs the program $program" >&2
    exit 2
  fi
done

work="$(mktemp -d --tmpdir "qloom-$release-XXXXXX")"
system="$work/system"
child=""
clean_up() {
  if [[ -n $child ]]; then
    kill -KILL "$child" 2> /dev/null || true
    wait "$child" 2> /dev/null || true
  fi
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# apart <command>: with mounts and processes of its own that end with it; a signal ends it at once.
apart() {
  local status=0
  unshare --mount --pid --fork --kill-child "$@" &
  child=$!
  wait "$child" || status=$?
  child=""
  return "$status"
}

# The tracked files as they are now, in the same place as here.
copy_tree() {
  mkdir -p "$system$root"
  git ls-files -z | tar --null --files-from=- --create | tar --directory "$system$root" --extract
}

make_system() {
  local mirror=()
  [[ -z ${QLOOM_DEBIAN_MIRROR:-} ]] || mirror=("$QLOOM_DEBIAN_MIRROR")
  apart debootstrap --variant=minbase "$release" "$system" "${mirror[@]}" &&
    # how this machine reaches the mirror: proxies and the like
    apt-config dump | sed -En '/^Acquire::(http|https|Check)/p' > "$system/etc/apt/apt.conf.d/90acquire" &&
    copy_certificates && copy_tree
}

in_system() {
  apart tests/systems/in_system.sh "$system" "$root" "$@"
}

keep_results() {
  cp "$system$root"/build/facts/* "$results" &&
    cp "$system$root"/build/release/*_output.txt "$results"
}

# Certificates as here, where pip is told which: tests and benchmarks install what they compare with. In a
# place that no package writes to (in_system.sh names it).
copy_certificates() {
  [[ -z ${PIP_CERT:-} ]] || install -D --mode=644 "$PIP_CERT" "$system/etc/pip_certificates.crt"
}

# The benchmarks and their peers, with threads as they are by default.
benchmarks() {
  in_system apt-get install --yes --no-install-recommends python3-venv python3-dev &&
    OMP_WAIT_POLICY="" in_system tests/bench.sh && cp "$system$root/build/bench/bench.json" "$results"
}

rm -rf "$results" && mkdir -p "$results"
part "main job here" tests/systems/here.sh
part "Debian of release $release" make_system
part "examples/quickstart.sh" in_system examples/quickstart.sh
[[ -z ${QLOOM_SYSTEMS_BENCH:-} ]] || part "tests/bench.sh" benchmarks
part "tests/run.sh" in_system tests/run.sh
part "facts" in_system tests/systems/facts.sh build/release runs/quickstart build/facts
part "results are kept" keep_results
compare_facts build/systems/here "$results" 0.5
closing_line "$release"
