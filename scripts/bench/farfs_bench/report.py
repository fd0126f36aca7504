"""docs/benchmarks.md: what was measured, and how."""
import datetime
import os

from . import plots, report_metadata, report_mount, report_rdma, report_server
from .part_depth import case_of
from .part_objects import KEY, VALUE
from .settings import ALL, BATCH_KEYS, CONNECTION_SIZES, DEPTH, DEPTH_CONNECTIONS, DEPTH_SIZES, FEW_OBJECTS, NOT_PINNED, THREADS_CLIENTS, THREADS_OPERATIONS, THREADS_SIZES, sizes_of
from .tables import around, median, micro, number, spread, table
from .target import BEST
from .targets import targets

SUBJECTS = {  # by row: where it is looked up, and what it is held against
    "FarFS shm, get, one-sided": ("far shm warm-get", "redis unix get"),
    "FarFS shm, get, server asked": ("far shm cold-get", "redis unix get"),
    "FarFS shm, put": ("far shm put", "redis unix set"),
    "FarFS tcp, get, place known": ("far tcp warm-get", "redis tcp get"),
    "FarFS tcp, get, server asked": ("far tcp cold-get", "redis tcp get"),
    "FarFS tcp, put": ("far tcp put", "redis tcp set"),
    "Valkey unix, get": ("valkey unix get", "redis unix get"),
    "Valkey unix, set": ("valkey unix set", "redis unix set"),
    "Valkey tcp, get": ("valkey tcp get", "redis tcp get"),
    "Valkey tcp, set": ("valkey tcp set", "redis tcp set"),
    "memcached tcp, get": ("memcached tcp get", "redis tcp get"),
    "memcached tcp, set": ("memcached tcp set", "redis tcp set"),
}
REDIS = {"Redis unix, get": "redis unix get", "Redis unix, set": "redis unix set", "Redis tcp, get": "redis tcp get",
         "Redis tcp, set": "redis tcp set"}
PEERS = {"redis": "Redis", "valkey": "Valkey", "memcached": "memcached"}


def _head(about):
    options = [word for word, is_given in (("--quick", about["is_quick"]), ("--only=" + ",".join(about["parts"]), not about["has_all_parts"]))
               if is_given]
    command = " ".join(["scripts/bench/run", *options])
    valkey = f"Valkey {about['valkey']}" if about["valkey"] else "no Valkey (neither this system nor its backports have it)"
    minutes = sum(about["seconds"].values()) / 60
    lines = ["# Benchmarks", "",
             f"Written by `{command}` on {datetime.date.today()} in {minutes:.0f} minutes: {about['cpus']} CPUs ({about['cpu']}), "
             f"Linux {about['kernel']}; FarFS {about['commit']} ({about['build']}), Redis {about['redis']}, {valkey}, memcached {about['memcached']}, "
             f"fio {about['fio']}. Before it began, others used {about['busy_before']:.0%} of the machine; "
             f"{about['stolen']:.1%} of its time was taken by the hypervisor meanwhile.", ""]
    if about["is_quick"]:
        lines += ["**A quick run**: short cells and few rounds show the size of things, not small differences.", ""]
    return lines + [
        "Times differ from machine to machine, and from hour to hour on one: read the ratios. What is compared was measured in turns, round by round; a ratio is the median over the rounds, "
        "with the least and the most round in brackets; a figure that stands alone is the median, with half the way from its least to its most round behind ±. "
        f"All samples, round by round, are in `{about['samples']}` (JSON), written by the same run.", ""]


def _placements():
    return ["## Placements", "",
            "Whether the two sides of a conversation share a CPU decides more than anything else: on one CPU they hand it to each other, on two each waits for the other's CPU to wake up. "
            "So each figure is shown pinned, in both ways, and not pinned; where time is short (many jobs, large objects) some are left out.", "",
            "- **two CPUs**: server on one, client on the other. On a mount, its daemon shares the client's CPU, so that only the way to the server is between CPUs; the null file system's daemon does, too.",
            "- **one CPU**: all on one.",
            "- **not pinned**: both CPUs are free for all, and the kernel's scheduler chooses, as it would for a user who does nothing about it.", ""]


def _cell(target, place):
    value = target.measured.get(place)
    if value is None:
        return ""
    return f"{spread(value, target.unit)} {'yes' if target.holds(value) else '**no**'}"


def _targets(results, settings):
    found = targets(results, settings)
    places = [*(placement.name for placement in ALL), *([BEST] if any(BEST in target.measured for target in found) else [])]
    rows = [[target.figure, f"{'>=' if target.is_least else '<='} {number(target.bound)}{target.unit}", *(_cell(target, place) for place in places)]
            for target in found]
    return ["## Targets", "", "Measured value, and whether it holds, by placement (below); *each at its best* takes either side from the placement in which it does best. Empty: not measured there.", "",
            *table(["figure", "target", *places], rows)]


def _key_value(results, settings):
    if not results.ran("kv"):
        return []
    lines = ["## By key: one client, one operation under way", "",
             f"{settings.key_value_rounds} rounds of {settings.key_value_seconds} s a cell. FarFS by `far bench`, the others by `scripts/bench/peer_bench.c`, which does the same by the same clock: "
             "256 keys at random (16 of 1 MiB), warmed up, each call timed by itself, the ends of each value checked. "
             "*One-sided*: the client knows the place from an earlier get and reads the server's memory itself. *Place known*: the same over TCP, where the server's network side answers. "
             "*Server asked*: the client remembers nothing. Redis, Valkey and memcached keep nothing on disk and have one thread, as far-server has.", ""]
    for placement in ALL:
        sizes = sizes_of(placement)
        ratios = [[label, *(median(results.ratio(("kv", placement.name, size, base, "p50"), ("kv", placement.name, size, subject, "p50")))
                            for size in sizes)] for label, (subject, base) in SUBJECTS.items()]
        lines += [f"### {placement.name}: times as fast as Redis", "",
                  "Redis's median latency over the same kind of channel (shm: unix socket), divided by this one's: above 1 is faster than Redis.", "",
                  *table(["", *sizes], ratios)]
    for placement in ALL:
        sizes = sizes_of(placement)
        times = [[label, *(_times(results, placement.name, size, subject) for size in sizes)]
                 for label, subject in {**{label: subject for label, (subject, _) in SUBJECTS.items()}, **REDIS}.items()]
        lines += [f"### {placement.name}: p50 / p99 / p99.9 in us", "", *table(["", *sizes], times)]
    return lines


def _times(results, place, size, subject):
    times = [results.median("kv", place, size, subject, metric) for metric in ("p50", "p99", "p99.9")]
    return "" if times[0] is None else " / ".join(micro(time) for time in times)


def _connections(results, settings):
    if not results.ran("connections"):
        return []
    peers = {name: label for name, label in PEERS.items() if f"{name} get" in results.subjects("connections")}
    rows = []
    for placement in ALL:
        for size in CONNECTION_SIZES:
            for label, far, peer in (("get, server asked", "far cold-get", "get"), ("get, place known", "far warm-get", "get"), ("put", "far put", "set")):
                keys = [("connections", placement.name, size, subject, "ops") for subject in (far, *(f"{name} {peer}" for name in peers))]
                rows.append([f"{placement.name}, {size}, {label}", *(spread(results.ratio(keys[0], key)) for key in keys[1:]),
                             *(around(results.spread(*key)) for key in keys)])
    return ["## 16 connections over TCP", "",
            f"Operations a second, {settings.connections_rounds} rounds of {settings.connections_seconds} s. Either side of the comparison is one client process of 16 threads, each with a connection of its own "
            "and one operation under way, on the client's CPU; each server has one thread, on the server's.", "",
            *table(["", *(f"FarFS / {label}" for label in peers.values()), "FarFS", *peers.values()], rows)]


def _depth(results, settings):
    if not results.ran("depth"):
        return []
    rows = []
    for placement in ALL:
        for case in (case_of(size, connections) for size in DEPTH_SIZES for connections in DEPTH_CONNECTIONS):
            for label, far, peer in (("get", "far cold-get", "get"), ("put", "far put", "set")):
                keys = [("depth", placement.name, case, subject, "ops") for subject in (far, f"redis {peer}", f"memcached {peer}")]
                rows.append([f"{placement.name}, {case}, {label}", *(spread(results.ratio(keys[0], key)) for key in keys[1:]),
                             *(around(results.spread(*key)) for key in keys)])
    return [f"## {DEPTH} operations under way over TCP", "",
            f"Operations a second, {settings.depth_rounds} rounds of about {settings.depth_seconds} s. A thread of FarFS's client has a connection and a queue (`far bench --depth={DEPTH}`, the server asked for each); Redis is measured by "
            f"`redis-benchmark -P {DEPTH}`, memcached by `scripts/bench/peer_bench.c`, which sends as many requests together.", "",
            *table(["", "FarFS / Redis", "FarFS / memcached", "FarFS", "Redis", "memcached"], rows)]


def _threads(results, settings):
    if not results.ran("threads"):
        return []
    rows = []
    for size in THREADS_SIZES:
        for op in THREADS_OPERATIONS:
            keys = [("threads", NOT_PINNED.name, size, f"{op} {count}", "ops") for count in (1, 2)]
            rows.append([f"{size}, {op}", spread(results.ratio(keys[1], keys[0])), *(around(results.spread(*key)) for key in keys)])
    return ["## One I/O thread and two", "",
            f"Operations a second over TCP, {settings.threads_rounds} rounds of {settings.threads_seconds} s: one client process of {THREADS_CLIENTS} threads, each with a connection of its own and one operation under way, "
            "and a server with `--io-threads` 1 or 2, all on the same two CPUs, which are fully used in any case: more threads have to cost nothing there. What they gain shows on machines with more.", "",
            *table(["", "two / one", "one", "two"], rows)]


def _many(results, settings):
    if not results.ran("many"):
        return []
    rows = []
    for placement in ALL:
        for provider in results.cases("many", placement.name):
            for label, way in (("get, server asked", "{}_asked"), ("get, places known", "{}_known"), ("put", "{}")):
                op = label.partition(",")[0]
                one, many = (("many", placement.name, provider, way.format(name), "ns") for name in (op, op + "_many"))
                rows.append([f"{placement.name}, {provider}, {label}", spread(results.ratio(one, many)), *(around(results.spread(*key)) for key in (many, one))])
    return [f"## {BATCH_KEYS} keys in one call", "",
            f"`scripts/bench/many_keys.c`, {settings.many_rounds} rounds of {settings.many_seconds} s: nanoseconds a key of 64 B, of {BATCH_KEYS} in one call (`far_get_many`, `far_put_many`), and of a call for each. *Places known*: over shared memory the client "
            "reads the values itself, without a message in either case.", "",
            *table(["", "times as fast", "in one call", "a call for each"], rows)]


def _small(results, settings):
    if not results.ran("small"):
        return []
    names = results.subjects("small")
    rows = [[f"{placement.name}, {step}", *(around(results.spread("small", placement.name, step, name, "ns"), 1000) for name in names)]
            for placement in ALL for step in results.cases("small", placement.name)]
    return ["## The life of small files", "",
            f"`scripts/bench/small_files.c`, one thread, {settings.small_files:,} files of 1 KiB in directories of 100 (sshfs: a tenth of them), {settings.small_rounds} rounds; microseconds a file, all files through one step before "
            "the next. *Alone*: `-o cache=alone`, by /dev/fuse; the others ask the server each time. The null FUSE tree keeps no bytes. sshfs is of a tmpfs, over ssh to this machine, as it comes: its kernel trusts "
            "names and attributes for 20 s, and it answers a close before the server has.", "",
            *table(["", *names], rows)]


def _objects(results, settings):
    if not results.ran("objects"):
        return []
    place, many = "two CPUs", settings.objects
    rows = []
    for case, label in (("shm asked", "shm, server asked"), ("tcp asked", "tcp, server asked"), ("shm one-sided", "shm, one-sided")):
        keys = [("objects", place, case, count, "p50") for count in (many, FEW_OBJECTS)]
        rows.append([label, spread(results.ratio(*keys)), *(micro(results.median(*key)) for key in keys)])
    bytes_each = [(label, results.median("objects", place, case, subject, "all_bytes")) for label, case, subject in (
        ("FarFS", "load", many), ("FarFS, --full=evict", "load, evict", many), ("Redis", "peers", "redis"), ("memcached", "peers", "memcached"))]
    return ["## Many objects", "",
            f"{many:,} objects of {VALUE} bytes with keys of {KEY} in a pool of {settings.objects_pool}, stored by one thread over shared memory in {number(results.median('objects', place, 'load', many, 'seconds'))} s "
            f"({number(results.median('objects', place, 'load', many, 'ops'))} a second). Gets at random over all, in turns with a second server that holds {FEW_OBJECTS:,}; median latency in us. One-sided: over "
            "500,000 of them, evenly among all, whose places the client remembers. Far more memory is touched than caches and TLBs hold, which a get that asks the server hardly shows, and a one-sided one does.", "",
            *table(["", f"among {many:,} / among {FEW_OBJECTS:,}", f"among {many:,}", f"among {FEW_OBJECTS:,}"], rows),
            f"Bytes each object takes, key, value and all structures included; FarFS's are of the pool and of the server's other resident memory. Beyond: without the {KEY + VALUE} of key and value. With `--full=evict` the server "
            "also remembers what is to go first. Some of Redis's keys are shorter: they end with a number.", "",
            *table(["", "bytes", "beyond"], [[label, number(value), number(value and value - KEY - VALUE)] for label, value in bytes_each])]


def _idle(results):
    if not results.ran("idle"):
        return []
    rows = [[f"{subject}, {case}", number(results.median("idle", "not pinned", case, subject, "ticks")),
             f"{results.median('idle', 'not pinned', case, subject, 'run_ms'):.2f}"]
            for case, subject in dict.fromkeys(key[2:4] for key in results.samples if key[0] == "idle")]
    memory = [[f"{case} ({place})", number(max(values) / (1 << 20))] for (part, place, case, _, _), values in results.samples.items() if part == "memory"]
    return ["## Idle, and memory", "", "CPU time of processes with nothing to do, in 3 s; and of a server in 1 s while a client reads one-sided.", "",
            *table(["", "ticks", "ms"], rows),
            "Resident memory of the server beside the pool (RssAnon + RssFile), in MiB:", "", *table(["", "MiB"], memory)]


def _pictures(pictures, part):
    return [line for words, path in pictures.get(part, []) for line in (f"![{words}]({os.path.basename(path)})", "")]


def write(results, about, settings, path):
    pictures = plots.draw(results, os.path.splitext(path)[0])
    lines = [*_head(about), *_targets(results, settings), *_placements(), *_key_value(results, settings), *_pictures(pictures, "kv"), *_connections(results, settings), *_depth(results, settings), *_threads(results, settings), *_many(results, settings),
             *report_server.section(results, settings), *report_mount.section(results, settings), *_pictures(pictures, "mount"), *report_metadata.section(results, settings), *_pictures(pictures, "metadata"), *_small(results, settings), *_pictures(pictures, "small"),
             *_objects(results, settings), *_idle(results), *report_rdma.section(results, settings)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
