#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Installs the packages of Debian or Ubuntu that are missing, configures and builds preset release. What is
# installed or built already stays as it is.
#
#   examples/set_up.sh            all that is installed: the programs qloom and qloom-check, the plugins
#   examples/set_up.sh all        the tests too
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
target="${1:-program}"
case "$target" in
  program) targets=(qloom_product) ;;
  all) targets=(all) ;;
  *)
    echo "set_up.sh: \"$target\", expected \"program\" or \"all\"" >&2
    exit 2
    ;;
esac

# What has another name in each distribution: Boost's packages have its version, clang's runtime
# has clang's. Tested on Debian 12 and 13 (tests/systems.sh); the names for Ubuntu are its own, untested.
distribution="$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}")" || distribution=""
case "$distribution" in
  "debian 12") boost=1.81 clang=14 ;;
  "debian 13") boost=1.83 clang=19 ;;
  "ubuntu 24.04") boost=1.83 clang=18 ;;
  *) boost="" clang="" ;;
esac

packages=(
  g++ cmake make ninja-build ccache pkg-config binutils
  "libboost$boost-dev" "libboost-filesystem$boost-dev" "libboost-system$boost-dev"
  nlohmann-json3-dev libvalijson-dev libxtensor-dev libxsimd-dev libeigen3-dev libdnnl-dev
  libcli11-dev libfmt-dev libgtest-dev libbenchmark-dev libzip-dev zlib1g-dev dataset-fashion-mnist
  libjs-chart.js
)
if [[ $target == all ]]; then
  # the tests look at the pages of results and at the source text; presets clang and tsan
  packages+=(chromium clang clang-format "libclang-rt-$clang-dev" libomp-dev llvm python3)
  # and compile what is exported as C, also for a processor of 32 bits that qemu-user emulates
  packages+=(gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user)
  # and simulate what is exported as Verilog
  packages+=(iverilog verilator)
  # and compare with runtimes that come from PyPI
  packages+=(python3-venv)
fi

tell_what_is_needed() {
  cat <<'EOF'
== this is none of Debian 12, Debian 13, Ubuntu 24.04: nothing is installed. Needed are
     a C++20 compiler (g++ 12 or later, clang 14 or later) with OpenMP, CMake 3.25, Ninja, pkg-config, binutils
     Boost 1.81 (headers, filesystem), nlohmann/json 3.11, valijson 1.0, CLI11 2.1, fmt 9
     xtensor 0.24, xsimd 8 to 13, Eigen 3.4, oneDNN 2.6 to 3.7 (optional), libzip 1.7, zlib
     Fashion-MNIST as IDX files, Chart.js 3
     for the tests: GoogleTest 1.12, Google Benchmark, Chromium, clang-format 14, Python 3, Icarus Verilog 11,
       Verilator 5, arm-linux-gnueabihf-gcc with its C library, qemu-arm; venv and PyPI for the label oracle
EOF
}

is_installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

install_missing() {
  if [[ -z $boost ]]; then
    tell_what_is_needed
    return
  fi
  local missing=() package
  for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    echo "== packages: all ${#packages[@]} are installed"
    return
  fi
  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "set_up.sh: neither root nor sudo; missing packages: ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
  echo "== packages: installing ${missing[*]}"
  "${apt[@]}" update
  "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
}

install_missing
cd "$root"
# Always: what was installed just now is found only by configuring again, which takes seconds.
echo "== configure: preset release"
cmake --preset release
echo "== build: preset release, ${targets[*]}"
cmake --build --preset release --parallel "$(nproc)" --target "${targets[@]}"
echo "== built: $root/build/release/qloom"
if [[ $target == all ]]; then
  echo "== what the tests of label oracle compare with: build/oracles"
  tests/oracles/make_venv.sh || echo "== without it these tests fail, and no others"
fi
