#!/bin/busybox sh
# The first process of the virtual machine: loads the modules, puts a writable layer of memory over the host's files, and goes on there with rdma_vm_guest.sh.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
orders=/modules/order
grep -qw rdma_vm_nfs /proc/cmdline && orders="$orders /modules/order-nfs"
for module in $(cat $orders); do
	insmod "/modules/$module" || echo "cannot load $module"
done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /host || echo "no host files"
mount -t 9p -o trans=virtio,version=9p2000.L,ro conf /conf
mount -t tmpfs -o size=75% layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root || echo "no overlay"
mount --move /proc /root/proc
mount --move /sys /root/sys
mount --move /dev /root/dev
mkdir -p /root/dev/pts /root/dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /root/dev/pts
mount -t tmpfs shm /root/dev/shm
mount -t tmpfs run /root/run
mkdir -p /root/run/rdma-vm /root/run/rdma-vm.conf
mount -t 9p -o trans=virtio,version=9p2000.L out /root/run/rdma-vm
mount --move /conf /root/run/rdma-vm.conf
script=$(sed 's/.*root_script=\([^ ]*\).*/\1/' /root/proc/cmdline)
chroot /root /bin/bash "$script" </root/dev/hvc0 >/root/dev/hvc0 2>&1
sync
echo o >/root/proc/sysrq-trigger
sleep 10
