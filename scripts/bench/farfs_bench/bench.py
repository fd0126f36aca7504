"""One run: what is chosen, in order, with its time, and the tables at the end."""
import os
import shutil
import tempfile
import time

from . import machine, part_connections, part_depth, part_eviction, part_expiry, part_idle, part_key_value, part_many, part_metadata, part_metrics, part_mount, \
    part_objects, part_rdma, part_small, part_threads, programs, report
from .failure import Failure
from .results import Results
from .settings import FULL, QUICK

MODULES = (
    part_key_value,
    part_connections,
    part_depth,
    part_threads,
    part_many,
    part_eviction,
    part_expiry,
    part_metrics,
    part_mount,
    part_metadata,
    part_small,
    part_objects,
    part_idle,
    part_rdma,
)
PARTS = {module.PART: module for module in MODULES}
BUSY_LIMIT = 0.05


class Bench:
    def __init__(self, options, built):
        self.is_quick = options.quick
        self.settings = QUICK if options.quick else FULL
        self.programs = built
        self.results = Results()
        self.cpus = choose_cpus(options.cpus)
        self.top = tempfile.mkdtemp(prefix="farfs-bench-")
        self.begin = time.monotonic()
        os.environ["FARFS_RUNTIME_DIR"] = self.top

    def folder(self):
        """A new one, for the logs and sockets of a stage."""
        return tempfile.mkdtemp(dir=self.top)

    def say(self, text):
        print(f"[{time.monotonic() - self.begin:6.1f} s]   {text}", flush=True)


def choose_cpus(text):
    allowed = sorted(os.sched_getaffinity(0))
    try:
        chosen = [int(word) for word in text.split(",")] if text else allowed[:2]
    except ValueError:
        chosen = []
    if len(set(chosen)) != 2 or not set(chosen) <= set(allowed):
        raise Failure(f"it needs two CPUs (--cpus=A,B); allowed here: {','.join(map(str, allowed))}")
    return chosen


def prepare(options):
    programs.install()
    folder = options.build
    if not folder:
        folder = os.path.join(programs.ROOT, "build-bench")
        print("building in build-bench", flush=True)
        programs.build(folder)
    return programs.Programs(os.path.abspath(folder))


def print_plan(settings, parts):
    total = 0
    print("plan:")
    for part in parts:
        words, seconds = PARTS[part].plan(settings)
        print(f"  {part:<12} about {seconds:4.0f} s: {words}")
        total += seconds
    print(f"  {'all':<12} about {total:4.0f} s", flush=True)


def choose_output(options, folder):
    if options.output:
        return options.output
    is_whole = not options.quick and set(options.only) == set(PARTS)
    return os.path.join(programs.ROOT, "docs/benchmarks.md") if is_whole else os.path.join(folder, "benchmarks.md")


def run_parts(bench, parts, about):
    about["seconds"] = {}
    for part in PARTS:
        if part not in parts:
            continue
        begin = time.monotonic()
        print(f"{part}:", flush=True)
        PARTS[part].run(bench)
        about["seconds"][part] = round(time.monotonic() - begin, 1)
        print(f"  {part} took {about['seconds'][part]} s", flush=True)


def describe(bench, options, samples):
    """What the tables say of this run, before it begins."""
    return {**machine.describe(), "build": bench.programs.how_built(), "valkey": bench.programs.valkey_version(), "busy_before": machine.busy_before(),
            "parts": options.only, "has_all_parts": set(options.only) == set(PARTS), "is_quick": options.quick, "settings": vars(bench.settings),
            "samples": os.path.relpath(samples, programs.ROOT)}


def run(options):
    built = prepare(options)
    bench = Bench(options, built)
    samples = os.path.join(built.folder, "bench.json")
    try:
        about = describe(bench, options, samples)
        if about["busy_before"] > BUSY_LIMIT:
            print(f"others use {about['busy_before']:.0%} of this machine: its figures will be noisy")
        print_plan(bench.settings, options.only)
        before = machine.cpu_times()
        try:
            run_parts(bench, options.only, about)
        finally:
            after = machine.cpu_times()
            about["stolen"] = (after[1] - before[1]) / max(1, after[2] - before[2])
            bench.results.save(samples, about)
    finally:
        shutil.rmtree(bench.top, ignore_errors=True)
    output = choose_output(options, built.folder)
    report.write(bench.results, about, bench.settings, output)
    print(f"{time.monotonic() - bench.begin:.0f} s in all; wrote {os.path.relpath(output)}")
