#!/bin/bash
# Large files: 3 GiB sparse, 256 MiB dense (FARFS_LONG=4: 1 GiB), offsets beyond 4 GiB.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 1536M
mnt=$temp/mnt
start_mount "$mnt"

dense=$temp/dense sparse=$temp/sparse size=$((256 * ${FARFS_LONG:-1}))
# Random enough, and quick to make: a counter through a cipher.
openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 0 -in /dev/zero 2>/dev/null | head -c ${size}M >"$dense"
truncate -s 3G "$sparse"
for offset in 0 1000000007 2500000000 3221225000; do
	dd if="$dense" of="$sparse" bs=1 count=200 seek=$offset conv=notrunc status=none
done

copy_dense() { cp -a "$dense" "$mnt/dense" && cmp "$dense" "$mnt/dense"; }
copy_sparse() { cp -a --sparse=always "$sparse" "$mnt/sparse" && cmp "$sparse" "$mnt/sparse"; }
is_sparse() { [ "$(stat -c %s "$mnt/sparse")" -eq 3221225472 ] && [ "$(du -k "$mnt/sparse" | cut -f1)" -lt 2048 ]; }
rsync_dense() { rm "$mnt/dense" && rsync -a "$dense" "$mnt/dense" && [ "$(sha256sum <"$dense")" = "$(sha256sum <"$mnt/dense")" ]; }
# Whole files have been compared: here what lies around the data.
around_data() {
	local offset
	for offset in 0 1000000000 2499000000 3220225000; do
		cmp --ignore-initial $offset --bytes 2000000 "$sparse" "$mnt/sparse" || return 1
	done
}
rsync_sparse() { rm "$mnt/sparse" && rsync -aS "$sparse" "$mnt/sparse" && is_sparse && around_data; }
beyond_4_gib() {
	printf 'far out' | dd of="$mnt/beyond" bs=1 seek=5000000000 conv=notrunc status=none
	[ "$(stat -c %s "$mnt/beyond")" -eq 5000000007 ]
	[ "$(tail -c 7 "$mnt/beyond")" = 'far out' ]
	[ "$(dd if="$mnt/beyond" bs=1M skip=4500 count=1 status=none | tr -d '\0' | wc -c)" -eq 0 ]
	[ "$("$FAR" get --offset 5000000000 beyond)" = 'far out' ]
}
by_key() { "$FAR" get dense | cmp - "$dense"; }
put_by_key() { rm -f "$mnt/dense" && "$FAR" put - dense <"$dense" && cmp "$dense" "$mnt/dense"; }

check "$size MiB dense by cp -a" copy_dense
check "3 GiB sparse by cp -a" copy_sparse
check "the sparse file takes no room for its holes" is_sparse
check "far get gives the same $size MiB" by_key
check "$size MiB dense by rsync -a" rsync_dense
check "3 GiB sparse by rsync -aS" rsync_sparse
check "offsets beyond 4 GiB" beyond_4_gib
check "$size MiB by far put, read through the mount" put_by_key
finish
