"""The programs that make load, and their figures: times in ns."""
import csv
import json

QUANTILES = {"p50": ("p50", "p50_ns"), "p99": ("p99", "p99_ns"), "p99.9": ("p99.9", "p999_ns")}
REDIS_LEAST = 50_000  # operations a second in a pipeline, for time limits
START_SECONDS = 0.1  # of a client, its warm-up included; for plans
FIO_START_SECONDS = 0.38  # most of it sleep of its own, and the ramp; filling the page cache, where that is asked for


def far_bench(bench, stage, placement, address, size, seconds, operations, keys, threads=1, depth=1, options=(), meanwhile=None):
    """By operation: the quantiles, and ops (a second). Each call is timed by itself."""
    out = stage.client(placement.client, [
        bench.programs.far, "-s", address, "bench", "--json", "--batch=1", f"--depth={depth}", "--ops=" + ",".join(operations),
        f"--sizes={size}", f"--seconds={seconds}", f"--threads={threads}", f"--keys={keys}", *options], seconds * len(operations), meanwhile)
    figures = {}
    for result in json.loads(out)["results"]:
        latency = result["latency_ns"]
        figures[result["op"]] = {name: latency[far] for name, (far, _) in QUANTILES.items()}
        figures[result["op"]]["ops"] = result["ops_per_second"]
    return figures


def peer_bench(bench, stage, placement, kind, address, size, seconds, keys, connections=1, depth=1):
    """The same for get and set of Redis or memcached."""
    out = stage.client(placement.client, [bench.programs.peer_bench, kind, address, str(size), str(seconds),
                                          str(connections), str(keys), str(depth)], 2 * seconds)
    return {op: {**{name: result[peer] for name, (_, peer) in QUANTILES.items()}, "ops": result["ops"]}
            for op, result in json.loads(out).items()}


def redis_benchmark(stage, placement, port, size, count, keys, connections, depth):
    """ops (a second) by operation, of so many."""
    out = stage.client(placement.client, ["redis-benchmark", "-h", "127.0.0.1", "-p", port, "-t", "set,get", "-c", str(connections), "-P", str(depth),
                                          "-d", str(size), "-r", str(keys), "-n", str(count), "--csv"], 2 * count / REDIS_LEAST)
    return {row[0].lower(): {"ops": float(row[1])} for row in csv.reader(out.splitlines()) if row[0] in ("GET", "SET")}


def fio(stage, placement, workload, folder, seconds):
    """A section of a job file. ops and bytes a second of all its jobs together; the quantiles of single operations (of the reads, where there are both;
    then "write p99" and so on are of the writes)."""
    out = stage.client(placement.client, ["fio", "--directory=" + folder, f"--runtime={int(seconds * 1000)}ms", "--section=" + workload.section,
                                          "--output-format=json", workload.file], seconds)
    job = json.loads(out[out.index("{"):])["jobs"][0]
    sides = [job[name] for name in ("read", "write") if job[name]["total_ios"]]
    figures = {"ops": sum(side["iops"] for side in sides), "bytes": sum(side["bw_bytes"] for side in sides)}
    for side, prefix in zip(sides, ("", "write ")):
        figures.update({f"{prefix}p{float(name):g}": value for name, value in side["clat_ns"].get("percentile", {}).items()})
    return figures
