#!/usr/bin/env python3
"""docs/posix.md: the tests that it names exist, and each case of tests/posix is in it, word by word."""
import glob
import os
import re
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def cases_of(path):
    """The names of an area's cases; of an f-string what stands behind the last thing filled in."""
    names = re.findall(r'^@case\(\s*f?"((?:[^"\\]|\\.)*)"', text_of(path), re.M)
    return [name.replace('\\"', '"').split("}")[-1] for name in names]


table = text_of("docs/posix.md")
files = sorted(set(re.findall(r"tests/\w+/\w+\.\w+", table)))
areas = [path for path in sorted(glob.glob("tests/posix/*.py")) if path != "tests/posix/mounted.py"]
faults = {
    "the tests that docs/posix.md names exist": [path for path in files if not os.path.exists(path)],
    "each case of tests/posix is in docs/posix.md": [f"{path}: {case}" for path in areas for case in cases_of(path) if case.strip(" :,") not in table],
}
for number, (name, found) in enumerate(faults.items(), 1):
    print(f"{'not ok' if found else 'ok'} {number} - {name}")
    for fault in found:
        print("#", fault)
print(f"1..{len(faults)}")
sys.exit(any(faults.values()))
