"""Everything that is compared as a file system, mounted at once on one stage: each with a folder of its own to work in."""
import os

from .subjects import FarServer, has_rings, has_sshfs, mount_far, mount_sshfs

MOST = 9  # for plans


def mount_all(bench, stage, placement, pool, mount_null):
    """FarFS over both providers and the null file system, by /dev/fuse and by the ring; FarFS with cache=alone; a tmpfs; sshfs. Returns the server, and folders by name."""
    server = FarServer(stage, bench.programs, placement.server, pool)
    paths = {}
    for way, suffix in [("classic", "")] + ([("ring", " ring")] if has_rings() else []):
        for provider, address in server.addresses.items():
            paths[provider + suffix] = mount_far(stage, bench.programs, placement.daemon, provider, address, way)
        paths["null" + suffix] = mount_null(stage, bench.programs, placement.daemon, way)
    paths["shm alone"] = mount_far(stage, bench.programs, placement.daemon, "shm", server.addresses["shm"], options="cache=alone")
    paths["tmpfs"] = stage.mount_tmpfs("tmpfs")
    if has_sshfs():
        paths["sshfs"] = mount_sshfs(stage, placement.server, placement.daemon)
    return server, {name: own_folder(name, path) for name, path in paths.items()}


def own_folder(name, path):
    """Mounts of one server show the same files. A null file system is its own, and may have no folders."""
    if name.startswith("null"):
        return path
    folder = os.path.join(path, "of-" + name.replace(" ", "-"))
    os.mkdir(folder)
    return folder
