#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Installs the Debian packages that are missing, configures and builds preset release. What is
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

packages=(
  g++ cmake ninja-build ccache pkg-config binutils
  libboost1.81-dev libboost-filesystem1.81-dev libboost-system1.81-dev
  nlohmann-json3-dev libvalijson-dev libxtensor-dev libxsimd-dev libdnnl-dev libcli11-dev
  libfmt-dev libgtest-dev libbenchmark-dev libzip-dev zlib1g-dev dataset-fashion-mnist
  libjs-chart.js
)
if [[ $target == all ]]; then
  # the tests look at the pages of results and at the source text; presets clang and tsan
  packages+=(chromium clang clang-format libclang-rt-14-dev libomp-dev llvm)
fi

is_installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

install_missing() {
  if ! command -v dpkg-query >/dev/null; then
    echo "== no dpkg here; needed are (names of Debian 12): ${packages[*]}"
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
