# Sourced by scripts/rdma-vm: the kernel, out of Debian's package as it is, and an initramfs that holds a busybox, the modules and rdma_vm_init.sh.
vm_modules=(virtio_pci virtio_console 9pnet_virtio 9p overlay veth fuse ib_uverbs rdma_ucm crc32_generic crc32_pclmul rdma_rxe)

fetch_kernel() {
	local package=$1 folder=$2
	(cd "$folder" && apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb kernel && rm -f "$package"_*.deb) >"$folder/kernel.log" 2>&1 ||
		{ cat "$folder/kernel.log" >&2; return 1; }
}

# The modules and what they need, in the order in which they can be loaded.
copy_modules() {
	local kernel=$1 version=$2 to=$3 module file
	depmod -b "$kernel" "$version" || return 1
	for module in "${vm_modules[@]}"; do
		modprobe -d "$kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
	done | awk '!seen[$0]++' | while read -r file; do
		cp "$file" "$to/" && basename "$file" >>"$to/order"
	done
	grep -q rdma_rxe "$to/order"
}

# build_image FOLDER: vmlinuz and initramfs.gz there, made again when the kernel package or the scripts are newer.
build_image() {
	local folder=$1 package version stamp initramfs
	package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ {print $2; exit}')
	[ -n "$package" ] || { apt-get update -qq && package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ {print $2; exit}'); }
	if [ -z "$package" ]; then
		[ -s "$folder/initramfs.gz" ] && return 0
		echo "scripts/rdma-vm: apt knows no package linux-image-amd64" >&2
		return 1
	fi
	version=${package#linux-image-}
	stamp="$package $(cat "$root/scripts/lib/rdma_vm_init.sh" "$root/scripts/lib/rdma_vm_image.sh" | sha256sum)"
	[ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ] || return 0
	rm -rf "$folder" && mkdir -p "$folder" && initramfs=$(mktemp -d) || return 1
	fetch_kernel "$package" "$folder" || return 1
	mkdir -p "$initramfs"/{bin,modules,proc,sys,dev,host,conf,layer,root}
	cp "$(command -v busybox)" "$initramfs/bin/busybox" &&
		cp "$root/scripts/lib/rdma_vm_init.sh" "$initramfs/init" && chmod +x "$initramfs/init" &&
		copy_modules "$folder/kernel" "$version" "$initramfs/modules" &&
		(cd "$initramfs" && find . | cpio -o -H newc --quiet | gzip -1) >"$folder/initramfs.gz" &&
		cp "$folder/kernel/boot/vmlinuz-$version" "$folder/vmlinuz" &&
		echo "$stamp" >"$folder/stamp"
	local status=$?
	rm -rf "$initramfs" "$folder/kernel"
	return $status
}
