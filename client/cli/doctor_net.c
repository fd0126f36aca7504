#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/doctor.h"
#include "client/cli/doctor_text.h"
#include "client/cli/doctor_tree.h"
#include "fabric/fabric.h"
#include "fabric/probe/probe.h"
#include "far.h"
#include "far/limits.h"

// What shared memory and TCP need: io_uring, descriptors, the runtime folder, room for packets under way; and whether a server answers.

// What far-server asks for at its start: a descriptor a lane, and some beside (server/descriptors.c).
#define DESCRIPTORS ((uint64_t)FAR_SESSIONS_MAX * FAR_LANES_PER_SESSION + 64)

// 25 Gb/s times a round trip of 1 ms is 3 MiB under way, which one connection may have only if the kernel's buffers may grow so far. The kernel's own default is 6 MiB to
// receive and 4 MiB to send (tcp(7)).
#define BUFFER_MAX (4ULL << 20)

static const char *why_forbidden(const struct doctor *doctor, int64_t disabled, int error)
{
	if (disabled == 2)
		return "forbidden for all (kernel.io_uring_disabled=2)";
	if (disabled == 1)
		return "allowed for root and the group of kernel.io_uring_group alone (kernel.io_uring_disabled=1)";
	if (error == -ENOSYS)
		return "not in this kernel, or filtered";
	return doctor_is_live(doctor) ? strerror(-error) : "unknown";
}

static void check_uring(struct doctor *doctor)
{
	struct doctor_finding *finding;
	int64_t disabled = 0;
	int error = 0;

	if (doctor_read_number(doctor, &disabled, "proc/sys/kernel/io_uring_disabled"))
		disabled = 0; // before Linux 6.6 there is no such setting
	if (doctor_is_live(doctor))
		error = probe_uring();
	else if (disabled == 2)
		error = -EPERM;
	if (error == 0 && disabled == 0) {
		doctor_add(doctor, DOCTOR_OK, "io_uring", "%s", doctor_is_live(doctor) ? "works" : "allowed");
		return;
	}
	finding = doctor_add(doctor, error ? DOCTOR_FAIL : DOCTOR_NOTE, "io_uring", "%s%s", why_forbidden(doctor, disabled, error),
	        error ? ": tcp:// does not work" : "");
	if (disabled)
		doctor_advise(
		        finding, "sysctl -w kernel.io_uring_disabled=0 && echo kernel.io_uring_disabled=0 >>/etc/sysctl.d/farfs.conf");
	else if (error == -ENOMEM)
		doctor_advise(finding, "raise the limit of locked memory, which old kernels count rings in: ulimit -l unlimited");
	else
		doctor_advise(finding, "in a container allow io_uring_setup, io_uring_enter and io_uring_register: --security-opt "
		                       "seccomp=PROFILE.json, or =unconfined");
}

static void check_descriptors(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char limits[DOCTOR_TEXT];
	uint64_t soft;
	uint64_t hard;

	if (doctor_read_field(doctor, "proc/self/limits", "Max open files", limits) || limit_parse(limits, &soft, &hard))
		return;
	if (hard >= DESCRIPTORS) {
		doctor_add(doctor, DOCTOR_OK, "open files", "up to %llu", (unsigned long long)hard);
		return;
	}
	// The server raises its soft limit to the hard one by itself.
	finding = doctor_add(doctor, hard < 1024 ? DOCTOR_WARN : DOCTOR_NOTE, "open files",
	        "up to %llu: %u sessions of %u connections need %llu", (unsigned long long)hard, FAR_SESSIONS_MAX, FAR_LANES_PER_SESSION,
	        (unsigned long long)DESCRIPTORS);
	doctor_advise(finding, "for many clients, as root: ulimit -n %llu; for the service: LimitNOFILE=%llu by systemctl edit far-server",
	        (unsigned long long)DESCRIPTORS, (unsigned long long)DESCRIPTORS);
}

// The server makes the folder itself, but nothing above it.
static void check_folder(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char local[108];
	char path[4096];
	struct stat status;
	char *folder;
	int error;

	if (fabric_address_local_socket(FAR_PORT_DEFAULT, local)) {
		doctor_advise(doctor_add(doctor, DOCTOR_FAIL, "runtime folder", "its path is too long for a socket"),
		        "export FARFS_RUNTIME_DIR=/run/farfs");
		return;
	}
	folder = dirname(local);
	error = stat(doctor_path(doctor, path, "%s", folder + 1), &status) ? -errno : 0;
	if (error == -ENOENT)
		error = access(dirname(path), W_OK) ? -errno : 0;
	else if (error == 0 && !S_ISDIR(status.st_mode))
		error = -ENOTDIR;
	else if (error == 0)
		error = access(path, W_OK) ? -errno : 0;
	if (error == 0) {
		doctor_add(doctor, DOCTOR_OK, "runtime folder", "%s can be written to", folder);
		return;
	}
	finding = doctor_add(
	        doctor, DOCTOR_FAIL, "runtime folder", "%s: %s: no server can offer shared memory there", folder, strerror(-error));
	doctor_advise(finding, "mkdir -p \"$HOME/.farfs\" && export FARFS_RUNTIME_DIR=\"$HOME/.farfs\", for server and clients");
}

// The kernel sizes a connection's buffers by itself, up to the last number of tcp_rmem and tcp_wmem; net.core's maxima bind only programs that ask for a size, which FarFS
// does not.
static void check_buffers(struct doctor *doctor)
{
	static const struct {
		const char *name;
		const char *core;
		const char *advice;
	} sides[] = {
	        {"tcp_rmem", "rmem_max",
	                "sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456' && echo net.ipv4.tcp_rmem=4096 131072 6291456 "
	                ">>/etc/sysctl.d/farfs.conf"},
	        {"tcp_wmem", "wmem_max",
	                "sysctl -w net.ipv4.tcp_wmem='4096 16384 4194304' && echo net.ipv4.tcp_wmem=4096 16384 4194304 "
	                ">>/etc/sysctl.d/farfs.conf"},
	};

	for (int i = 0; i < 2; i++) {
		char text[DOCTOR_TEXT];
		char core[DOCTOR_TEXT];
		char name[64];
		uint64_t most;

		if (doctor_read(doctor, text, "proc/sys/net/ipv4/%s", sides[i].name))
			continue;
		doctor_read(doctor, core, "proc/sys/net/core/%s", sides[i].core);
		most = last_number(text);
		snprintf(name, sizeof(name), "net.ipv4.%s", sides[i].name);
		if (most >= BUFFER_MAX)
			doctor_add(doctor, DOCTOR_OK, name, "grows to %llu (net.core.%s %.40s)", (unsigned long long)most, sides[i].core,
			        core);
		else
			doctor_advise(doctor_add(doctor, DOCTOR_WARN, name,
			                      "grows to %llu only (net.core.%s %.40s): too little for a fast link to a far host",
			                      (unsigned long long)most, sides[i].core, core),
			        "%s", sides[i].advice);
	}
}

static void check_server(struct doctor *doctor)
{
	struct far_options options = {.size = sizeof(options), .timeout_ms = 3000, .lanes = 1, .name = "far doctor"};
	struct far_statistics statistics;
	far_session *session;
	int error;

	if (!doctor_is_live(doctor))
		return;
	error = far_connect(doctor->address, &options, &session);
	if (error) {
		doctor_advise(
		        doctor_add(doctor, DOCTOR_NOTE, "server", "none answers at %.100s: %.180s", doctor->address, far_last_error()),
		        "start one: far-server --pool %lluM; or name another: far doctor --server ADDRESS",
		        (unsigned long long)(doctor->pool >> 20));
		return;
	}
	far_statistics(session, &statistics);
	doctor_add(doctor, DOCTOR_OK, "server", "answers at %.150s, by %s", statistics.address, statistics.provider);
	far_close(session);
}

void doctor_check_net(struct doctor *doctor)
{
	doctor->group = DOCTOR_NET;
	check_uring(doctor);
	check_descriptors(doctor);
	check_folder(doctor);
	check_buffers(doctor);
	check_server(doctor);
}
