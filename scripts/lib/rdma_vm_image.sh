# Sourced by scripts/rdma-vm: the kernel, out of Debian's package as it is, and an initramfs that holds a busybox, the modules and rdma_vm_init.sh.
# Not crc32_pclmul: each packet's checksum is taken twice, and a carry-less multiplication that is emulated is no help: ib_read_lat of 4 KiB takes 143 us with it, 86 without; of 1 MiB 36 and 17 ms.
vm_modules=(virtio_pci virtio_console 9pnet_virtio 9p overlay veth sch_netem fuse ib_uverbs rdma_ucm crc32_generic rdma_rxe)
vm_modules_nfs=(nfsd nfsv4 rpcrdma) # with --nfs

fetch_kernel() {
	local package=$1 folder=$2
	# A list of packages that is out of date names files that are gone: refresh it once.
	(
		cd "$folder" && { apt-get download -qq "$package" || { apt-get update -qq && apt-get download -qq "$package"; }; } &&
			dpkg-deb -x "$package"_*.deb kernel && rm -f "$package"_*.deb
	) >"$folder/kernel.log" 2>&1 || { cat "$folder/kernel.log" >&2; return 1; }
}

# copy_modules KERNEL VERSION TO ORDER MODULE...: the modules and what they need that is not there yet; the file ORDER names them in the order in which they can be loaded.
copy_modules() {
	local kernel=$1 version=$2 to=$3 order=$4 module file
	shift 4
	for module in "$@"; do
		modprobe -d "$kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
	done | awk '!seen[$0]++' | while read -r file; do
		[ -e "$to/${file##*/}" ] || { cp "$file" "$to/" && echo "${file##*/}" >>"$to/$order"; }
	done
	grep -q "^${*: -1}\." "$to/$order"
}

kernel_package() {
	apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ {print $2; exit}'
}

# make_image FOLDER PACKAGE: the folder is new, and goes if this fails.
make_image() {
	local folder=$1 package=$2 initramfs=$1/initramfs version=${2#linux-image-}
	mkdir -p "$initramfs"/{bin,modules,proc,sys,dev,host,conf,layer,root} || return 1
	fetch_kernel "$package" "$folder" || return 1
	cp "$(command -v busybox)" "$initramfs/bin/busybox" &&
		cp "$root/scripts/lib/rdma_vm_init.sh" "$initramfs/init" && chmod +x "$initramfs/init" &&
		depmod -b "$folder/kernel" "$version" &&
		copy_modules "$folder/kernel" "$version" "$initramfs/modules" order "${vm_modules[@]}" &&
		copy_modules "$folder/kernel" "$version" "$initramfs/modules" order-nfs "${vm_modules_nfs[@]}" &&
		(cd "$initramfs" && find . | cpio -o -H newc --quiet | gzip -1) >"$folder/initramfs.gz" &&
		cp "$folder/kernel/boot/vmlinuz-$version" "$folder/vmlinuz" &&
		rm -rf "$initramfs" "$folder/kernel"
}

# build_image FOLDER SCRATCH: vmlinuz and initramfs.gz in the folder, made again, in the scratch folder, when the kernel package or the scripts are newer.
build_image() {
	local folder=$1 scratch=$2 package stamp
	package=$(kernel_package)
	[ -n "$package" ] || { apt-get update -qq && package=$(kernel_package); }
	if [ -z "$package" ]; then
		[ -s "$folder/stamp" ] && return 0
		echo "scripts/rdma-vm: apt knows no package linux-image-amd64" >&2
		return 1
	fi
	stamp="$package $(cat "$root/scripts/lib/rdma_vm_init.sh" "$root/scripts/lib/rdma_vm_image.sh" | sha256sum)"
	[ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ] || return 0
	make_image "$scratch" "$package" || return 1
	echo "$stamp" >"$scratch/stamp"
	rm -rf "$folder" && mv "$scratch" "$folder"
}
