"""fio writes, reads back and checks every block."""
import os
import shutil
import subprocess

from mounted import SLOWER, case, equal, run, there

MIB = 1 << 20
SIZE = 24 * MIB // SLOWER

COMMON = ["--name=verify", "--filename_format=f.$jobnum", f"--size={SIZE}", "--verify=crc32c", "--verify_fatal=1", "--minimal", "--randseed=7"]
PATTERNS = {
    "sequential, 1 MiB": ["--rw=write", "--bs=1M"],
    "sequential, odd blocks": ["--rw=write", "--bs=3k"],
    "random, 4 KiB": ["--rw=randwrite", "--bs=4k"],
    "random, 512 B to 256 KiB": ["--rw=randwrite", "--bsrange=512-256k", "--bs_unaligned=0"],
    "random, past the cache, eight at a time": ["--rw=randwrite", "--bs=16k", "--direct=1", "--ioengine=libaio", "--iodepth=8", "--verify_backlog=64"],
    "sequential, past the cache, 1 MiB": ["--rw=write", "--bs=1M", "--direct=1"],
    "reads and writes": ["--rw=randrw", "--bs=8k", "--verify_backlog=32"],
    "through a mapping": ["--rw=randwrite", "--bs=4k", "--ioengine=mmap"],
    "reserved first": ["--rw=randwrite", "--bs=4k", "--fallocate=posix"],
    "four files, four processes": ["--rw=randwrite", "--bs=16k", "--numjobs=4", f"--size={SIZE // 4}"],
}


def fio(folder, *options):
    done = subprocess.run(["fio", *COMMON, *options], cwd=folder, capture_output=True, text=True, check=False)
    equal((done.returncode, done.stderr), (0, ""))


def add(name, options):
    is_repeatable = "--rw=randrw" not in options  # what of it was written a second run does not know
    also = "; read back by the other mount as well" if is_repeatable else ""

    @case(f"fio --verify: {name}{also}")
    def check():
        fio(".", *options)
        if is_repeatable:
            fio(there(), *options, "--verify_only=1")


for pattern, arguments in PATTERNS.items():
    add(pattern, arguments)

if shutil.which("fio"):
    run()
else:
    print("ok fio --verify # SKIP fio is not installed")
