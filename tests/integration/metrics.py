#!/usr/bin/env python3
"""Looks at a metrics endpoint. Usage: metrics.py URL get NAME [LABEL=VALUE...] | check | names FILE | status [METHOD] | stuck PID | trace PID"""
import ctypes
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? ([0-9.e+-]+|\+Inf|NaN)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", answer.headers
        return answer.read().decode()


def parse(text):
    """[(name, labels, value)] and {name: type}; anything that is not the format fails."""
    assert text.endswith("\n")
    samples, types, helped = [], {}, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in helped and name not in types and kind in ("counter", "gauge", "histogram"), line
            types[name] = kind
        else:
            found = SAMPLE.match(line)
            assert found, line
            name, labels, value = found.groups()
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in types or types.get(family) == "histogram", line
            samples.append((name, dict(LABEL.findall(labels or "")), float(value)))
    return samples, types


def value(samples, name, **labels):
    found = [number for sample, own, number in samples if sample == name and own == labels]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def check(samples, types):
    for name, kind in types.items():
        assert name.startswith("farfs_"), name
        assert kind != "counter" or name.endswith("_total"), name
    uses = sum(number for name, _, number in samples if name == "farfs_pool_bytes")
    assert uses == value(samples, "farfs_pool_size_bytes"), uses
    histogram = "farfs_operation_duration_seconds"
    operations = {labels["operation"] for name, labels, _ in samples if name == histogram + "_count"}
    assert operations
    for operation in operations:
        buckets = [(float(labels["le"]), number) for name, labels, number in samples if name == histogram + "_bucket" and labels["operation"] == operation]
        assert buckets == sorted(buckets) and buckets[-1][0] == float("inf"), buckets
        count = value(samples, histogram + "_count", operation=operation)
        all_of_them = value(samples, "farfs_operations_total", operation=operation)
        assert buckets[-1][1] == count == (all_of_them + 15) // 16, (operation, count, all_of_them)
        assert value(samples, histogram + "_sum", operation=operation) > 0
    assert abs(value(samples, "farfs_start_time_seconds") - time.time()) < 3600
    assert 0 <= value(samples, "farfs_loop_age_seconds") < 3


def names_in(dashboard):
    with open(dashboard) as file:
        expressions = re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', json.dumps(json.load(file)))
    return set(re.findall(r"farfs_\w+", " ".join(expressions)))


def status(url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def stop_thread(thread):
    for request in PTRACE_SEIZE, PTRACE_INTERRUPT:
        if libc.ptrace(request, thread, None, None):
            sys.exit("ptrace: " + os.strerror(ctypes.get_errno()))
    os.waitpid(thread, 0x40000000)  # __WALL


def stuck(health, pid):
    """Stops the server's main thread alone, until the endpoint says so."""
    stop_thread(pid)
    assert status(health) == 200
    for _ in range(60):
        time.sleep(0.1)
        if status(health) == 503:
            break
    assert status(health) == 503
    libc.ptrace(PTRACE_DETACH, pid, None, None)
    for _ in range(50):
        if status(health) == 200:
            return
        time.sleep(0.1)
    sys.exit("healthz is not 200 again")


def main():
    url, what, *rest = sys.argv[1:]
    if what == "status":
        print(status(url, *rest))
        return
    if what == "trace":
        stop_thread(int(rest[0]))
        return
    if what == "stuck":
        stuck(url, int(rest[0]))
        return
    samples, types = parse(fetch(url))
    if what == "get":
        number = value(samples, rest[0], **dict(label.split("=", 1) for label in rest[1:]))
        print(int(number) if number == int(number) else number)
    elif what == "names":
        told = {name for name, _, _ in samples}
        assert names_in(rest[0]) and names_in(rest[0]) <= told, names_in(rest[0]) - told
    else:
        check(samples, types)


main()
