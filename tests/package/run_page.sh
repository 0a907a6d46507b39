#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Does what a page of docs/ says, in a fresh home folder: blocks "```sh run" are run, blocks
# "```<language> write <file>" are written, in the page's order. Exit status 0 when every command
# had 0.
#
#   run_page.sh <page.md> <build folder of qloom>
set -euo pipefail

page="$(realpath "$1")"
build="$(realpath "$2")"
home="$(mktemp --directory --tmpdir qloom-page-XXXXXX)"
trap 'rm -rf "$home"' EXIT

# The page's first command stands in qloom's own folder, where the build is build/release.
mkdir -p "$home/qloom-source/build"
ln -s "$build" "$home/qloom-source/build/release"
ln -s "$(dirname "$page")/../examples" "$home/qloom-source/examples"

awk '
  /^```/ && inside { if (inside == "write") print "END_OF_FILE"; inside = ""; next }
  /^```sh run$/ { inside = "run"; blocks++; next }
  /^```[a-z+]+ write / {
    inside = "write"
    blocks++
    print "cat >\"" $3 "\" <<\"END_OF_FILE\""
    next
  }
  /^```/ { inside = "shown"; next }
  inside == "run" || inside == "write" { print }
  END { if (inside != "" || blocks == 0) print "false  # a block is not closed, or none is marked" }
' "$page" >"$home/page.sh"

cd "$home/qloom-source"
unset QLOOM_PLUGIN_PATH QLOOM_SCHEMA_PATH
HOME="$home" bash -euxo pipefail "$home/page.sh"
