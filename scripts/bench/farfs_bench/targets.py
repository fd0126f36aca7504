"""The figures that FarFS is to reach, each held against what was measured."""
from . import targets_mount, targets_server
from .part_depth import case_of
from .part_objects import KEY, VALUE
from .settings import BATCH_KEYS, CONNECTION_SIZES, DEPTH, DEPTH_CONNECTIONS, DEPTH_SIZES, FEW_OBJECTS, NOT_PINNED, THREADS_CLIENTS, THREADS_OPERATIONS, THREADS_SIZES
from .target import Target, by_placement


def _one_sided(results):
    for size in ("64 B", "4 KiB"):
        yield Target(f"shm, one-sided get of {size}: times as fast as Redis over its unix socket", 30, True, " x", by_placement(
            lambda place, size=size: results.ratio(("kv", place, size, "redis unix get", "p50"),
                                                   ("kv", place, size, "far shm warm-get", "p50"))))
    yield Target("server's CPU time while a client reads one-sided for 1 s", 0, False, " ticks", {
        "not pinned": results.median("idle", "not pinned", "one-sided gets", "server", "ticks")})


def _tcp(results):
    for op, words in (("cold-get", "the server asked"), ("warm-get", "place known")):
        yield Target(f"tcp, get of 64 B, {words}: latency / Redis TCP's", 1.0, False, " x", by_placement(
            lambda place, op=op: results.ratio(("kv", place, "64 B", f"far tcp {op}", "p50"),
                                               ("kv", place, "64 B", "redis tcp get", "p50"))))
    for size in CONNECTION_SIZES:
        for peer, name in (("redis", "Redis"), ("memcached", "memcached")):
            yield Target(f"tcp, 16 connections, gets of {size}, the server asked: throughput / {name}'s", 1.0, True, " x", by_placement(
                lambda place, size=size, peer=peer: results.ratio(("connections", place, size, "far cold-get", "ops"),
                                                                  ("connections", place, size, peer + " get", "ops"))))


def _depth(results):
    for size in DEPTH_SIZES:
        for connections in DEPTH_CONNECTIONS:
            case = case_of(size, connections)
            for op, far, peer_op in (("get", "far cold-get", "get"), ("put", "far put", "set")):
                for peer, name in (("redis", f"redis-benchmark -P {DEPTH}"), ("memcached", "memcached")):
                    yield Target(f"tcp, {DEPTH} under way, {op} of {case}: throughput / {name}'s", 1.0, True, " x", by_placement(
                        lambda place, case=case, far=far, of=f"{peer} {peer_op}": results.ratio(("depth", place, case, far, "ops"),
                                                                                               ("depth", place, case, of, "ops"))))


def _threads(results):
    for op in THREADS_OPERATIONS:
        for size in THREADS_SIZES:
            keys = [("threads", NOT_PINNED.name, size, f"{op} {count}", "ops") for count in (2, 1)]
            yield Target(f"tcp, {THREADS_CLIENTS} clients, {op} of {size}: throughput of 2 I/O threads on two CPUs / one's", 0.9, True, " x", {NOT_PINNED.name: results.ratio(*keys)})


def _many(results):
    yield Target(f"shm, {BATCH_KEYS} gets of 64 B in one call: times as fast as as many calls, the server asked", 3, True, " x", by_placement(
        lambda place: results.ratio(("many", place, "shm", "get_asked", "ns"), ("many", place, "shm", "get_many_asked", "ns"))))


def _small(results):
    """Times as fast."""
    def ratio(step, base, subject):
        return by_placement(lambda place: results.ratio(("small", place, step, base, "ns"), ("small", place, step, subject, "ns")))

    for way in ("", " ring"):
        yield Target(f"small files, create, write and close over shm{way}: / null FUSE{way}", 0.7, True, " x", ratio("create, write, close", "null" + way, "shm" + way))
        yield Target(f"small files, create, write and close over shm{way}: / sshfs", 10, True, " x", ratio("create, write, close", "sshfs", "shm" + way))
    for way in ("", " ring"):
        yield Target(f"small files, open, read and close over shm{way}: / null FUSE{way}", round(1 / 1.3, 2), True, " x", ratio("open, read, close", "null" + way, "shm" + way))
    yield Target("small files, open, read and close again, cache=alone: / tmpfs", 0.5, True, " x", ratio("open, read, close again", "tmpfs", "shm alone"))


def _idle(results):
    for name in ("server", "mount over shm", "mount over tcp"):
        yield Target(f"CPU time of an idle {name} in 3 s", 0, False, " ticks", {
            "not pinned": results.median("idle", "not pinned", "idle", name, "ticks")})
    yield Target("server's memory beside the pool, most seen", 32, False, " MiB", by_placement(
        lambda place: _most_memory(results, place)))


def _most_memory(results, place):
    values = [max(values) for key, values in results.samples.items() if key[:2] == ("memory", place)]
    return max(values) / (1 << 20) if values else None


def _objects(results, settings):
    stored = results.median("objects", "two CPUs", "load", settings.objects, "bytes")
    yield Target(f"bytes of the pool for each of {settings.objects:,} objects of 64 bytes (so that 10,000,000 fit in 4 GiB)",
                 (4 << 30) / 10_000_000, False, "", {"two CPUs": stored})
    for case, words in (("load", ""), ("load, evict", " with --full=evict")):
        each = results.median("objects", "two CPUs", case, settings.objects, "all_bytes")
        yield Target(f"bytes beyond key and value of {settings.objects:,} objects of {KEY} and {VALUE} bytes{words}, the server's other memory included", 160, False, "",
                     {"two CPUs": each and each - KEY - VALUE})
    for case, words in (("shm asked", "shm, the server asked"), ("tcp asked", "tcp, the server asked"), ("shm one-sided", "shm, one-sided")):
        yield Target(f"get among {settings.objects:,} objects / among {FEW_OBJECTS:,}: {words}", 1.3, False, " x", {
            "two CPUs": results.ratio(("objects", "two CPUs", case, settings.objects, "p50"),
                                      ("objects", "two CPUs", case, FEW_OBJECTS, "p50"))})


RDMA_BOUNDS = {"4 KiB random read": 3, "4 KiB random write": 3, "1 MiB sequential read": 1.5, "1 MiB sequential write": 1.5}  # of NFS over RDMA


def _rdma(results):
    for workload, bound in RDMA_BOUNDS.items():
        keys = [("rdma", "virtual machine", workload, name, "ops") for name in ("far", "nfs")]
        yield Target(f"mount over rdma in a virtual machine, {workload}: / NFS over RDMA", bound, True, " x", {"not pinned": results.ratio(*keys)})


def targets(results, settings):
    """Those of which at least one figure was measured."""
    every = [*_one_sided(results), *_tcp(results), *_depth(results), *_threads(results), *_many(results), *targets_server.targets(results, settings), *targets_mount.targets(results), *_small(results), *_idle(results), *_objects(results, settings), *_rdma(results)]
    return [target for target in every if any(value is not None for value in target.measured.values())]
