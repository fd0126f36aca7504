"""The tables of part `rdma`."""
from . import rdma_mounts
from .tables import median, micro, number, spread, table

PART, PLACE = rdma_mounts.PART, rdma_mounts.PLACE
NAMES = {"far": "FarFS", "nfs": "NFS", "null": "null FUSE", "tmpfs": "tmpfs"}


def _rows(results, cases, metric):
    """Times as fast as NFS and as null FUSE, and the figures themselves. Operations a second: more is faster; nanoseconds: less."""
    rows = []
    for case in cases:
        keys = {name: (PART, PLACE, case, name, metric) for name in NAMES}
        pairs = [("far", "nfs"), ("far", "null")] if metric == "ops" else [("nfs", "far"), ("null", "far")]
        figures = [results.spread(*key) for key in keys.values()]
        rows.append([case, *(spread(results.ratio(keys[over], keys[under])) for over, under in pairs),
                     *(median(figure) if metric == "ops" else micro(figure and figure.median) for figure in figures)])
    return rows


def section(results, settings):
    if not results.ran(PART):
        return []
    small = list(dict.fromkeys(key[2] for key in results.samples if key[0] == PART and key[4] == "ns"))
    head = ["", "FarFS / NFS", "FarFS / null FUSE", *NAMES.values()]
    read, limit = (results.median(PART, PLACE, "4 KiB random read", name, "p50") for name in ("far", "ib_read_lat"))
    return ["## Over RDMA, beside NFS over RDMA", "",
            f"In the virtual machine of `scripts/rdma-vm`: two emulated processors, Linux 6.1, Soft-RoCE on both ends of a veth, nothing pinned (NFS's server is threads of the kernel). All on the same two devices in one boot: a mount over "
            "rdma, and NFS 4.2 over RDMA of a tmpfs, by the kernel's own server and client. Instructions are dear there and sleep is, so only the ratios mean something. fio, one thread, psync (16 at once: io_uring), O_DIRECT (tmpfs of that "
            f"kernel has none) if not *buffered*: {rdma_mounts.PASSED_MIB} MiB through an empty page cache. NFS has no figures where many requests of its are under way: its registrations fail in Soft-RoCE of that kernel then, and it stands still for minutes. A file of {rdma_mounts.FILE_MIB} MiB; operations a second, {settings.rdma_rounds} rounds of {settings.rdma_seconds} s.", "",
            *table(head, _rows(results, rdma_mounts.WORKLOADS, "ops")),
            f"`ib_read_lat` of 4 KiB in the same rounds: {micro(limit)} us, median; the mount's random read of 4 KiB: {micro(read)} us, {number(read / limit)} times that.", "",
            f"The life of {settings.rdma_files} small files there (`scripts/bench/small_files.c`), microseconds a file:", "",
            *table(head, _rows(results, small, "ns"))]
