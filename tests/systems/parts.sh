# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# For scripts that source it: the parts of a run, counted.
passed=0
failed=0

# part <name> <command> [arguments]: passes when the command ends with status 0.
part() {
  local name="$1"
  shift
  echo "== $name"
  if "$@"; then
    passed=$((passed + 1))
    echo "== passed: $name"
  else
    failed=$((failed + 1))
    echo "== FAILED: $name"
  fi
}

# closing_line <name>: what passed and failed; status 0 when nothing failed.
closing_line() {
  echo "systems.sh $1: $passed passed, $failed failed"
  ((failed == 0))
}
