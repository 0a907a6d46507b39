# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""Rows as bench.json, as tables for people, as the tables of docs/performance.md and as its plot."""
import json
import pathlib

from .growth import UNITS

WORDS = {"peer": "{:g} x peer", "limit": "{:g} of limit", "cost": "<= {:g} x {peer}",
         "rate": "{:.0f} G/s", "seconds": "<= {:g} ms"}


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def seconds_text(row):
    if row["seconds"] is None:
        return "-" if row["bytes"] is None else f"{row['bytes'] / 2**20:.0f} MiB"
    return f"{1e3 * row['seconds']:.3g} ms"


def figure_text(row):
    texts = []
    for kind, wanted in row["figures"]:
        scaled = wanted / 1e9 if kind == "rate" else 1e3 * wanted if kind == "seconds" else wanted
        texts.append(WORDS[kind].format(scaled, peer=row["peer"] or "peer"))
    return "; ".join(texts)


def verdict(row):
    return {None: "", True: "yes", False: "no"}[row["reached"]]


def cells(row):
    return [row["what"], row["size"], seconds_text(row), number(row["rate"] and row["rate"] / 1e9),
            row["peer"] or "-", number(row["ratio_to_peer"]), row["limit"] or "-",
            number(row["ratio_to_limit"]), figure_text(row), verdict(row)]


HEAD = ["what", "size", "median", "G/s", "peer", "x peer", "limit", "of limit", "to reach",
        "reached"]


def write_json(file, about, rows):
    """One row a line. A temporary file first: a broken run leaves the old one."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    text = f'{{"format": 1,\n"about": {json.dumps(about)},\n"rows": [\n{lines}\n]}}\n'
    temporary = pathlib.Path(f"{file}.tmp")
    temporary.write_text(text)
    temporary.rename(file)


def print_summary(rows):
    judged = [row for row in rows if row["reached"] is not None]
    print(f"{sum(row['reached'] for row in judged)} of {len(judged)} figures reached")


def print_table(rows):
    if not rows:
        return
    lines = [HEAD] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())


def place(row):
    return row["section"], row["what"], row["size"], row["peer"], row["threads"]


def markdown(rows, beside=()):
    """One table per section; growth is shown by the plot. beside: (system, its rows) whose ratios stand
    in further columns."""
    others = [(system, {place(row): row for row in own}) for system, own in beside]
    head = HEAD + [f"{ratio}, {system}" for system, _ in others for ratio in ("x peer", "of limit")]

    def all_cells(row):
        found = [own.get(place(row), {}) for _, own in others]
        return cells(row) + [number(other.get(ratio)) for other in found
                             for ratio in ("ratio_to_peer", "ratio_to_limit")]

    parts = []
    for section in dict.fromkeys(row["section"] for row in rows):
        if section.startswith("growth"):
            continue
        parts.append(f"### {section[0].upper()}{section[1:]}\n")
        parts.append("| " + " | ".join(head) + " |")
        parts.append("|" + "---|" * len(head))
        parts += ["| " + " | ".join(all_cells(row)) + " |" for row in rows
                  if row["section"] == section]
        parts.append("")
    return "\n".join(parts)


def replace_between(text, begin, end, new):
    head, rest = text.split(begin, 1)
    _, tail = rest.split(end, 1)
    return f"{head}{begin}\n{new.strip()}\n{end}{tail}"


def beside_of(folder):
    """(system, rows) of each bench.<system>.json: the same measured on another system."""
    files = sorted(pathlib.Path(folder).glob("bench.*.json"))
    return [(file.name.split(".")[1].replace("_", " "), json.loads(file.read_text())["rows"])
            for file in files]


def update_page(page, about, rows):
    page = pathlib.Path(page)
    beside = beside_of(page.parent)
    text = page.read_text()
    samples = [row["samples"] for row in rows if row["seconds"] is not None]
    machine = (f"Measured on {about['processor']} with {about['threads']} threads and "
               f"{about['isa']}, beside PyTorch {about['torch']} and ONNX Runtime "
               f"{about['onnxruntime']}; each time is the median of {min(samples)} to {max(samples)} "
               "samples. [bench.json](bench.json) has every row."
               + "".join(f" Ratios on {system} are of a run of its own on another day, when the "
                         "machine had another memory speed."
                         for system, _ in beside))
    text = replace_between(text, "<!-- figures -->", "<!-- end of figures -->",
                           machine + "\n\n" + markdown(rows, beside) +
                           "\n![Curves of the rates](performance.svg)")
    page.write_text(text)


def plot(rows, file):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "qloom"
    import matplotlib.pyplot as pyplot
    curves = [name for name in UNITS if any(r["section"] == f"growth: {name}" for r in rows)]
    if not curves:
        return False
    figure, axes = pyplot.subplots(len(curves), 1, figsize=(8, 3.2 * len(curves)), squeeze=False)
    for axis, name in zip(axes[:, 0], curves):
        own = [r for r in rows if r["section"] == f"growth: {name}"]
        for what in dict.fromkeys(r["what"] for r in own):
            points = sorted((int(r["size"]), r) for r in own if r["what"] == what)
            scale = [(x, x / r["seconds"] if name == "batch" else r["rate"] / 1e9)
                     for x, r in points]
            axis.plot(*zip(*scale), marker="o", markersize=3, label=what)
        axis.set_xscale("log", base=2)
        axis.set_ylim(bottom=0)
        axis.set_xlabel(UNITS[name][0])
        axis.set_ylabel(UNITS[name][1])
        axis.set_title(name)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    return True
