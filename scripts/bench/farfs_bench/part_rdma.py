"""rdma: in a virtual machine with RDMA devices (scripts/rdma-vm), a mount over rdma beside NFS over RDMA. What is measured there: rdma_mounts.py."""
import json
import os
import subprocess

from . import programs, rdma_mounts
from .failure import Failure
from .stage import die_with_parent

PART = rdma_mounts.PART
BOOT_SECONDS = 12
TIME_LIMIT_SECONDS = 240
FIO_START_SECONDS = 1.2  # emulated
SUBJECTS = 4
SMALL_SECONDS = 0.05     # all steps of a file, on all
OTHER_SECONDS = 15       # of a round: what goes through the page cache, and perftest


def plan(settings):
    direct = sum(rdma_mounts.DIRECT[0] in options for _, _, options in rdma_mounts.WORKLOADS.values())
    seconds = direct * (FIO_START_SECONDS + SUBJECTS * (settings.rdma_seconds + rdma_mounts.RAMP_SECONDS)) + settings.rdma_files * SMALL_SECONDS
    return f"a virtual machine, {len(rdma_mounts.WORKLOADS)} workloads x {SUBJECTS} file systems, cells of {settings.rdma_seconds} s, " \
           f"{settings.rdma_files} small files, {settings.rdma_rounds} rounds", BOOT_SECONDS + settings.rdma_rounds * (seconds + OTHER_SECONDS)


def _run_machine(bench, folder):
    """Its rounds are told as they begin. Returns what went wrong, if anything did."""
    command = ["scripts/rdma-vm", "--nfs", "--time-limit", str(TIME_LIMIT_SECONDS), "--keep", folder, "run", "scripts/bench/rdma-mounts",
               bench.programs.folder, "/run/rdma-vm/samples.json", *(["--quick"] if bench.is_quick else [])]
    lines = []
    with subprocess.Popen(command, cwd=programs.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", preexec_fn=die_with_parent) as machine:
        for line in machine.stdout:
            lines.append(line)
            if "round" in line:
                bench.say(line.partition("]")[2].strip())
    return f"status {machine.returncode} from {' '.join(command)}\n" + "".join(lines[-60:]) if machine.returncode else ""


def run(bench):
    folder = bench.folder()
    wrong = _run_machine(bench, folder)
    try:
        with open(os.path.join(folder, "samples.json"), encoding="utf-8") as file:
            rows = json.load(file)["results"]
    except (OSError, ValueError):
        rows = []
    if not rows:
        raise Failure(wrong or "the machine brought no samples")
    if wrong:  # NFS does not always end well there: what was measured before counts
        bench.say(wrong)
    for row in rows:
        for value in row["rounds"]:
            bench.results.add(row["part"], row["placement"], row["case"], row["subject"], {row["metric"]: value})
