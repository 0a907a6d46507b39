# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# For scripts that source it after parts.sh: two folders of facts.sh, compared part by part.

# same_lines <file> <file>: neither is empty, all lines are equal.
same_lines() {
  [[ -s $1 && -s $2 ]] || return 1
  cmp --silent "$1" "$2" && return
  echo "$(diff "$1" "$2" | grep --count '^>') of $(wc --lines < "$2") lines differ, the first:"
  diff "$1" "$2" | grep --max-count=4 '^[<>]'
  return 1
}

# near_rows <file> <file> <points>: the same pipelines, accuracies at most so many points of a hundred
# apart.
near_rows() {
  [[ -s $1 && -s $2 ]] || return 1
  paste --delimiters=, "$1" "$2" | awk -F, -v points="$3" '
    {
      apart = 100 * ($2 - $4)
      if (apart < 0) apart = -apart
      is_near = $1 == $3 && $2 != "" && $4 != "" && apart <= points + 1e-9
      printf "%s %-26s %.2f %.2f\n", is_near ? "  " : "! ", $1, 100 * $2, 100 * $4
      if (!is_near) far = 1
    }
    END { exit far }'
}

# compare_facts <folder> <folder> <points between float runs>
compare_facts() {
  part "digests of every method" same_lines "$1/digests.txt" "$2/digests.txt"
  part "sums of integer codes" same_lines "$1/sums.txt" "$2/sums.txt"
  part "checkpoints of exact runs" same_lines "$1/checkpoints.txt" "$2/checkpoints.txt"
  part "accuracies of exact runs" same_lines "$1/exact_rows.csv" "$2/exact_rows.csv"
  part "accuracies of float runs, within $3 points" \
    near_rows "$1/float_rows.csv" "$2/float_rows.csv" "$3"
}
