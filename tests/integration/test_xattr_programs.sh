#!/bin/bash
# Programs that know extended attributes, ACLs and file capabilities: getfattr, setfacl, setcap, and those that copy trees with all of that, to the mount and back.
. "$(dirname "$0")/harness.sh"
need_fuse
for program in getfattr setfacl setcap rsync; do
	PATH=$PATH:/sbin:/usr/sbin command -v $program >/dev/null || skip_all "no $program here"
done
PATH=$PATH:/sbin:/usr/sbin
setfattr -n user.probe "$temp" 2>/dev/null || skip_all "no user attributes on the local file system (a tmpfs has them since Linux 6.6)"
start_server 256M
mnt=$temp/mnt second=$temp/second plain=$temp/plain source=$temp/source
start_mount "$mnt" acl,nofacts,dev,suid
start_mount "$second" acl,nofacts
start_mount "$plain"
chmod 755 "$temp"

# A tree with everything that is to be kept: on a local file system with attributes.
make_source() {
	mkdir -p "$source/dir/below"
	echo text >"$source/file"
	head -c 300000 /dev/urandom >"$source/large"
	ln "$source/file" "$source/dir/hard"
	ln -s file "$source/link"
	mkfifo "$source/fifo"
	mknod "$source/char" c 1 3
	mknod "$source/block" b 7 0
	setfattr -n user.text -v "some text" "$source/file"
	setfattr -n user.empty "$source/dir"
	setfattr -n user.binary -v 0x00ff0a "$source/large"
	setfattr -n user.long -v "$(head -c 2000 /dev/zero | tr '\0' l)" "$source/large"
	setfattr -n trusted.mark -v root "$source/dir/below"
	setfattr -h -n trusted.link -v mine "$source/link"
	setfacl -m u:1234:rw,g:4321:r "$source/large"
	setfacl -m u:1234:rwx -d -m u:1234:rx,g:4321:rwx "$source/dir"
	setcap cap_net_raw+ep "$source/large"
	chown 1000:1001 "$source/file" "$source/dir"
	chmod 4755 "$source/dir/below"
	# rsync takes times within one second for the same.
	find "$source" -depth -print0 | xargs -0 touch -h -d '2001-02-03 04:05:06.789'
	tell "$source" >"$temp/told"
	for line in 'user.text="some text"' 'trusted.link="mine"' 'default:user:1234:r-x' './large cap_net_raw=ep' '1 3' './fifo p 644.*'; do
		grep -qx "$line" "$temp/told"
	done
}

# All that the copies must have in common with the source, as text.
tell() {
	cd "$1" || return
	while read -r path; do
		find "$path" -maxdepth 0 ! -type d -printf '%p %y %m %U %G %n %l %s %T@\n' -o -printf '%p %y %m %U %G %T@\n'
		stat -c '%t %T' "$path"
		getfattr -dhm '^(user|trusted|security)\.' "$path" | grep -v '^$' || true
		[ -L "$path" ] || getfacl -pn "$path"
	done < <(find . | sort)
	getcap -r . | sort
}
same() { diff <(tell "$1" 2>&1) <(tell "$2" 2>&1); }
# There and, by another mount, back.
there_and_back() {
	local name=$1
	shift
	mkdir -p "$mnt/$name" "$temp/back-$name"
	"$@" "$source" "$mnt/$name"
	same "$source" "$second/$name"
	"$@" "$second/$name" "$temp/back-$name"
	same "$source" "$temp/back-$name"
}

by_rsync() { rsync -aHAX "$1/" "$2/"; }
by_cp() { cp -a "$1/." "$2/"; }
by_tar() { tar --xattrs --xattrs-include='*' --acls --numeric-owner -C "$1" -cf - . | tar --xattrs --xattrs-include='*' --acls --numeric-owner -C "$2" -xpf -; }

getfattr_facts() {
	echo text >"$plain/facts"
	setfattr -n user.own -v mine "$plain/facts"
	[ "$(getfattr -d --absolute-names --only-values -n user.far.version "$plain/facts")" -ge 1 ]
	getfattr -d --absolute-names "$plain/facts" >"$temp/shown"
	grep -qx 'user.own="mine"' "$temp/shown"
	grep -qxE 'user.far.version="[0-9]+"' "$temp/shown"
	grep -qx 'user.far.location="inline"' "$temp/shown"
	[ "$(getfattr -d --absolute-names "$mnt/facts" | grep -c user.)" -eq 1 ]
}

# Facts are listed here: the programs must not fail over them, in no direction.
with_facts() {
	local name=$1
	shift
	mkdir -p "$plain/$name" "$temp/facts-$name" "$plain/$name-again"
	"$@" "$temp/own" "$plain/$name"
	"$@" "$plain/$name" "$temp/facts-$name"
	"$@" "$temp/facts-$name" "$plain/$name-again"
	"$@" "$temp/own" "$plain/$name-again"
	[ "$(cat "$plain/$name-again/file")" = text ]
	[ "$(getfattr --only-values --absolute-names -n user.text "$plain/$name-again/file")" = kept ]
	getfattr -n user.far.version --only-values --absolute-names "$plain/$name-again/file" | grep -qxE '[0-9]+'
}
make_own() {
	mkdir "$temp/own"
	echo text >"$temp/own/file"
	setfattr -n user.text -v kept "$temp/own/file"
}
by_rsync_x() { rsync -aHX "$1/" "$2/"; }
by_cp_x() { cp -r --preserve=all "$1/." "$2/"; }
by_tar_x() { tar --xattrs --xattrs-include='user.*' -C "$1" -cf - . | tar --xattrs --xattrs-include='user.*' -C "$2" -xf - 2>&1 | if grep .; then false; fi; }
without_facts() {
	mkdir -p "$temp/filtered"
	rsync -aX --filter='-x user.far.*' "$plain/rsync/" "$temp/filtered/"
	[ "$(getfattr -d --absolute-names "$temp/filtered/file" | grep -c '^user')" -eq 1 ]
}

nothing_left() { [ -z "$(rsync -aHAXni --delete "$source/" "$second/rsync/")" ]; }

capabilities() {
	cp "$(command -v getcap)" "$mnt/program"
	setcap cap_net_raw,cap_net_admin+ep "$mnt/program"
	getcap "$second/program" | grep -q 'cap_net_admin,cap_net_raw=ep'
	"$mnt/program" -h >/dev/null 2>&1 || true
	echo >>"$second/program"
	[ -z "$(getcap "$mnt/program")" ]
	setcap cap_net_raw+ep "$mnt/program"
	setcap -r "$mnt/program"
	[ -z "$(getcap "$second/program")" ]
}

# What runs has the capabilities of its file, where the mount allows set-uid.
capability_counts() {
	cp "$(command -v grep)" "$mnt/shows"
	chmod 755 "$mnt/shows"
	setcap cap_net_raw+ep "$mnt/shows"
	setpriv --reuid 1234 --regid 1234 --clear-groups "$mnt/shows" -q 'CapEff:.*0000002000' /proc/self/status
	refuse setpriv --reuid 1234 --regid 1234 --clear-groups "$second/shows" -q 'CapEff:.*0000002000' /proc/self/status
}

put_keeps() {
	echo one >"$mnt/key"
	setfattr -n user.note -v kept "$mnt/key"
	setfacl -m u:1234:rw "$mnt/key"
	echo two | "$FAR" put - key
	[ "$(cat "$second/key")" = two ]
	[ "$(getfattr --only-values --absolute-names -n user.note "$second/key")" = kept ]
	getfacl -p "$second/key" | grep -q '^user:1234:rw-'
}

all_comes_back() {
	local free
	free=$(free_bytes)
	mkdir "$mnt/many"
	for i in $(seq 50); do
		echo "$i" >"$mnt/many/$i"
		setfattr -n user.big -v "$(head -c 30000 /dev/zero | tr '\0' "$((i % 10))")" "$mnt/many/$i"
	done
	[ "$(free_bytes)" -lt $((free - 1000000)) ]
	rm -r "$mnt/many"
	wait_until 50 has_free $((free - 400000))
}
has_free() { [ "$(free_bytes)" -ge "$1" ]; }

acl_listing() {
	mkdir "$mnt/listed"
	setfacl -m u:1234:r "$mnt/listed"
	# shellcheck disable=SC2012
	ls -ld "$second/listed" | grep -q '^drwxr-xr-x+'
}

check "a source with attributes, ACLs, capabilities and device nodes" make_source
check "rsync -aHAX there and back" there_and_back rsync by_rsync
check "and nothing is left for it to do" nothing_left
check "cp -a there and back" there_and_back cp by_cp
check "tar --xattrs --acls there and back" there_and_back tar by_tar
check "getfattr -d shows the facts, but where they are not to be listed" getfattr_facts
check "a source for mounts that list facts" make_own
check "rsync -X copies files with facts, to and fro" with_facts rsync by_rsync_x
check "cp --preserve=all, too" with_facts cp by_cp_x
check "tar --xattrs, too" with_facts tar by_tar_x
check "facts can be left out" without_facts
check "setcap and getcap; a write ends capabilities" capabilities
check "capabilities count where the mount lets them" capability_counts
check "a put of a key keeps its attributes and ACL" put_keeps
check "ls shows that there is an ACL" acl_listing
check "deleted files give the memory of their attributes back" all_comes_back
finish
