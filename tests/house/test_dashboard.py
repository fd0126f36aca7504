#!/usr/bin/env python3
"""The Grafana dashboard uses metrics that the server has, by their names and labels, and docs/operations.md lists all of them. Writes TAP."""
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUFFIXES = ("_bucket", "_sum", "_count")
LABELS = {"operation", "le", "use", "version", "instance"}


def expressions(node):
    """All queries, wherever they are in the file."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def exported():
    source = (ROOT / "server/exposition.c").read_text()
    names = set(re.findall(r'"(farfs_[a-z_]+)"', source))
    histogram = "farfs_operation_duration_seconds"
    assert histogram in names
    return names, names | {histogram + suffix for suffix in SUFFIXES}


def main():
    dashboard = json.loads((ROOT / "docs/grafana/farfs.json").read_text())
    queries = list(expressions(dashboard))
    used = set(re.findall(r"farfs_\w+", " ".join(queries)))
    families, names = exported()
    labels = {label for query in queries for group in re.findall(r"by \(([^)]*)\)", query) for label in re.split(r", *", group)}
    labels |= {label for query in queries for label in re.findall(r"[{,](\w+) *=", query)}
    listed = set(re.findall(r"`(farfs_\w+)", (ROOT / "docs/operations.md").read_text()))
    cases = [
        ("the dashboard uses what the server exports", used - names or not used),
        ("every metric is on the dashboard", {name for name in families if not any(name + suffix in used for suffix in ("",) + SUFFIXES)}),
        ("it groups by labels that there are", labels - LABELS),
        ("docs/operations.md lists the metrics", families ^ listed),
        ("panels have numbers of their own", len({panel["id"] for panel in dashboard["panels"]}) != len(dashboard["panels"])),
    ]
    for number, (name, wrong) in enumerate(cases, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}" + (f"\n# {wrong}" if wrong else ""))
    print(f"1..{len(cases)}")
    raise SystemExit(any(wrong for _, wrong in cases))


main()
