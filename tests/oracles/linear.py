#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Least squares and symmetric systems of small integers, solved in fractions.

linear.py          compares linear.json with what this file makes of the inputs in it
linear.py --write  writes linear.json anew

A matrix of rank r is the product of b[m][r] and c[r][n], both of full rank: the solution of least norm is
c' (c c')^-1 (b' b)^-1 b' y. Each figure is rounded to double once.
"""
import json
import pathlib
import random
import sys
from fractions import Fraction

FILE = pathlib.Path(__file__).with_suffix(".json")


def product(a, b):
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def transposed(a):
    return [list(column) for column in zip(*a)]


def solved(a, b):
    """x with a x = b by elimination; None where a is singular."""
    rows = [[Fraction(v) for v in left + right] for left, right in zip(a, b)]
    n = len(a)
    for p in range(n):
        pivot = next((i for i in range(p, n) if rows[i][p] != 0), None)
        if pivot is None:
            return None
        rows[p], rows[pivot] = rows[pivot], rows[p]
        rows[p] = [v / rows[p][p] for v in rows[p]]
        for i in range(n):
            if i != p:
                rows[i] = [v - rows[i][p] * w for v, w in zip(rows[i], rows[p])]
    return [row[n:] for row in rows]


def least_squares(b, c, y):
    normal = solved(product(transposed(b), b), product(transposed(b), y))
    return product(transposed(c), solved(product(c, transposed(c)), normal))


def matrix(draw, rows, columns):
    return [[draw.randint(-9, 9) for _ in range(columns)] for _ in range(rows)]


def inputs():
    """Factors b and c of a, and y."""
    draw = random.Random(3)
    for m, n, rank, columns in [(1, 1, 1, 1), (5, 3, 3, 1), (3, 5, 3, 2), (4, 4, 4, 1), (6, 4, 2, 3), (4, 6, 2, 1),
                                (7, 7, 1, 1), (8, 5, 4, 2), (60, 52, 52, 2), (52, 60, 7, 2)]:
        while True:
            b, c = matrix(draw, m, rank), matrix(draw, rank, n)
            ones = [[0] for _ in range(rank)]
            if solved(product(transposed(b), b), ones) and solved(product(c, transposed(c)), ones):
                break
        yield {"b": b, "c": c, "y": matrix(draw, m, columns)}


def with_answers(given):
    b, c, y = given["b"], given["c"], given["y"]
    return dict(given, x=[[float(v) for v in row] for row in least_squares(b, c, y)])


def main():
    if "--write" in sys.argv:
        FILE.write_text("[\n" + ",\n".join(json.dumps(with_answers(g)) for g in inputs()) + "\n]\n")
        return
    for given in json.loads(FILE.read_text()):
        if json.dumps(with_answers(given)) != json.dumps(given):
            sys.exit(f"{FILE.name}: {len(given['b'])} equations: not what linear.py gives")
    print(f"{FILE.name}: as computed")


if __name__ == "__main__":
    main()
