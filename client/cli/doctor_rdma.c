#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/doctor.h"
#include "client/cli/doctor_port.h"
#include "client/cli/doctor_text.h"
#include "client/cli/doctor_tree.h"
#include "fabric/fabric.h"
#include "far/cleanup.h"

// What RDMA needs beside its ports (doctor_port.c): devices, modules, device files, locked memory, and CPUs near the adapter.

static void check_provider(struct doctor *doctor)
{
	struct fabric_options options = {0};
	struct fabric *fabric = NULL;
	struct fabric_error error;

	if (!doctor_is_live(doctor))
		return;
	if (fabric_open("rdma", &options, &fabric, &error) == -EPROTONOSUPPORT)
		doctor_advise(doctor_add(doctor, doctor_rdma_problem(doctor), "provider", "rdma:// is not built in"),
		        "build FarFS anew with its libraries there: apt-get install libibverbs-dev librdmacm-dev && meson setup --wipe "
		        "-Dverbs=enabled build");
	else
		doctor_add(doctor, DOCTOR_OK, "provider", "rdma:// is built in");
	fabric_close(fabric);
}

static void check_module(struct doctor *doctor, const char *module, const char *purpose)
{
	struct doctor_finding *finding;
	char name[64];

	snprintf(name, sizeof(name), "module %s", module);
	if (doctor_has_module(doctor, module)) {
		doctor_add(doctor, DOCTOR_OK, name, "there");
		return;
	}
	finding = doctor_add(doctor, doctor_rdma_problem(doctor), name, "not loaded: %s", purpose);
	doctor_advise(finding, "modprobe %s && echo %s >>/etc/modules-load.d/farfs.conf", module, module);
}

static void check_modules(struct doctor *doctor)
{
	check_module(doctor, "ib_uverbs", "programs cannot reach the devices");
	check_module(doctor, "rdma_cm", "addresses cannot be resolved to devices");
	check_module(doctor, "rdma_ucm", "librdmacm cannot connect");
	if (doctor_has_module(doctor, "rdma_rxe"))
		doctor_add(doctor, DOCTOR_NOTE, "module rdma_rxe", "loaded: Soft-RoCE, RDMA without an adapter, at the speed of the CPU");
}

static void check_file(struct doctor *doctor, const char *file, const char *name)
{
	int error = doctor_try_open(doctor, "dev/infiniband/%s", file);
	struct doctor_finding *finding;

	if (error == 0) {
		doctor_add(doctor, DOCTOR_OK, name, "can be opened");
		return;
	}
	finding = doctor_add(doctor, doctor_rdma_problem(doctor), name, "cannot be opened: %s", strerror(-error));
	if (error == -EACCES || error == -EPERM)
		doctor_advise(finding,
		        "let this user open it: chmod 0666 /dev/infiniband/%s (rdma-core's udev rules do so: apt-get install rdma-core)",
		        file);
	else
		doctor_advise(
		        finding, "modprobe ib_uverbs rdma_ucm; in a container pass the device file in: --device /dev/infiniband/%s", file);
}

static void check_device_files(struct doctor *doctor, const char *device)
{
	CLEANUP(doctor_names) struct doctor_names files = {0};

	doctor_list(doctor, &files, "sys/class/infiniband_verbs");
	for (int i = 0; i < files.count; i++) {
		const char *file = files.entries[i]->d_name;
		char belongs_to[DOCTOR_TEXT];
		char name[80];

		if (doctor_read(doctor, belongs_to, "sys/class/infiniband_verbs/%s/ibdev", file) || strcmp(belongs_to, device) != 0)
			continue;
		snprintf(name, sizeof(name), "/dev/infiniband/%.50s", file);
		check_file(doctor, file, name);
		return;
	}
	doctor_advise(
	        doctor_add(doctor, doctor_rdma_problem(doctor), "/dev/infiniband", "no uverbs file for %s", device), "modprobe ib_uverbs");
}

// A server whose memory and CPUs are on another node than the adapter pays the way between for each access of the adapter.
static void check_numa(struct doctor *doctor, const char *device)
{
	CLEANUP(doctor_names) struct doctor_names nodes = {0};
	char cpus_there[DOCTOR_TEXT];
	char cpus_allowed[DOCTOR_TEXT];
	struct doctor_finding *finding;
	char name[96];
	int64_t node;

	if (doctor_read_number(doctor, &node, "sys/class/infiniband/%s/device/numa_node", device) || node < 0)
		return;
	snprintf(name, sizeof(name), "%.60s NUMA node", device);
	doctor_list(doctor, &nodes, "sys/devices/system/node");
	doctor_read(doctor, cpus_there, "sys/devices/system/node/node%lld/cpulist", (long long)node);
	doctor_read_field(doctor, "proc/self/status", "Cpus_allowed_list", cpus_allowed);
	if (!doctor_exists(doctor, "sys/devices/system/node/node1")) {
		doctor_add(doctor, DOCTOR_OK, name, "%lld, the only one", (long long)node);
		return;
	}
	if (cpus_overlap(cpus_there, cpus_allowed))
		finding = doctor_add(
		        doctor, DOCTOR_NOTE, name, "%lld, with CPUs %.100s: the server is fastest there", (long long)node, cpus_there);
	else
		finding = doctor_add(doctor, DOCTOR_WARN, name, "%lld, with CPUs %.100s, but this process may run on %.100s only",
		        (long long)node, cpus_there, cpus_allowed);
	doctor_advise(finding, "numactl --cpunodebind=%lld --membind=%lld far-server ...", (long long)node, (long long)node);
}

static void report_no_device(struct doctor *doctor)
{
	struct doctor_finding *finding;

	if (!doctor->is_asked[DOCTOR_RDMA]) {
		doctor_add(doctor, DOCTOR_NOTE, "devices", "none, FarFS uses TCP and shared memory");
		return;
	}
	finding = doctor_add(doctor, DOCTOR_FAIL, "devices", "none");
	doctor_advise(finding, "if lspci shows an adapter, load its driver, like modprobe mlx5_ib; without one take Soft-RoCE: modprobe "
	                       "rdma_rxe && rdma link "
	                       "add rxe0 type rxe netdev INTERFACE");
}

void doctor_check_rdma(struct doctor *doctor)
{
	CLEANUP(doctor_names) struct doctor_names devices = {0};

	doctor->group = DOCTOR_RDMA;
	doctor_list(doctor, &devices, "sys/class/infiniband");
	if (devices.count == 0) {
		report_no_device(doctor);
		if (!doctor->is_asked[DOCTOR_RDMA])
			return;
	}
	check_provider(doctor);
	for (int i = 0; i < devices.count; i++) {
		const char *device = devices.entries[i]->d_name;

		doctor_check_ports(doctor, device);
		check_device_files(doctor, device);
		check_numa(doctor, device);
	}
	check_modules(doctor);
	if (devices.count > 0)
		check_file(doctor, "rdma_cm", "/dev/infiniband/rdma_cm");
	doctor_check_memlock(doctor, doctor_rdma_problem(doctor));
}
