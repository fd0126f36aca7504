#!/bin/bash
# What each file system call does, and with which error it refuses.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 128M
mnt=$temp/mnt
start_mount "$mnt"
export MNT=$mnt

py() { python3 -c "
import errno, os, stat, time
os.chdir(os.environ['MNT'])
def refuses(code, call, *args, **kw):
    try: call(*args, **kw)
    except OSError as e: assert e.errno == code, (e.errno, code)
    else: raise AssertionError('not refused: ' + call.__name__)
def write(name, data):
    with open(name, 'wb') as f: f.write(data)
def read(name):
    with open(name, 'rb') as f: return f.read()
$1"; }

check "create, mkdir and their errors" py '
write("f", b"x")
os.mkdir("d")
refuses(errno.EEXIST, os.mkdir, "d")
refuses(errno.EEXIST, os.open, "f", os.O_CREAT | os.O_EXCL)
refuses(errno.ENOENT, os.open, "no/such", os.O_CREAT)
refuses(errno.ENOTDIR, os.open, "f/x", os.O_CREAT)
refuses(errno.EISDIR, os.open, "d", os.O_WRONLY)
refuses(errno.ENOENT, os.stat, "nothing")'
check "unlink and rmdir" py '
os.mkdir("e"); write("e/x", b"")
refuses(errno.ENOTEMPTY, os.rmdir, "e")
refuses(errno.ENOTDIR, os.rmdir, "e/x")
refuses(errno.EISDIR, os.unlink, "e")
os.unlink("e/x"); os.rmdir("e")
refuses(errno.ENOENT, os.unlink, "e")'
check "rename replaces, and refuses what it must" py '
write("r1", b"one"); write("r2", b"two"); os.mkdir("rd"); os.mkdir("rd/sub"); os.mkdir("re")
os.rename("r1", "r2"); assert read("r2") == b"one" and not os.path.exists("r1")
refuses(errno.EISDIR, os.rename, "r2", "rd")
refuses(errno.ENOTDIR, os.rename, "rd", "r2")
refuses(errno.ENOTEMPTY, os.rename, "re", "rd")
refuses(errno.EINVAL, os.rename, "rd", "rd/sub/below")
os.rename("rd", "re"); assert os.path.isdir("re/sub")
os.rename("r2", "r2")'
check "link counts" py '
os.mkdir("n"); n = os.stat("n").st_nlink; assert n == 2
os.mkdir("n/1"); os.mkdir("n/2"); assert os.stat("n").st_nlink == 4
os.rename("n/1", "moved1"); assert os.stat("n").st_nlink == 3
os.rmdir("n/2"); assert os.stat("n").st_nlink == 2
write("l", b"linked"); os.link("l", "n/l2"); os.link("l", "l3")
assert os.stat("l").st_nlink == 3 and os.stat("n/l2").st_ino == os.stat("l").st_ino
os.unlink("l"); assert read("l3") == b"linked" and os.stat("l3").st_nlink == 2
os.unlink("l3"); assert read("n/l2") == b"linked" and os.stat("n/l2").st_nlink == 1
refuses(errno.EPERM, os.link, "n", "n-link")'
check "symbolic links" py '
os.symlink("x" * 4095, "s"); assert os.readlink("s") == "x" * 4095 and os.lstat("s").st_size == 4095
refuses(errno.ENAMETOOLONG, os.symlink, "x" * 4096, "s2")
os.symlink("s3", "s3"); refuses(errno.ELOOP, os.stat, "s3")'
check "names up to 255 bytes" py '
write("a" * 255, b"1"); assert read("a" * 255) == b"1"
for call in (lambda: os.stat("a" * 256), lambda: os.mkdir("a" * 256), lambda: os.unlink("a" * 256), lambda: os.rename("a" * 255, "a" * 256),
             lambda: os.link("a" * 255, "b" * 256), lambda: os.symlink("x", "a" * 256)):
    call.__name__ = "long name"; refuses(errno.ENAMETOOLONG, call)
os.rename("a" * 255, "short"); os.rename("short", "b" * 255); assert read("b" * 255) == b"1"'
check "mode, owner and times" py '
write("m", b"")
for mode in (0, 0o7777, 0o1644, 0o4755): os.chmod("m", mode); assert stat.S_IMODE(os.stat("m").st_mode) == mode
os.chown("m", 1234, 5678); s = os.stat("m"); assert (s.st_uid, s.st_gid) == (1234, 5678) and stat.S_IMODE(s.st_mode) == 0o0755
for ns in ((0, 1), (-5000000001, -1), (7258118400123456789, 4102444800987654321)):
    os.utime("m", ns=ns); s = os.stat("m"); assert (s.st_atime_ns, s.st_mtime_ns) == ns, (s.st_atime_ns, s.st_mtime_ns)
before = time.time_ns(); os.utime("m"); s = os.stat("m"); assert abs(s.st_mtime_ns - before) < 5e9 and abs(s.st_ctime_ns - before) < 5e9'
check "which times a change moves" py '
def times(name): s = os.stat(name); return s.st_mtime_ns, s.st_ctime_ns
os.mkdir("t"); t0 = times("t"); write("t/x", b""); t1 = times("t"); assert t1[0] > t0[0] and t1[1] > t0[1]
x0 = times("t/x"); os.chmod("t/x", 0o600); x1 = times("t/x"); assert x1[0] == x0[0] and x1[1] > x0[1]
write("t/x", b"data"); x2 = times("t/x"); assert x2[0] > x1[0] and x2[1] > x1[1]
os.link("t/x", "t/y"); x3 = times("t/x"); assert x3[0] == x2[0] and x3[1] > x2[1]
t2 = times("t"); refuses(errno.EEXIST, os.mkdir, "t/x"); refuses(errno.ENOENT, os.unlink, "t/none"); assert times("t") == t2'
check "truncate, append, holes" py '
write("h", b"A" * 10000); os.truncate("h", 5000); assert read("h") == b"A" * 5000
os.truncate("h", 9000); assert read("h") == b"A" * 5000 + bytes(4000)
os.truncate("h", 0); assert read("h") == b""
with open("h", "ab") as f: f.write(b"one")
with open("h", "ab") as f: f.write(b"two")
assert read("h") == b"onetwo"
with open("h", "r+b") as f: f.seek(1 << 30); f.write(b"far")
s = os.stat("h"); assert s.st_size == (1 << 30) + 3 and s.st_blocks * 512 < 100000, s.st_blocks
with open("h", "rb") as f: f.seek(4000000); assert f.read(10) == bytes(10)
refuses(errno.EINVAL, os.truncate, "h", -1)'
check "every length around every limit" py '
for n in (0, 1, 15, 16, 127, 128, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 65535, 65536, 1048575, 1048576, 1048577, 3000001):
    data = os.urandom(n); write("len", data); assert read("len") == data, n
    with open("len", "r+b") as f: f.seek(n // 2); f.write(b"!"); 
    data = data[:n // 2] + b"!" + data[n // 2 + 1:]; assert read("len") == data, n'
check "special files" py '
os.mkfifo("fifo"); assert stat.S_ISFIFO(os.stat("fifo").st_mode)
os.mknod("dev", stat.S_IFCHR | 0o600, os.makedev(1, 3)); s = os.stat("dev"); assert stat.S_ISCHR(s.st_mode) and s.st_rdev == os.makedev(1, 3)
import socket; k = socket.socket(socket.AF_UNIX); k.bind("sock"); assert stat.S_ISSOCK(os.stat("sock").st_mode)'
check "set-gid directories give their group" py '
os.mkdir("g"); os.chown("g", 0, 4321); os.chmod("g", 0o2775)
write("g/f", b""); assert os.stat("g/f").st_gid == 4321
os.mkdir("g/d"); s = os.stat("g/d"); assert s.st_gid == 4321 and s.st_mode & stat.S_ISGID'
check "$((5000 / slower)) entries, each once, while others go" py '
count = 5000 // int(os.environ["slower"])
os.mkdir("many")
for i in range(count): os.mknod(f"many/{i}", stat.S_IFREG | 0o600)
assert sorted(os.listdir("many"), key=int) == [str(i) for i in range(count)]
seen = []
with os.scandir("many") as entries:
    for n, e in enumerate(entries):
        seen.append(int(e.name))
        if n < count * 2 // 5 and int(e.name) % 2 == 0: os.unlink("many/" + e.name)
assert sorted(seen) == list(range(count))
for e in os.listdir("many"): os.unlink("many/" + e)
os.rmdir("many")'
check "an unlinked open file works on" py '
f = open("gone", "w+b"); f.write(b"still"); f.flush(); os.unlink("gone")
assert os.fstat(f.fileno()).st_nlink == 0
f.write(b" here"); f.seek(0); assert f.read() == b"still here"
os.ftruncate(f.fileno(), 5); f.seek(0); assert f.read() == b"still"; f.close()'
check "statfs" py '
s = os.statvfs("."); assert s.f_namemax == 255 and s.f_blocks * s.f_frsize == 128 << 20 and 0 < s.f_bavail <= s.f_bfree and s.f_ffree > 0'
check "what is not there says so" py '
write("q", b"")
refuses(errno.EOPNOTSUPP, os.setxattr, "q", "user.a", b"1")'
finish
