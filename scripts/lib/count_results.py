"""Prints 'passed failed skipped' of a meson testlog.json (one JSON object a line). Programs that print TAP or cmocka's
report count by their cases, others as one."""
import json
import re
import sys

passed = failed = skipped = 0
with open(sys.argv[1], encoding="utf-8") as log:
    for line in log:
        test = json.loads(line)
        text = test.get("stdout") or ""
        text += test.get("stderr") or ""
        oks = len(re.findall(r"^ok\b(?!.*# SKIP)", text, re.M)) + len(re.findall(r"^\[\s+OK \]", text, re.M))
        skips = len(re.findall(r"^ok\b.*# SKIP", text, re.M)) + len(re.findall(r"^\[  SKIPPED \] test_\w+$", text, re.M)) // 2
        fails = len(re.findall(r"^not ok\b(?!.*# TODO)", text, re.M))
        result = test["result"]
        if result in ("SKIP", "IGNORED"):
            skipped += max(1, skips)
        elif result in ("OK", "EXPECTEDFAIL"):
            passed += max(1, oks)
            skipped += skips
        else:
            passed += oks
            failed += max(1, fails)
            skipped += skips
print(passed, failed, skipped)
