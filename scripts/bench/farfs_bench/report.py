"""docs/benchmarks.md: what was measured, and how."""
import datetime
import os

from . import plots
from .settings import ALL, CONNECTION_SIZES, FEW_OBJECTS, PINNED, SIZES
from .tables import median, micro, number, spread, table
from .targets import targets

SUBJECTS = {  # by row: where it is looked up, and what it is held against
    "FarFS shm, get, one-sided": ("far shm warm-get", "redis unix get"),
    "FarFS shm, get, server asked": ("far shm cold-get", "redis unix get"),
    "FarFS shm, put": ("far shm put", "redis unix set"),
    "FarFS tcp, get, place known": ("far tcp warm-get", "redis tcp get"),
    "FarFS tcp, get, server asked": ("far tcp cold-get", "redis tcp get"),
    "FarFS tcp, put": ("far tcp put", "redis tcp set"),
    "memcached tcp, get": ("memcached tcp get", "redis tcp get"),
    "memcached tcp, set": ("memcached tcp set", "redis tcp set"),
}
PEERS = {"Redis unix, get": "redis unix get", "Redis unix, set": "redis unix set", "Redis tcp, get": "redis tcp get",
         "Redis tcp, set": "redis tcp set"}


def _head(about):
    options = [word for word, is_given in (("--quick", about["is_quick"]), ("--only=" + ",".join(about["parts"]), len(about["parts"]) < 7))
               if is_given]
    command = " ".join(["scripts/bench/run", *options])
    minutes = sum(about["seconds"].values()) / 60
    lines = ["# Benchmarks", "",
             f"Written by `{command}` on {datetime.date.today()} in {minutes:.0f} minutes: {about['cpus']} CPUs ({about['cpu']}), "
             f"Linux {about['kernel']}; FarFS {about['commit']} ({about['build']}), Redis {about['redis']}, memcached {about['memcached']}, "
             f"fio {about['fio']}. Before it began, others used {about['busy_before']:.0%} of the machine; "
             f"{about['stolen']:.1%} of its time was taken by the hypervisor meanwhile.", ""]
    if about["is_quick"]:
        lines += ["**A quick run**: short cells and few rounds show the size of things, not small differences.", ""]
    return lines + [
        "Times differ from machine to machine, and from hour to hour on one: read the ratios. What is compared was measured in turns, round by round; a ratio is the median over the rounds, "
        "with the least and the most round in brackets where there is room. All samples are in `bench.json` in the build folder.", ""]


def _placements():
    return ["## Placements", "",
            "Whether the two sides of a conversation share a CPU decides more than anything else: on one CPU they hand it to each other, on two each waits for the other's CPU to wake up. "
            "So everything is pinned, and each placement is shown.", "",
            "- **two CPUs**: server on one, client on the other. On a mount, its daemon shares the client's CPU, so that only the way to the server is between CPUs; the null file system's daemon does, too.",
            "- **one CPU**: all on one.",
            "- **not pinned**: both CPUs are free for all, and the kernel's scheduler chooses, as it would for a user who does nothing about it.", ""]


def _cell(target, place):
    value = target.measured.get(place)
    if value is None:
        return ""
    return f"{spread(value, target.unit)} {'yes' if target.holds(value) else '**no**'}"


def _targets(results, settings):
    places = [placement.name for placement in ALL]
    rows = [[target.figure, f"{'>=' if target.is_least else '<='} {number(target.bound)}{target.unit}", *(_cell(target, place) for place in places)]
            for target in targets(results, settings)]
    return ["## Targets", "", "Measured value, and whether it holds, by placement (below). Empty: not measured there.", "",
            *table(["figure", "target", *places], rows)]


def _key_value(results, settings):
    if not results.ran("kv"):
        return []
    lines = ["## By key: one client, one operation under way", "",
             f"{settings.key_value_rounds} rounds of {settings.key_value_seconds} s a cell. FarFS by `far bench`, the others by `scripts/bench/peer_bench.c`, which does the same by the same clock: "
             "256 keys at random (16 of 1 MiB), warmed up, each call timed by itself, the ends of each value checked. "
             "*One-sided*: the client knows the place from an earlier get and reads the server's memory itself. *Place known*: the same over TCP, where the server's network side answers. "
             "*Server asked*: the client remembers nothing. Redis and memcached keep nothing on disk and have one thread, as far-server has.", ""]
    for placement in PINNED:
        ratios = [[label, *(median(results.ratio(("kv", placement.name, size, base, "p50"), ("kv", placement.name, size, subject, "p50")))
                            for size in SIZES)] for label, (subject, base) in SUBJECTS.items()]
        lines += [f"### {placement.name}: times as fast as Redis", "",
                  "Redis's median latency over the same kind of channel (shm: unix socket), divided by this one's: above 1 is faster than Redis.", "",
                  *table(["", *SIZES], ratios)]
    for placement in PINNED:
        times = [[label, *(_times(results, placement.name, size, subject) for size in SIZES)]
                 for label, subject in {**{label: subject for label, (subject, _) in SUBJECTS.items()}, **PEERS}.items()]
        lines += [f"### {placement.name}: p50 / p99 / p99.9 in us", "", *table(["", *SIZES], times)]
    return lines


def _times(results, place, size, subject):
    times = [results.median("kv", place, size, subject, metric) for metric in ("p50", "p99", "p99.9")]
    return "" if times[0] is None else " / ".join(micro(time) for time in times)


def _connections(results, settings):
    if not results.ran("connections"):
        return []
    rows = []
    for placement in PINNED:
        for size in CONNECTION_SIZES:
            for label, far, peer in (("get, server asked", "far cold-get", "get"), ("get, place known", "far warm-get", "get"), ("put", "far put", "set")):
                keys = [("connections", placement.name, size, subject, "ops") for subject in (far, "redis " + peer, "memcached " + peer)]
                rows.append([f"{placement.name}, {size}, {label}", spread(results.ratio(keys[0], keys[1])), spread(results.ratio(keys[0], keys[2])),
                             *(median(results.spread(*key)) for key in keys)])
    return ["## 16 connections over TCP", "",
            f"Operations a second, {settings.connections_rounds} rounds of {settings.connections_seconds} s. Either side of the comparison is one client process of 16 threads, each with a connection of its own "
            "and one operation under way, on the client's CPU; each server has one thread, on the server's.", "",
            *table(["", "FarFS / Redis", "FarFS / memcached", "FarFS", "Redis", "memcached"], rows)]


def _mount(results, settings):
    if not results.ran("mount"):
        return []
    rows = []
    workloads = dict.fromkeys(key[2] for key in results.samples if key[0] == "mount")
    names = list(dict.fromkeys(key[3] for key in results.samples if key[0] == "mount"))
    pairs = [("shm", "null"), ("tcp", "null"), ("shm ring", "null ring"), ("tcp ring", "null ring"), ("shm ring", "null")]
    pairs = [(over, under) for over, under in pairs if over in names and under in names]
    for placement in ALL:
        for workload in workloads:
            keys = {name: ("mount", placement.name, workload, name, "ops") for name in names}
            rows.append([f"{placement.name}, {workload}", *(spread(results.ratio(keys[over], keys[under])) for over, under in pairs),
                         *(median(results.spread(*keys[name])) for name in names)])
    return ["## The mount", "",
            f"fio, one thread, O_DIRECT, psync (16 at once: io_uring), a file of 256 MiB that is there; operations a second, {settings.mount_rounds} rounds of {settings.mount_seconds} s. The null FUSE file system "
            "(`scripts/bench/nullfs.c`) answers from its own memory, through the same channel with the same settings and as many threads: what a mount costs beyond it is FarFS's own. tmpfs is what "
            "the kernel does without FUSE. *Ring*: by FUSE over io_uring, whose threads stay on a processor each and serve those who run there; else by /dev/fuse.", "",
            *table(["", *(f"{over} / {under}" for over, under in pairs), *names], rows)]


def _metadata(results, settings):
    if not results.ran("metadata"):
        return []
    rows = []
    for place, workload in dict.fromkeys(key[1:3] for key in results.samples if key[0] == "metadata"):
        keys = {name: ("metadata", place, workload, name, "seconds") for name in ("shm", "tcp", "null", "tmpfs")}
        rows.append([f"{place}, {workload}", spread(results.ratio(keys["null"], keys["shm"])), spread(results.ratio(keys["null"], keys["tcp"])),
                     spread(results.ratio(keys["tmpfs"], keys["shm"])), *(median(results.spread(*keys[name])) for name in ("shm", "tcp", "null", "tmpfs"))])
    return ["## Many small files", "",
            f"A tree of {settings.metadata_files:,} files of 1 KiB in directories of 100, {settings.metadata_rounds} rounds: unpacked, listed with and without attributes, read and removed by the usual programs; "
            "seconds, and how fast that is beside the null FUSE tree (`scripts/bench/nulltree.c`: names and attributes in its own memory, no bytes, the same channel) and tmpfs: 1 is as fast, 0.5 takes twice as long.", "",
            *table(["", "shm / null", "tcp / null", "shm / tmpfs", "shm", "tcp", "null FUSE", "tmpfs"], rows),
            "What that takes for each file: messages of the kernel to the mount's daemon, and round trips from there to the server (requests, and reads that need none). Over shared memory reads and attributes take no round "
            "trip. Names and attributes are asked for each time they are used, so that other mounts' changes are seen at once; closing a file (flush, release) takes a message and no round trip, forgetting one goes along with others.", "",
            *table(["", "messages, shm", "messages, tcp", "round trips, shm", "round trips, tcp"], [
                [workload, *(number(results.median("metadata", "two CPUs", workload, name, what)) for what in ("messages", "requests") for name in ("shm", "tcp"))]
                for workload in dict.fromkeys(key[2] for key in results.samples if key[0] == "metadata")])]


def _small(results, settings):
    if not results.ran("small"):
        return []
    names = list(dict.fromkeys(key[3] for key in results.samples if key[0] == "small"))
    rows = [[f"{place}, {step}", *(micro(results.median("small", place, step, name, "ns")) for name in names)]
            for place, step in dict.fromkeys(key[1:3] for key in results.samples if key[0] == "small")]
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
    bytes_each = [("FarFS (of the pool)", results.median("objects", place, "load", many, "bytes")),
                  ("Redis", results.median("objects", place, "peers", "redis", "bytes")),
                  ("memcached", results.median("objects", place, "peers", "memcached", "bytes"))]
    return ["## Many objects", "",
            f"{many:,} objects of 64 bytes in a pool of {settings.objects_pool}, stored by one thread over shared memory in {number(results.median('objects', place, 'load', many, 'seconds'))} s "
            f"({number(results.median('objects', place, 'load', many, 'ops'))} a second). Gets at random over all, in turns with a second server that holds {FEW_OBJECTS:,}; median latency in us. One-sided: over "
            "500,000 of them, evenly among all, whose places the client remembers. Far more memory is touched than caches and TLBs hold, which a get that asks the server hardly shows, and a one-sided one does.", "",
            *table(["", f"among {many:,} / among {FEW_OBJECTS:,}", f"among {many:,}", f"among {FEW_OBJECTS:,}"], rows),
            "Bytes each object takes, key, value and all structures included:", "",
            *table(["", "bytes"], [[label, number(value)] for label, value in bytes_each])]


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
    lines = [*_head(about), *_targets(results, settings), *_placements(), *_key_value(results, settings), *_pictures(pictures, "kv"), *_connections(results, settings),
             *_mount(results, settings), *_pictures(pictures, "mount"), *_metadata(results, settings), *_small(results, settings), *_pictures(pictures, "small"),
             *_objects(results, settings), *_idle(results)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
