"""The programs that make load, and their figures: times in ns."""
import json

QUANTILES = {"p50": ("p50", "p50_ns"), "p99": ("p99", "p99_ns"), "p99.9": ("p99.9", "p999_ns")}
START_SECONDS = 0.1  # of a client, its warm-up included; for plans


def far_bench(bench, stage, placement, address, size, seconds, operations, keys, threads=1):
    """By operation: the quantiles, ops (a second), and one_sided (part of them). Each call is timed by itself."""
    out = stage.client(placement.client, [
        bench.programs.far, "-s", address, "bench", "--json", "--batch=1", "--ops=" + ",".join(operations),
        f"--sizes={size}", f"--seconds={seconds}", f"--threads={threads}", f"--keys={keys}"], seconds * len(operations))
    figures = {}
    for result in json.loads(out)["results"]:
        latency = result["latency_ns"]
        figures[result["op"]] = {name: latency[far] for name, (far, _) in QUANTILES.items()}
        figures[result["op"]]["ops"] = result["ops_per_second"]
    return figures


def peer_bench(bench, stage, placement, kind, address, size, seconds, keys, connections=1):
    """The same for get and set of Redis or memcached."""
    out = stage.client(placement.client, [bench.programs.peer_bench, kind, address, str(size), str(seconds),
                                          str(connections), str(keys)], 2 * seconds)
    return {op: {**{name: result[peer] for name, (_, peer) in QUANTILES.items()}, "ops": result["ops"]}
            for op, result in json.loads(out).items()}


def fio(stage, placement, path, mode, block, depth, seconds):
    """One thread, `depth` operations under way, past the kernel's cache."""
    engine = ["--ioengine=psync"] if depth == 1 else ["--ioengine=io_uring", f"--iodepth={depth}"]
    out = stage.client(placement.client, [
        "fio", "--name=bench", "--thread", "--filename=" + path, "--rw=" + mode, "--bs=" + block,
        "--size=100%", "--direct=1", *engine, "--fallocate=none", f"--runtime={int(seconds * 1000)}ms",
        "--time_based", "--output-format=json"], seconds)
    job = json.loads(out)["jobs"][0]
    side = job["read" if "read" in mode else "write"]
    return {"ops": side["iops"], "p50": side["clat_ns"]["percentile"]["50.000000"],
            "p99": side["clat_ns"]["percentile"]["99.000000"]}
