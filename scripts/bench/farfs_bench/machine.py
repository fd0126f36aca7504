"""What the tables must say about the machine, and whether somebody else uses it."""
import os
import platform
import re
import subprocess
import time

from .programs import ROOT


def _first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.partition("\n")[0].strip()
    except FileNotFoundError:
        return ""


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        found = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def cpu_times():
    """(busy, stolen by the hypervisor, all) in ticks since boot."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(word) for word in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], fields[7], sum(fields)


def busy_before(seconds=1.0):
    """The part of the machine's time that others use."""
    before = cpu_times()
    time.sleep(seconds)
    after = cpu_times()
    return (after[0] - before[0]) / max(1, after[2] - before[2])


def _commit():
    commit = _first_line(["git", "log", "-1", "--format=%h"])
    changed = _first_line(["git", "status", "--porcelain", "--untracked-files=no", "--", "fabric", "server", "client", "fsd", "include"])
    return commit + (" with changes" if changed else "")


def describe():
    redis = re.search(r"v=([\d.]+)", _first_line(["redis-server", "--version"]))
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu_model(),
        "kernel": platform.release().split("-")[0],
        "commit": _commit(),
        "redis": redis.group(1) if redis else "?",
        "memcached": _first_line(["memcached", "--version"]).split()[-1],
        "fio": _first_line(["fio", "--version"]).removeprefix("fio-"),
    }
