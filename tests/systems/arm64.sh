#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# 64-bit ARM: everything cross-built with Debian's compiler against its arm64 packages, which are unpacked
# into a folder and not installed; the tests run under qemu-user, and what methods and contractions of
# integer codes give is compared with this system. The folder goes however this script ends; the tests'
# output stays in build/systems/arm64. Needs no root.
#   QLOOM_ARM64_FOLDER=<folder>    works there and keeps it: the next time builds only what changed
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$root"
source tests/systems/parts.sh
source tests/systems/compare.sh
results="$root/build/systems/arm64"

# Programs whose tests mean something under emulation. The others watch, kill and start processes
# (check, cli, misbehaving, run, study), build what a user would (package, page), or read the source text
# (tree): emulation changes the first, and the others are the same on every machine.
tests="kernels rounding quantizers ranges norms accumulators layers contraction contraction_without_bytes network
  sites pipeline registry data json results sdk testkit abi reload"
# Not under qemu-user: it has no seccomp and shows a process another start time than its own.
without="Writers.WhatADeadWriterLeftIsRemovedAndWhatALivingOneWritesIsNot:Writers.WithoutLocksTheTextOfAClaimDecides"

need() { # need <program> <package>
  command -v "$1" > /dev/null || missing+=("$2")
}
missing=()
need aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
need qemu-aarch64 qemu-user
need cmake cmake
need ninja ninja-build
need pkg-config pkg-config
need apt-get apt
if ((${#missing[@]} > 0)); then
  echo "systems.sh: arm64 needs the packages ${missing[*]}" >&2
  exit 2
fi

if [[ -n ${QLOOM_ARM64_FOLDER:-} ]]; then
  work="$(mkdir -p "$QLOOM_ARM64_FOLDER" && cd "$QLOOM_ARM64_FOLDER" && pwd)"
else
  work="$(mktemp -d --tmpdir qloom-arm64-XXXXXX)"
  trap 'rm -rf "$work"' EXIT
fi
trap 'exit 130' INT
trap 'exit 143' TERM
sysroot="$work/sys" build="$work/build"

# apt of a machine of this kind without a package, by this machine's own configuration.
apt_of_arm64() {
  local program="$1"
  shift
  "$program" -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$work/apt" \
    -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" -o Debug::NoLocking=true \
    -o APT::Sandbox::User="$(id --user --name)" "$@"
}
has_package() {
  [[ "$(apt_of_arm64 apt-cache policy "$1" 2> /dev/null)" == *"Candidate: "[0-9]* ]]
}

# As in examples/set_up.sh, by the names of what is installed here.
boost="$(dpkg-query --show --showformat='${Package}\n' 'libboost1.*-dev' 2> /dev/null |
  grep -Eo '1\.[0-9]+' | sort --version-sort | tail -n 1)" || boost=""
compiler="$(aarch64-linux-gnu-g++ -dumpversion)"
required=(libc6-dev "libstdc++-$compiler-dev" "libboost$boost-dev" "libboost-filesystem$boost-dev"
  "libboost-system$boost-dev" nlohmann-json3-dev libxtensor-dev libxsimd-dev libcli11-dev libfmt-dev
  libgtest-dev libzip-dev zlib1g-dev)
optional=(libdnnl-dev libbenchmark-dev)
headers=(libeigen3-dev libvalijson-dev libjs-chart.js dataset-fashion-mnist) # alone: what they name is not needed
options=()

find_packages() {
  mkdir -p "$work/apt/lists/partial" "$work/cache/archives/partial"
  : > "$work/status"
  apt_of_arm64 apt-get update || true # other addresses than Debian's may have nothing for ARM
  local package wanted=("${required[@]}")
  for package in "${required[@]}" "${headers[@]}"; do
    has_package "$package" || { echo "arm64 has no package $package" >&2 && return 1; }
  done
  for package in "${optional[@]}"; do
    if has_package "$package"; then
      wanted+=("$package")
    elif [[ $package == libdnnl-dev ]]; then
      echo "== left out: oneDNN's contractions (no $package for arm64); loops are in their place"
      options+=(-DQLOOM_ONEDNN=OFF)
    else
      echo "== left out: benchmarks of kernels (no $package for arm64)"
    fi
  done
  apt_of_arm64 apt-get install --download-only --yes --no-install-recommends "${wanted[@]}" > "$work/apt.txt" &&
    (cd "$work/cache/archives" && apt_of_arm64 apt-get download "${headers[@]}" > "$work/apt.txt")
}

make_sysroot() {
  mkdir -p "$sysroot/usr/lib"
  ln --symbolic --force --no-dereference usr/lib "$sysroot/lib"
  local package link
  for package in "$work"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" |
      tar --extract --keep-directory-symlink --directory "$sysroot" --exclude=./usr/share/doc || return
  done
  while IFS= read -r -d '' link; do # links from the root lead out of the folder
    ln --symbolic --force --no-dereference --relative "$sysroot$(readlink "$link")" "$link"
  done < <(find "$sysroot" -type l -lname '/*' -print0)
  rm -rf "$work/cache"
}

cross_build() {
  QLOOM_TEST_PATIENCE="${QLOOM_TEST_PATIENCE:-4}" cmake -S . -B "$build" -G Ninja -DCMAKE_TOOLCHAIN_FILE=tests/systems/aarch64.cmake \
    -DQLOOM_SYSROOT="$sysroot" -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON -DQLOOM_WERROR=ON \
    "${options[@]}" > "$work/configure.txt" || { cat "$work/configure.txt" && return 1; }
  grep 'left out' "$work/configure.txt" || true
  cmake --build "$build" --parallel "$(nproc)" | tail -n 25
}

# A script in the place of each program starts qemu with it: so programs can start each other.
wrap_programs() {
  local program
  while IFS= read -r program; do
    [[ "$(od --address-radix=n --format=x1 --read-bytes=4 "$program")" == " 7f 45 4c 46" ]] || continue
    [[ "$(od --address-radix=n --format=x1 --skip-bytes=18 --read-bytes=2 "$program")" == " b7 00" ]] ||
      { echo "$program is not for 64-bit ARM" && return 1; }
    mv "$program" "$program.arm"
    printf '#!/bin/sh\nexec qemu-aarch64 -L "%s" -0 "$0" "%s.arm" "$@"\n' "$sysroot" "$program" > "$program"
    chmod +x "$program"
  done < <(find "$build" -type f -perm -u+x ! -name '*.so' ! -name '*.arm' ! -path '*/CMakeFiles/*')
}

run_tests() {
  local names
  names="$(echo $tests | tr ' ' '|')"
  GTEST_FILTER="-$without" ctest --test-dir "$build" --parallel "$(nproc)" --no-tests=error --timeout 3600 \
    --tests-regex "^(($names)_test|abi_.*)$" > "$results/tests.txt" 2>&1
  local status=$?
  sed -n '/^[0-9]*% tests passed/,$p' "$results/tests.txt"
  echo "   left out: $without"
  return "$status"
}

here_digests() {
  examples/set_up.sh program &&
    cmake --build --preset release --parallel "$(nproc)" --target contraction_sums &&
    build/release/qloom-check --digests build/release/plugins/*/plugin.json > "$results/digests_here.txt" &&
    build/release/tests/contraction_sums > "$results/sums_here.txt"
}
arm_digests() { # arm_digests <instruction set>
  QLOOM_ISA="$1" "$build/qloom-check" --digests "$build"/plugins/*/plugin.json > "$results/digests_$1.txt" &&
    QLOOM_ISA="$1" "$build/tests/contraction_sums" > "$results/sums_$1.txt"
}

rm -rf "$results" && mkdir -p "$results"
aarch64-linux-gnu-g++ --version | head -n 1
# Without one of these there is nothing to run.
for step in find_packages make_sysroot cross_build wrap_programs; do
  ((failed > 0)) || part "${step/_/ }" "$step"
done
((failed == 0)) || { closing_line arm64 || exit 1; }
part "tests" run_tests
part "digests here" here_digests
for isa in neon scalar; do
  part "digests with $isa" arm_digests "$isa"
  part "digests of every method, $isa as here" same_lines "$results/digests_here.txt" "$results/digests_$isa.txt"
  part "sums of integer codes, $isa as here" same_lines "$results/sums_here.txt" "$results/sums_$isa.txt"
done
closing_line arm64
