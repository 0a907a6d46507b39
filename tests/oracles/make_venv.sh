#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Installs what the tests of label oracle compare with (requirements.txt) from PyPI into a folder of its own,
# build/oracles/<digest of requirements.txt>. What is there stays.
#
#   tests/oracles/make_venv.sh               installs
#   tests/oracles/make_venv.sh X.py ...      and runs X.py with the Python in it
#   QLOOM_ORACLE_PYTHON=<python>             of another version than python3
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
requirements="$root/tests/oracles/requirements.txt"
python="${QLOOM_ORACLE_PYTHON:-python3}"
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
digest="$( (echo "$version"; cat "$requirements") | sha256sum | cut -c1-16)"
folder="$root/build/oracles/$digest"

if [[ ! -f "$folder/complete" ]]; then
  mkdir -p "$root/build/oracles"
  exec 9>"$root/build/oracles/lock"
  flock 9  # two tests may ask at once
fi
if [[ ! -f "$folder/complete" ]]; then
  rm -rf "$folder"
  "$python" -m venv "$folder" >&2 # package python3-venv
  if ! "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --requirement "$requirements" >&2; then
    rm -rf "$folder"
    echo "make_venv.sh: $requirements could not be installed for Python $version: PyPI has to be reached" \
      "once; tests of label oracle need it" >&2
    exit 1
  fi
  touch "$folder/complete"
fi
if (($# > 0)); then
  exec "$folder/bin/python" -B "$@"
fi
