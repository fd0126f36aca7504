"""NFS 4.2 over RDMA: the kernel's own server and client. Without the programs of nfs-utils, and thus nothing of it installed: what rpc.mountd would answer to the kernel's questions
(who may see which folder) is told beforehand, by the same files. For a machine that is thrown away: the server ends with it."""
import os
import subprocess

from .failure import Failure

EXPORT_FLAGS = 0x2 | 0x400 | 0x2000  # of linux/nfsd/export.h: any port, no subtree check, has a number (fsid 0: the root)
NEVER = 2147483647                   # the answer's end, in seconds since 1970
NOBODY = 65534
PORT = 20049
THREADS = 4
NFSD = "/proc/fs/nfsd"
STATE = "/var/lib/nfs/v4recovery"    # where the server notes its clients: it has had none, and need not wait for them to come back


def _write(path, text):
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
    except OSError as error:
        raise Failure(f"NFS: {path}: {text}: {error.strerror}") from None


def export(folder, client):
    """Lets that address mount the folder."""
    os.makedirs(STATE, exist_ok=True)
    if not os.path.ismount(NFSD):
        subprocess.run(["mount", "-t", "nfsd", "nfsd", NFSD], check=True)
    _write("/proc/net/rpc/auth.unix.ip/channel", f"nfsd {client} {NEVER} bench")
    _write("/proc/net/rpc/nfsd.export/channel", f"bench {folder} {NEVER} {EXPORT_FLAGS} {NOBODY} {NOBODY} 0")
    _write("/proc/net/rpc/nfsd.fh/channel", f"bench 1 \\x00000000 {NEVER} {folder}")
    _write(f"{NFSD}/versions", "-3 +4.2")
    _write(f"{NFSD}/threads", str(THREADS))
    _write(f"{NFSD}/portlist", f"rdma {PORT}")
    _write(f"{NFSD}/v4_end_grace", "Y")


def mount(stage, server, client):
    """The server's exported folder, on the stage. Without mount.nfs, which would ask rpcbind."""
    path = stage.path("nfs")
    os.makedirs(path, exist_ok=True)
    stage.mounts.append(path)
    options = f"vers=4.2,proto=rdma,port={PORT},addr={server},clientaddr={client}"
    result = subprocess.run(["mount", "-i", "-t", "nfs", f"{server}:/", path, "-o", options], capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure(f"cannot mount NFS over RDMA: {result.stderr.strip()}")
    return path
