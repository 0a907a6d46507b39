# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""End-to-end bars on Fashion-MNIST: bars.json says which runs a bar compares and what must hold.

bars.py run QLOOM OUTPUT ID   runs what is missing, prints the figures, 1 where a condition does not hold
bars.py record QLOOM OUTPUT ID...   the same, and writes the figures to figures.json
bars.py validate QLOOM        every run of the table is a valid pipeline
bars.py tables                writes the tables of docs/methods from figures.json
bars.py check QLOOM           the tables are those that `tables` writes; the pages' pipelines are valid
"""
import json
import operator
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PAGES = HERE.parents[1] / "docs" / "methods"
SEEDS = [1, 2, 3]
COMPARE = {"<": operator.lt, ">": operator.gt, "==": operator.eq}
TABLE = json.loads((HERE / "bars.json").read_text())


def bar_of(name):
    return next(bar for bar in TABLE["bars"] if bar["id"] == name)


def settings_of(run):
    """(base file, settings by JSON pointer) of a run, its set and its named rules filled in."""
    settings = {**TABLE["sets"].get(run.get("with", ""), {}), **run}
    settings.pop("with", None)
    base = settings.pop("base")
    if "/rules" in settings:
        settings["/rules"] = [TABLE["rules"][r] if isinstance(r, str) else r for r in settings["/rules"]]
    return base, settings


def runs_of(bar):
    return {name: TABLE["runs"][name] if run is None else run for name, run in bar["runs"].items()}


def rows_of(program, output, bar):
    """By run name the row of the sweep's table: "accuracies" and the runs' folders."""
    by_base = {}
    for name, run in runs_of(bar).items():
        base, settings = settings_of(run)
        by_base.setdefault(base, {})[name] = settings
    rows = {}
    for base, runs in by_base.items():
        file = output / f"{bar['id']}.{pathlib.Path(base).name}"
        distinct = []
        for settings in runs.values():
            if settings not in distinct:
                distinct.append(settings)
        file.write_text(json.dumps({"base": str(HERE / base), "list": distinct, "seeds": SEEDS}))
        subprocess.run([program, "sweep", str(file), "--jobs", "1", "--output", str(output)], check=True)
        table = json.loads((output / "results.json").read_text())["rows"]
        for name, settings in runs.items():
            rows[name] = table[distinct.index(settings)]
    return rows


def holds(condition, rows):
    """ "a - b < 1", "a > 84", "a == b": names of runs; accuracies in percent, means of the seeds; "a / b > 35":
    how many times as large the model of a is."""
    left, sign, right = re.fullmatch(r"(.+) (<|>|==) (.+)", condition).groups()
    if sign == "==":
        return rows[left]["results"] == rows[right]["results"]
    if " / " in left:
        large, small = left.split(" / ")
        return COMPARE[sign](rows[large]["bytes"] / rows[small]["bytes"], float(right))
    names = left.split(" - ")
    value = rows[names[0]]["mean"] - (rows[names[1]]["mean"] if len(names) == 2 else 0)
    return COMPARE[sign](value, float(right))


def measure(program, output, bar):
    output.mkdir(parents=True, exist_ok=True)
    rows = rows_of(program, output, bar)
    figures = {}
    for name, row in rows.items():
        reports = [json.loads((output / run["folder"] / "report.json").read_text()) for run in row["runs"]]
        row["results"] = [{key: report[key] for key in ("final", "series")} for report in reports]
        row["mean"] = 100 * row["accuracy_mean"]
        row["bytes"] = sum(report["totals"]["model_bytes"] for report in reports) / len(reports)
        figures[name] = [round(100 * accuracy, 2) for accuracy in row["accuracies"]]
        print(f"{bar['id']}: {name}: {row['mean']:.2f} {figures[name]}, {row['bytes']:.0f} bytes", flush=True)
    failed = [condition for condition in bar["holds"] if not holds(condition, rows)]
    for condition in failed:
        print(f"{bar['id']}: does not hold: {condition}", flush=True)
    return figures, failed


def record(program, output, names):
    file = HERE / "figures.json"
    for name in names:
        figures, _ = measure(program, output, bar_of(name))
        known = json.loads(file.read_text()) if file.exists() else {}
        known[name] = figures
        rows = [f'  {json.dumps(key)}: {json.dumps(known[key])}' for key in sorted(known)]
        file.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def validate(program):
    """Status 1 with the messages of those that are not valid."""
    messages = []
    for bar in TABLE["bars"]:
        for name, run in runs_of(bar).items():
            base, settings = settings_of(run)
            changes = [f"--set={pointer}={json.dumps(value)}" for pointer, value in settings.items()]
            done = subprocess.run([program, "validate", str(HERE / base), *changes], capture_output=True, text=True)
            if done.returncode != 0:
                messages.append(f"{bar['id']}: {name}: {done.stderr}")
    print("".join(messages), end="")
    return 1 if messages else 0


def table_of(family):
    figures = json.loads((HERE / "figures.json").read_text())
    lines = ["| bar | accuracy %, mean of seeds 1, 2, 3 | must hold |", "|---|---|---|"]
    for bar in TABLE["bars"]:
        if bar["family"] != family:
            continue
        means = [f"{name} {sum(values) / len(values):.2f}" for name, values in figures.get(bar["id"], {}).items()]
        note = f" ({bar['note']})" if "note" in bar else ""
        lines.append(f"| `{bar['id']}` | {', '.join(means) or 'not measured yet'} | {'; '.join(bar['holds'])}{note} |")
    return "\n".join(lines) + "\n"


def pages():
    """(file, its text, its text with today's table) of each page of a family."""
    for family in sorted({bar["family"] for bar in TABLE["bars"]}):
        file = PAGES / f"{family}.md"
        text = file.read_text()
        parts = re.split(r"(?<=<!-- bars -->\n)(.*)(?=<!-- end of bars -->)", text, flags=re.S)
        if len(parts) != 3:
            sys.exit(f"{file}: no lines <!-- bars --> and <!-- end of bars -->")
        yield file, text, parts[0] + table_of(family) + parts[2]


def faults_of_pages(program):
    for file, old, new in pages():
        if old != new:
            yield f"{file}: not what the data say: bars.py tables"
    for file in sorted(set(PAGES.glob("*.md")) - {PAGES / "README.md"}):
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(HERE.parents[1] / "examples" / "models", pathlib.Path(folder, "models"))
            blocks = re.findall(r"```json\n(.*?)```", file.read_text(), flags=re.S)
            if not blocks:
                yield f"{file}: no pipeline"
            for text in blocks:
                pipeline = pathlib.Path(folder, "pipeline.json")
                pipeline.write_text(text)
                done = subprocess.run([program, "validate", str(pipeline)], capture_output=True, text=True)
                if done.returncode != 0:
                    yield f"{file}: {done.stderr}"


def main(command, *rest):
    if command == "run":
        _, failed = measure(rest[0], pathlib.Path(rest[1]), bar_of(rest[2]))
        return 1 if failed else 0
    if command == "record":
        record(rest[0], pathlib.Path(rest[1]), rest[2:] or [bar["id"] for bar in TABLE["bars"]])
    elif command == "validate":
        return validate(rest[0])
    elif command == "tables":
        for file, _, new in pages():
            file.write_text(new)
    elif command == "check":
        faults = list(faults_of_pages(rest[0]))
        print("".join(f"{fault}\n" for fault in faults), end="")
        return 1 if faults else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
