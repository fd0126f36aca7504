#!/bin/bash
# Quotas of directories: by the command, met by programs on a mount; what is charged fits what is there behind a storm of changes.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
mount=$temp/mount
start_mount "$mount"
cd "$temp" || exit 1
head -c 1000000 /dev/urandom >large
echo value >small

used() { # used DIRECTORY FIELD
	"$FAR" quota --json "$1" | json_field quotas | python3 -c "import ast, sys; print(ast.literal_eval(sys.stdin.read())[0]['$2'])"
}

# --- by the command ---
set_show_list_and_remove() {
	"$FAR" mkdir a/b
	"$FAR" quota --bytes=2M --objects=10 a
	"$FAR" quota --objects=5 a/b
	"$FAR" put small a/b/f
	"$FAR" quota | grep -Eq '^ +288 +2097152 +2 +10 +0  /a$'
	"$FAR" quota | grep -Eq '^ +144 +- +1 +5 +0  /a/b$'
	[ "$("$FAR" quota | wc -l)" = 3 ]
	"$FAR" quota -h /a/ | grep -q '2\.0M'
	[ "$(used a bytes_limit)" = 2097152 ]
	[ "$(used a/b bytes_limit)" = None ]
	"$FAR" quota --bytes=3M a # the other one stays
	[ "$(used a objects_limit)" = 10 ]
	"$FAR" quota --bytes=0 a # none any more
	[ "$(used a bytes_limit)" = None ]
	"$FAR" quota --remove a a/b
	fails 1 'no quota' "$FAR" quota a
	fails 1 'no quota' "$FAR" quota --remove a
	[ -z "$("$FAR" quota)" ]
	"$FAR" rm -r a
}
what_is_too_much_is_refused_and_said() {
	"$FAR" mkdir d
	"$FAR" quota --bytes=1500K --objects=3 d
	"$FAR" put large d/1
	fails 1 'quota of /d allows no more .1003[0-9]* of 1536000 bytes, 1 of 3 objects are used' "$FAR" put large d/2
	fails 1 'quota of /d' "$FAR" append large d/1
	"$FAR" put small d/2
	"$FAR" put small d/3
	fails 1 'quota of /d allows no more .*, 3 of 3 objects' "$FAR" put small d/4
	fails 1 'quota of /d' "$FAR" mkdir d/e
	fails 1 'quota of /d' "$FAR" incr d/n
	fails 1 'quota of /d' "$FAR" put large d/2
	"$FAR" put large d/1
	[ "$("$FAR" get d/2)" = value ]
	"$FAR" put large out
	fails 1 'quota of /d' "$FAR" mv out d/2
	[ "$(used d refusals)" = 7 ]
	"$FAR" rm d/1
	"$FAR" mv out d/1
	"$FAR" quota --remove d
	"$FAR" put small d/4
	"$FAR" rm -r d
}
wrong_usage() {
	"$FAR" mkdir d
	"$FAR" put small f
	for limit in x -1 1X '' 99999999999999999999 1.5.5; do
		fails 2 . "$FAR" quota --bytes="$limit" d
		fails 2 . "$FAR" quota --objects="$limit" d
	done
	fails 2 'directories' "$FAR" quota --bytes=1
	fails 2 'directories' "$FAR" quota --remove
	fails 2 'remove' "$FAR" quota --remove --bytes=1 d
	fails 1 'above 2.62' "$FAR" quota --bytes=5000000T d
	fails 1 'above 0' "$FAR" quota --bytes=0 d
	fails 1 'not a directory' "$FAR" quota --bytes=1 f
	fails 4 'no such key' "$FAR" quota --bytes=1 none
	fails 4 'no such key' "$FAR" quota none
	"$FAR" rm -r d f
}
the_root_may_have_one() {
	"$FAR" quota --objects=2 /
	"$FAR" put small 1
	"$FAR" put small 2
	fails 1 'quota of / allows' "$FAR" put small 3
	"$FAR" quota --remove /
	"$FAR" rm 1 2
}
what_is_there_is_counted() {
	mkdir tree
	for i in $(seq 100); do cp small "tree/$i"; done
	for i in $(seq 20); do "$FAR" put -r tree "many/$i"; done
	"$FAR" quota --objects=2020 many
	wait_until 100 not_counting
	[ "$(used many objects)" = 2020 ]
	fails 1 'quota of /many' "$FAR" put small many/more
	"$FAR" rm -r many
	[ -z "$("$FAR" quota)" ]
}
not_counting() {
	[ "$(used many counting)" = False ]
}
others_than_root_only_look() {
	"$FAR" mkdir d
	"$FAR" quota --objects=2 d
	if [ "$provider" != shm ]; then # its socket is root's
		fails 1 'for root' setpriv --reuid=65534 --regid=65534 --clear-groups "$FAR" quota --objects=3 d
		fails 1 'for root' setpriv --reuid=65534 --regid=65534 --clear-groups "$FAR" quota --remove d
		setpriv --reuid=65534 --regid=65534 --clear-groups "$FAR" quota d
	fi
	"$FAR" rm d
}

# --- programs on a mount ---
programs_meet_it() {
	mkdir -p "$mount/p"
	"$FAR" quota --bytes=1500K --objects=4 p
	cp large "$mount/p/1"
	cmp large "$mount/p/1"
	fails any 'quota exceeded' cp large "$mount/p/2"
	[ "$(stat -c %s "$mount/p/2")" -gt 400000 ] # as much as there was room for
	cmp -n "$(stat -c %s "$mount/p/2")" large "$mount/p/2"
	rm "$mount/p/2"
	fails any 'quota exceeded' fallocate -l 600K "$mount/p/1.5"
	touch "$mount/p/3" "$mount/p/4"
	fails any 'quota exceeded' touch "$mount/p/5"
	fails any 'quota exceeded' mkdir "$mount/p/5"
	fails any 'quota exceeded' ln -s there "$mount/p/5"
	dd if=large of="$mount/p/1" conv=notrunc status=none # in place
	ln "$mount/p/1" "$mount/p/2"
	fails any 'cross-device' ln "$mount/p/1" "$mount/another"
	rm -r "$mount/p"
}
state_of() { # state_of PATH KEY
	stat -c '%s %b %y %z' "$1"
	"$FAR" stat --json "$2" | json_field objects
}
refused_writes_leave_the_file() {
	local before
	mkdir "$mount/p"
	cp small "$mount/p/f"
	"$FAR" quota --bytes=6000 p
	before=$(state_of "$mount/p/f" p/f)
	fails any 'quota exceeded' dd if=small of="$mount/p/f" bs=6 seek=20000 conv=notrunc status=none
	fails any 'quota exceeded' fallocate -l 20K "$mount/p/f"
	fails any 'quota exceeded' fallocate -o 40K -l 1K "$mount/p/f"
	[ "$(state_of "$mount/p/f" p/f)" = "$before" ]
	cmp small "$mount/p/f"
	rm -r "$mount/p"
}
mapped_pages_without_room_are_told() {
	mkdir "$mount/p"
	"$FAR" quota --bytes=100000 p
	python3 - "$mount/p/f" <<-'PYTHON'
		import errno, mmap, os, sys
		for size in 400 << 10, 25 << 12: # what has room for a part, and what lacks a page
		    with open(sys.argv[1], "w+b") as f:
		        f.truncate(size)
		        with mmap.mmap(f.fileno(), size) as view:
		            view[:] = b"x" * size
		            try:
		                view.flush()
		                os.fsync(f.fileno())
		            except OSError as e: assert e.errno in (errno.EDQUOT, errno.ENOSPC, errno.EIO), e
		            else: raise SystemExit("%d bytes were taken" % size)
	PYTHON
	rm -r "$mount/p"
}
attributes_are_charged_and_refused() {
	mkdir "$mount/p"
	cp small "$mount/p/f"
	"$FAR" quota --bytes=200000 p
	python3 - "$mount/p" <<-'PYTHON'
		import errno, os, sys
		for path in sys.argv[1] + "/f", sys.argv[1]:
		    os.setxattr(path, "user.small", b"x")
		    try:
		        for i in range(100): os.setxattr(path, "user.%d" % i, bytes(60000))
		    except OSError as e: assert e.errno == errno.EDQUOT, e
		    else: raise SystemExit("all of them were taken")
		    assert i == 3, i
		    assert os.listxattr(path)[0] == "user.small"
		    try: os.setxattr(path, "user.small", bytes(60000))
		    except OSError as e: assert e.errno == errno.EDQUOT, e
		    else: raise SystemExit("it became larger")
		    assert os.getxattr(path, "user.small") == b"x"
		    try: open(sys.argv[1] + "/g", "wb").write(bytes(60000))
		    except OSError as e: assert e.errno == errno.EDQUOT, e
		    else: raise SystemExit("there is room")
		    os.unlink(sys.argv[1] + "/g")
		    for i in range(3): os.removexattr(path, "user.%d" % i)
		    os.removexattr(path, "user.small")
	PYTHON
	[ "$(used p bytes)" = 144 ]
	rm -r "$mount/p"
}
mv_copies_directories_across() {
	mkdir -p "$mount/from/tree/deep" "$mount/to"
	cp small "$mount/from/tree/deep/f"
	cp large "$mount/from/file"
	"$FAR" quota --bytes=1500K from
	"$FAR" quota --bytes=1500K to
	python3 - "$mount" <<-'PYTHON'
		import errno, os, sys
		mount = sys.argv[1]
		inode = os.stat(mount + "/from/file").st_ino
		os.rename(mount + "/from/file", mount + "/to/file")
		assert os.stat(mount + "/to/file").st_ino == inode
		try: os.rename(mount + "/from/tree", mount + "/to/tree")
		except OSError as e: assert e.errno == errno.EXDEV, e
		else: raise SystemExit("a directory left its quota")
		os.rename(mount + "/from/tree", mount + "/from/tree2")
	PYTHON
	fails 1 'stays below the quota' "$FAR" mv from/tree2 to/tree
	mv "$mount/from/tree2" "$mount/to/tree"
	cmp small "$mount/to/tree/deep/f"
	[ ! -e "$mount/from/tree2" ]
	[ "$(used from objects)" = 0 ]
	[ "$(used to objects)" = 4 ]
	cp large "$mount/from/file"
	fails any 'quota exceeded' mv "$mount/from/file" "$mount/to/other"
	cmp large "$mount/from/file"
	rm -r "$mount/from" "$mount/to"
}
attribute() { # attribute NAME set|get|remove PATH [VALUE]
	python3 - "$@" <<-'PYTHON'
		import errno, os, sys
		name, what, path, *value = sys.argv[1:]
		name = "user.far.quota" + name
		try:
		    if what == "set": os.setxattr(path, name, value[0].encode())
		    elif what == "get": print(os.getxattr(path, name).decode())
		    else: os.removexattr(path, name)
		except OSError as e:
		    sys.exit(errno.errorcode[e.errno])
	PYTHON
}
refused_with() {
	local error=$1
	shift
	refuse attribute "$@" 2>"$temp/message"
	grep -qx "$error" "$temp/message"
}
attributes_set_show_and_remove_it() {
	mkdir "$mount/d"
	cp small "$mount/d/f"
	refused_with ENODATA '' get "$mount/d"
	attribute .bytes set "$mount/d" 1M
	attribute .objects set "$mount/d" 5
	[ "$(attribute '' get "$mount/d")" = 'bytes=144/1048576 objects=1/5' ]
	[ "$(attribute .bytes get "$mount/d")" = 1048576 ]
	[ "$(used d objects_limit)" = 5 ]
	fails any 'quota exceeded' fallocate -l 2M "$mount/d/f"
	attribute .bytes remove "$mount/d"
	refused_with ENODATA .bytes get "$mount/d"
	fallocate -l 2M "$mount/d/f"
	attribute '' remove "$mount/d"
	fails 1 'no quota' "$FAR" quota d
	attribute .objects set "$mount" 1000
	[ "$(used / objects)" = 2 ]
	attribute '' remove "$mount"
	rm -r "$mount/d"
}
attributes_take_nothing_else() {
	mkdir "$mount/d"
	cp small "$mount/d/f"
	for limit in 0 -1 x 1.5K 99999999999999999999 ''; do
		refused_with EINVAL .bytes set "$mount/d" "$limit"
	done
	refused_with EPERM '' set "$mount/d" 5
	refused_with ENOTDIR .bytes set "$mount/d/f" 5
	refused_with ENODATA .bytes remove "$mount/d"
	rm -r "$mount/d"
}
# A quota that its owner could lift would be none.
attributes_are_roots_to_change() {
	local others=$temp/others
	chmod 711 "$temp"
	start_mount "$others" allow_other
	mkdir "$others/d"
	attribute .bytes set "$others/d" 1M
	chown -R 65534:65534 "$others/d"
	python3 - "$others/d" <<-'PYTHON'
		import errno, os, sys
		path = sys.argv[1]
		os.setgroups([])
		os.setresgid(65534, 65534, 65534)
		os.setresuid(65534, 65534, 65534)
		assert os.getxattr(path, "user.far.quota.bytes") == b"1048576"
		for change in lambda: os.setxattr(path, "user.far.quota.bytes", b"1G"), lambda: os.removexattr(path, "user.far.quota.bytes"), lambda: os.removexattr(path, "user.far.quota"):
		    try: change()
		    except OSError as e: assert e.errno == errno.EPERM, e
		    else: raise SystemExit("it was changed")
		os.setxattr(path, "user.own", b"1")
	PYTHON
	attribute '' remove "$others/d"
	rmdir "$others/d"
	umount "$others"
}
copies_have_none() {
	mkdir "$mount/d"
	attribute .bytes set "$mount/d" 1M
	cp -a "$mount/d" "$mount/e"
	refused_with ENODATA '' get "$mount/e"
	rm -r "$mount/d" "$mount/e"
}
df_shows_it() {
	mkdir -p "$mount/d/e"
	"$FAR" quota --bytes=2M --objects=100 d
	cp large "$mount/d/e/f"
	for path in "$mount/d" "$mount/d/e" "$mount/d/e/f"; do
		[ "$(df --output=size,itotal "$path" | tail -1 | xargs)" = '2048 100' ]
		[ "$(df --output=iused "$path" | tail -1 | xargs)" = 2 ]
		df --output=used "$path" | tail -1 | grep -Eq '^ *9[0-9]{2}$'
	done
	[ "$(df --output=size "$mount" | tail -1 | xargs)" = 262144 ]
	rm -r "$mount/d"
}
# Several programs change all they can below three quotas, by mount and by key.
storm() {
	mkdir -p "$mount/s/a/b"
	"$FAR" quota --bytes=3M s
	"$FAR" quota --bytes=1M --objects=50 s/a
	"$FAR" quota --objects=20 s/a/b
	for seed in 1 2 3; do
		python3 - "$mount/s" $seed $((3000 / slower)) <<-'PYTHON' &
			import os, random, sys
			top, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
			r = random.Random(seed)
			directories = [top, top + "/a", top + "/a/b"]
			full = 0
			def name(): return r.choice(directories) + "/" + str(r.randrange(30))
			def write():
			    with open(name(), "r+b" if r.random() < 0.5 else "wb") as f:
			        f.seek(r.randrange(100000)); f.write(bytes(r.choice([10, 3000, 70000, 200000])))
			def tmpfile():
			    fd = os.open(top, os.O_TMPFILE | os.O_RDWR, 0o600)
			    try:
			        os.write(fd, bytes(50000))
			        os.link("/proc/self/fd/%d" % fd, name(), follow_symlinks=True)
			    finally: os.close(fd)
			def space():
			    with open(name(), "r+b") as f: os.posix_fallocate(f.fileno(), r.randrange(100000), 50000)
			def copy():
			    with open(name(), "rb") as f, open(name(), "r+b") as t: os.copy_file_range(f.fileno(), t.fileno(), 100000)
			changes = [write, write, write, tmpfile, space, copy,
			    lambda: os.unlink(name()), lambda: os.rename(name(), name()), lambda: os.link(name(), name()),
			    lambda: os.symlink("x" * r.randrange(1, 1500), name()), lambda: os.truncate(name(), r.randrange(200000)),
			    lambda: os.setxattr(name(), r.choice(["user.a", "user.b"]), bytes(r.choice([10, 3000, 20000]))), lambda: os.removexattr(name(), "user.a"),
			    lambda: os.setxattr(r.choice(directories), "user.a", bytes(r.choice([10, 300, 5000]))), lambda: os.mkdir(name() + "d"), lambda: os.rmdir(name() + "d"), lambda: os.rename(name() + "d", name() + "d")]
			for _ in range(count):
			    try: r.choice(changes)()
			    except OSError as e: full += e.errno == 122
			print("refused:", full)
			assert full > 0
		PYTHON
		pids[seed]=$!
	done
	for seed in 1 2 3; do wait "${pids[seed]}"; done
	"$FAR" quota
	"$FAR" fsck
	rm -r "$mount/s"
	[ -z "$("$FAR" quota)" ]
}
sound() {
	"$FAR" fsck
}

check 'limits are set, shown, listed, changed one by one and removed' set_show_list_and_remove
check 'what is too much is refused; the message names the directory and its use' what_is_too_much_is_refused_and_said
check 'wrong limits, keys and options are refused' wrong_usage
check 'the root may have a quota' the_root_may_have_one
check 'what is there when a quota is set is counted' what_is_there_is_counted
check 'others than root look at quotas, and do not change them' others_than_root_only_look
check 'cp, fallocate, touch, mkdir, ln: Disk quota exceeded; a write is short first' programs_meet_it
check 'a write or fallocate that is refused leaves the file as it was' refused_writes_leave_the_file
check 'extended attributes are charged, those of the directory too, and refused' attributes_are_charged_and_refused
check "a mapping's pages that find no room: msync or fsync says so" mapped_pages_without_room_are_told
check 'files move between quotas by rename, directories are copied by mv' mv_copies_directories_across
check 'df shows the quota as the size of what is below it' df_shows_it
check 'user.far.quota.bytes and .objects set, show and remove it' attributes_set_show_and_remove_it
check 'they take nothing but limits, of directories' attributes_take_nothing_else
check 'only root changes them, whoever owns the directory' attributes_are_roots_to_change
check 'a copy of a directory has no quota' copies_have_none
check 'what is charged is what is there behind a storm of changes' storm
check 'the structures fit together' sound
finish
