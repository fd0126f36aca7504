"""count_results.py TESTLOG [FAILURES]: prints 'passed failed skipped' of a meson testlog.json (one JSON object a line).
Programs that print TAP or cmocka's report count by their cases, others as one. What failed, with what it said around it,
is appended to the file FAILURES."""
import json
import re
import sys

SAID = 60  # lines of one failed test


def words_of(test):
    """The lines that tell of a failure: each 'not ok' with what follows, cmocka's errors; without any, the last lines."""
    lines = ((test.get("stdout") or "") + (test.get("stderr") or "")).splitlines()
    told = set()
    for number, line in enumerate(lines):
        if re.match(r"not ok\b|Bail out", line):
            told.update(range(number, min(number + 12, len(lines))))
        elif re.match(r"\[\s+(ERROR|FAILED)\s+\]|# .*(error|fail)", line):
            told.update(range(max(0, number - 2), min(number + 4, len(lines))))
    return [lines[number] for number in sorted(told)][:SAID] or lines[-SAID:]


def main():
    passed = failed = skipped = 0
    failures = []
    with open(sys.argv[1], encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
    for test in tests:
        text = (test.get("stdout") or "") + (test.get("stderr") or "")
        oks = len(re.findall(r"^ok\b(?!.*# SKIP)", text, re.M)) + len(re.findall(r"^\[\s+OK \]", text, re.M))
        skips = len(re.findall(r"^ok\b.*# SKIP", text, re.M)) + len(re.findall(r"^\[  SKIPPED \] test_\w+$", text, re.M)) // 2
        fails = len(re.findall(r"^not ok\b(?!.*# TODO)", text, re.M))
        skipped += skips
        if test["result"] in ("SKIP", "IGNORED"):
            skipped += 0 if skips else 1
        elif test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += max(1, oks)
        else:
            passed += oks
            failed += max(1, fails)
            failures += [f"--- {test['name']}: {test['result']}, {test['duration']:.0f} s", *words_of(test)]
    if len(sys.argv) > 2 and failures:
        with open(sys.argv[2], "a", encoding="utf-8") as told:
            told.write("\n".join(failures) + "\n")
    print(passed, failed, skipped)


main()
