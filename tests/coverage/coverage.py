# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""docs/coverage.md from coverage.json, the methods that are installed and the files that run them.

coverage.py write QLOOM   writes the page
coverage.py check QLOOM   status 1, with what is wrong, where the page or the data do not hold:
  - a row or an id claims a method that is not installed, or that no example, bar or test runs
  - something is "not there yet" although a method has its name
  - an installed method is mentioned nowhere
"""
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "coverage.md"
DATA = json.loads((HERE / "coverage.json").read_text())


def kinds_of(program):
    """Kind by id of every method that is installed."""
    done = subprocess.run([program, "plugins", "list", "--json"], check=True, capture_output=True, text=True)
    return {method["id"]: method["kind"] for method in json.loads(done.stdout)}


def runs_of(kinds):
    """By id what runs it: pipelines of the examples, bars, the method's own tests."""
    runs = {method: [] for method in kinds}
    for file in sorted((ROOT / "examples").rglob("*.json")):
        for method in set(re.findall(r'"plugin": "(\w+)"', file.read_text())):
            if method in runs:
                runs[method].append(f"[{file.stem}](../{file.relative_to(ROOT)})")
    bars = json.loads((ROOT / "tests/bars/bars.json").read_text())
    for bar in bars["bars"]:
        text = json.dumps([[run, [bars["rules"][rule] for rule in (run or {}).get("/rules", []) if isinstance(rule, str)]]
                           for run in bar["runs"].values()])
        for method in set(re.findall(r'"plugin": "(\w+)"', text)):
            if method in runs:
                runs[method].append(f"bar `{bar['id']}`")
    for manifest in sorted(ROOT.glob("plugins/*/*/plugin.json")):
        test = manifest.parent / f"{manifest.parent.name}_test.cpp"
        described = json.loads(manifest.read_text())
        for method in described.get("methods", [described]):
            if test.exists() and (method["id"] == manifest.parent.name or f'"{method["id"]}"' in test.read_text()):
                runs[method["id"]].append(f"`{test.stem}`")
    for file in sorted(ROOT.glob("tests/*/*_test.cpp")):
        for method in set(re.findall(r'"plugin"[:,] "(\w+)"', file.read_text())):
            if method in runs:
                runs[method].append(f"`{file.stem}`")
    return runs


def faults_of(kinds, runs):
    claims = {method: f"row {row['row']}" for row in DATA["rows"] for method in row["methods"]}
    claims.update({entry["method"]: f"id {name}" for name, entry in DATA["ids"].items() if entry})
    claims.update({method: "further" for method in DATA["further"]})
    for method, who in claims.items():
        if method not in kinds:
            yield f"{who} claims {method}, which is not installed"
        elif not runs[method]:
            yield f"{who} claims {method}, which no example, bar or test runs"
    missing = {name for name, entry in DATA["ids"].items() if not entry}
    missing.update(name for row in DATA["rows"] for name in row["not_there_yet"])
    for name in sorted(missing & set(kinds)):
        yield f"{name} is installed and listed as not there yet"
    for method in sorted(set(kinds) - set(claims)):
        yield f"{kinds[method]} {method} is mentioned nowhere"


def row_line(row, kinds, runs):
    methods = ", ".join(f"`{m}`" + (" (recipe)" if kinds[m] == "recipe" else "") for m in row["methods"])
    examples = []
    for method in row["methods"]:
        examples += [run for run in runs[method][:1] if run not in examples]
    state = "in part" if row["not_there_yet"] else "yes"
    title = row["title"] + (f" ({row['arxiv']})" if row["arxiv"] else "")
    missing = ", ".join(row["not_there_yet"])
    return f"| {row['row']} | {title} | {state if methods else 'no'} | {methods} | {', '.join(examples[:4])} | {missing} |"


def id_line(name, entry, kinds):
    built = entry.get("as") or f"`{name}`" if entry else "not there yet"
    return f"| `{name}` | {kinds[entry['method']] if entry else ''} | {built} |"


def page_of(kinds, runs):
    lines = ["# What is covered", "",
             "Made by `tests/coverage/coverage.py` from `tests/coverage/coverage.json`, the installed methods and the files that",
             "run them; `coverage_test` holds it. What a name in the third column means: `qloom plugins show ID`.", "",
             "## Papers and tools", "",
             "| row | work (arXiv) | there | methods | run by, for instance | not there yet |", "|--:|---|---|---|---|---|"]
    lines += [row_line(row, kinds, runs) for row in DATA["rows"]]
    lines += ["", "## Names of methods", "", "Names as papers and tools have them, and what they are here.", "",
              "| name | kind | built as |", "|---|---|---|"]
    lines += [id_line(name, entry, kinds) for name, entry in DATA["ids"].items()]
    lines += ["", "## Further methods", "", "| method | kind | what it is there for |", "|---|---|---|"]
    lines += [f"| `{name}` | {kinds[name]} | {why} |" for name, why in DATA["further"].items()]
    return "\n".join(lines) + "\n"


def main(command, program):
    kinds = kinds_of(program)
    runs = runs_of(kinds)
    faults = list(faults_of(kinds, runs))
    if not faults and command == "write":
        PAGE.write_text(page_of(kinds, runs))
    elif not faults and (not PAGE.exists() or PAGE.read_text() != page_of(kinds, runs)):
        faults = [f"{PAGE}: not what the data say: tests/coverage/coverage.py write QLOOM"]
    print("".join(f"{fault}\n" for fault in faults), end="")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
