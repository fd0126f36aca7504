#include "client/cli/doctor_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/doctor_text.h"
#include "client/cli/doctor_tree.h"
#include "fabric/probe/probe.h"
#include "far/cleanup.h"

// RDMA ports from sysfs (Documentation/ABI/stable/sysfs-class-infiniband). A port that is down says little more than that, so its GIDs and MTU are looked at only when
// it is up.

#define PORT "sys/class/infiniband/%s/ports/%s/"

static bool is_active(const struct doctor *doctor, const char *device, const char *port)
{
	char state[DOCTOR_TEXT];

	return doctor_read(doctor, state, PORT "state", device, port) == 0 && strstr(state, "ACTIVE");
}

bool doctor_port_any_active(const struct doctor *doctor)
{
	CLEANUP(doctor_names) struct doctor_names devices;

	doctor_list(doctor, &devices, "sys/class/infiniband");
	for (int i = 0; i < devices.count; i++) {
		const char *device = devices.entries[i]->d_name;
		CLEANUP(doctor_names) struct doctor_names ports;

		doctor_list(doctor, &ports, "sys/class/infiniband/%s/ports", device);
		for (int j = 0; j < ports.count; j++)
			if (is_active(doctor, device, ports.entries[j]->d_name))
				return true;
	}
	return false;
}

// The network interface of a port: what its GIDs stand on, else what the device has, else Soft-RoCE's. "" if there is none.
static void find_interface(const struct doctor *doctor, const char *device, const char *port, char name[DOCTOR_TEXT])
{
	CLEANUP(doctor_names) struct doctor_names gids;
	CLEANUP(doctor_names) struct doctor_names interfaces;

	doctor_list(doctor, &gids, PORT "gid_attrs/ndevs", device, port);
	for (int i = 0; i < gids.count; i++)
		if (doctor_read(doctor, name, PORT "gid_attrs/ndevs/%s", device, port, gids.entries[i]->d_name) == 0 && name[0])
			return;
	doctor_list(doctor, &interfaces, "sys/class/infiniband/%s/device/net", device);
	if (interfaces.count > 0)
		snprintf(name, DOCTOR_TEXT, "%s", interfaces.entries[0]->d_name);
	else
		doctor_read(doctor, name, "sys/class/infiniband/%s/parent", device);
}

// --- the link ---

static void advise_link(struct doctor_finding *finding, const char *state, const char *link_layer, const char *interface)
{
	if (strcmp(link_layer, "InfiniBand") == 0 && (strstr(state, "INIT") || strstr(state, "ARMED")))
		doctor_advise(finding, "no subnet manager has set the port up: start one in the fabric, here or on a switch: systemctl "
		                       "enable --now opensm");
	else if (interface[0])
		doctor_advise(finding, "ip link set dev %s up; if it stays down, look at cable, module and switch port: ethtool %s",
		        interface, interface);
	else
		doctor_advise(finding, "look at cable, module and switch port, and at what the driver says: rdma link; dmesg | grep -i -e "
		                       "mlx -e roce -e infiniband");
}

static void check_link(struct doctor *doctor, const char *device, const char *port, const char *name, const char *interface)
{
	char state[DOCTOR_TEXT];
	char physical[DOCTOR_TEXT];
	char rate[DOCTOR_TEXT];
	char layer[DOCTOR_TEXT];
	const char *state_word;
	const char *physical_word;

	doctor_read(doctor, state, PORT "state", device, port);
	doctor_read(doctor, physical, PORT "phys_state", device, port);
	doctor_read(doctor, rate, PORT "rate", device, port);
	doctor_read(doctor, layer, PORT "link_layer", device, port);
	state_word = strstr(state, ": ") ? strstr(state, ": ") + 2 : "state unknown";
	physical_word = strstr(physical, ": ") ? strstr(physical, ": ") + 2 : "physical state unknown";
	if (is_active(doctor, device, port)) {
		doctor_add(doctor, DOCTOR_OK, name, "%.40s, %.40s, %.60s, %.40s", state_word, physical_word, rate, layer);
		return;
	}
	if (doctor_port_any_active(doctor)) {
		doctor_add(doctor, DOCTOR_NOTE, name, "%.40s, %.40s: another port is up", state_word, physical_word);
		return;
	}
	advise_link(doctor_add(doctor, doctor_rdma_problem(doctor), name, "%.40s, %.40s: no port is up", state_word, physical_word), state,
	        layer, interface);
}

static void check_interface(struct doctor *doctor, const char *port_name, const char *interface)
{
	char name[128];
	char state[DOCTOR_TEXT];

	snprintf(name, sizeof(name), "%.70s interface", port_name);
	if (doctor_read(doctor, state, "sys/class/net/%s/operstate", interface))
		snprintf(state, sizeof(state), "of unknown state");
	if (strcmp(state, "up") == 0 || strcmp(state, "unknown") == 0)
		doctor_add(doctor, DOCTOR_OK, name, "%.40s is %.40s", interface, strcmp(state, "up") == 0 ? "up" : "up (it does not tell)");
	else
		doctor_advise(doctor_add(doctor, doctor_rdma_problem(doctor), name, "%.40s is %.40s", interface, state),
		        "ip link set dev %s up", interface);
}

// --- GIDs ---

static void report_gid(struct doctor *doctor, const char *name, enum gid_rank best, const char *found, const char *interface)
{
	const char *on = interface[0] ? interface : "INTERFACE";

	switch (best) {
	case GID_IPV4:
	case GID_IPV6:
		doctor_add(doctor, DOCTOR_OK, name, "%s", found);
		return;
	case GID_LINK_LOCAL:
		doctor_advise(doctor_add(doctor, DOCTOR_WARN, name, "%s: link-local alone, which no address of a server leads to", found),
		        "give the interface an address: ip addr add 10.0.0.1/24 dev %s", on);
		return;
	case GID_OLD:
		doctor_advise(doctor_add(doctor, doctor_rdma_problem(doctor), name, "%s: RoCE v2 is needed", found),
		        "give the interface an address, ip addr add 10.0.0.1/24 dev %s, and let the driver make RoCE v2 GIDs: "
		        "cma_roce_mode -d DEVICE "
		        "-p 1 -m 2; mlx4: options mlx4_core roce_mode=2",
		        on);
		return;
	case GID_NONE:
		doctor_advise(doctor_add(doctor, doctor_rdma_problem(doctor), name, "none: nothing can be addressed"),
		        "ip link set dev %s up && ip addr add 10.0.0.1/24 dev %s", on, on);
		return;
	}
}

static void check_gids(struct doctor *doctor, const char *device, const char *port, const char *port_name, const char *interface)
{
	CLEANUP(doctor_names) struct doctor_names gids;
	enum gid_rank best = GID_NONE;
	char found[DOCTOR_TEXT] = "";
	char name[128];

	doctor_list(doctor, &gids, PORT "gids", device, port);
	for (int i = 0; i < gids.count; i++) {
		const char *index = gids.entries[i]->d_name;
		char address[64];
		char gid[DOCTOR_TEXT];
		char type[DOCTOR_TEXT];
		enum gid_rank rank;

		if (doctor_read(doctor, gid, PORT "gids/%s", device, port, index))
			continue;
		doctor_read(doctor, type, PORT "gid_attrs/types/%s", device, port, index); // fails for an index that is not in use
		rank = gid_rank(gid, type);
		if (rank <= best)
			continue;
		best = rank;
		snprintf(found, sizeof(found), "index %.10s: %.40s %s", index, type, gid_format(gid, address));
	}
	snprintf(name, sizeof(name), "%.70s GID", port_name);
	report_gid(doctor, name, best, found, interface);
}

// A port of InfiniBand has its GID from the hardware and its subnet manager.
static void check_infiniband_gid(struct doctor *doctor, const char *device, const char *port, const char *port_name)
{
	char gid[DOCTOR_TEXT];
	char name[128];

	snprintf(name, sizeof(name), "%.70s GID", port_name);
	if (doctor_read(doctor, gid, PORT "gids/0", device, port) == 0 && gid_rank(gid, "") != GID_NONE)
		doctor_add(doctor, DOCTOR_OK, name, "index 0: %s", gid);
	else
		doctor_advise(doctor_add(doctor, doctor_rdma_problem(doctor), name, "none"),
		        "start a subnet manager: systemctl enable --now opensm");
}

// --- the MTU ---

static void report_mtu(struct doctor *doctor, const char *name, uint32_t active, int64_t netdev_mtu, const char *interface)
{
	uint32_t possible = rdma_mtu_of_netdev(netdev_mtu);
	uint32_t mtu = active ? active : possible;
	struct doctor_finding *finding;

	if (active && active < possible) {
		finding = doctor_add(doctor, DOCTOR_WARN, name, "%u, though %s with %lld has room for %u", active, interface,
		        (long long)netdev_mtu, possible);
		doctor_advise(finding,
		        "the driver took the MTU over before it was raised: ip link set dev %s down && ip link set dev %s up", interface,
		        interface);
		return;
	}
	// Below 1024 an Ethernet MTU of less than the usual 1500 is the cause. Above, more is better by a few percent of headers: 82 bytes a packet.
	finding = doctor_add(doctor,
	        mtu >= 4096   ? DOCTOR_OK
	        : mtu >= 1024 ? DOCTOR_NOTE
	                      : DOCTOR_WARN,
	        name, "%u, %s has %lld", mtu, interface, (long long)netdev_mtu);
	if (mtu < 4096)
		doctor_advise(finding,
		        "for 4096 the interface needs 4192 or more, here, on the peer and on the switch between: ip link set dev %s mtu "
		        "4200",
		        interface);
}

static void check_mtu(struct doctor *doctor, const char *device, const char *port, const char *port_name, const char *interface)
{
	struct probe_port found = {0};
	char name[128];
	int64_t netdev_mtu;
	int error = -ENOTSUP;

	if (doctor_is_live(doctor))
		error = probe_port(device, (unsigned)strtoul(port, NULL, 10), &found);
	snprintf(name, sizeof(name), "%.70s MTU", port_name);
	if (interface[0] && doctor_read_number(doctor, &netdev_mtu, "sys/class/net/%s/mtu", interface) == 0 &&
	        rdma_mtu_of_netdev(netdev_mtu) > 0)
		report_mtu(doctor, name, error ? 0 : found.active_mtu, netdev_mtu, interface);
	else if (!error)
		doctor_add(doctor, found.active_mtu >= 2048 ? DOCTOR_OK : DOCTOR_NOTE, name, "%u", found.active_mtu);
	else
		doctor_add(doctor, DOCTOR_NOTE, name, "unknown: %s",
		        error == -ENOTSUP ? "sysfs does not tell, and libibverbs was not asked" : strerror(-error));
}

static void check_port(struct doctor *doctor, const char *device, const char *port)
{
	char name[96];
	char layer[DOCTOR_TEXT];
	char interface[DOCTOR_TEXT] = "";

	snprintf(name, sizeof(name), "%.60s port %.10s", device, port);
	doctor_read(doctor, layer, PORT "link_layer", device, port);
	find_interface(doctor, device, port, interface);
	check_link(doctor, device, port, name, interface);
	if (!is_active(doctor, device, port))
		return;
	if (strcmp(layer, "InfiniBand") == 0) {
		check_infiniband_gid(doctor, device, port, name);
		interface[0] = '\0'; // IPoIB's MTU is another matter
	} else {
		if (interface[0])
			check_interface(doctor, name, interface);
		check_gids(doctor, device, port, name, interface);
	}
	check_mtu(doctor, device, port, name, interface);
}

void doctor_check_ports(struct doctor *doctor, const char *device)
{
	CLEANUP(doctor_names) struct doctor_names ports;

	doctor_list(doctor, &ports, "sys/class/infiniband/%s/ports", device);
	for (int i = 0; i < ports.count; i++)
		check_port(doctor, device, ports.entries[i]->d_name);
}

// --- for the self-test ---

static bool has_interface(const struct doctor *doctor, const char *device, const char *port, const char *interface)
{
	CLEANUP(doctor_names) struct doctor_names gids;
	char name[DOCTOR_TEXT];

	doctor_list(doctor, &gids, PORT "gid_attrs/ndevs", device, port);
	for (int i = 0; i < gids.count; i++)
		if (doctor_read(doctor, name, PORT "gid_attrs/ndevs/%s", device, port, gids.entries[i]->d_name) == 0 &&
		        strcmp(name, interface) == 0)
			return true;
	return doctor_exists(doctor, "sys/class/infiniband/%s/device/net/%s", device, interface);
}

int doctor_port_of_interface(const struct doctor *doctor, const char *interface, struct doctor_port *port)
{
	CLEANUP(doctor_names) struct doctor_names devices;

	doctor_list(doctor, &devices, "sys/class/infiniband");
	for (int i = 0; i < devices.count; i++) {
		const char *device = devices.entries[i]->d_name;
		CLEANUP(doctor_names) struct doctor_names ports;

		doctor_list(doctor, &ports, "sys/class/infiniband/%s/ports", device);
		for (int j = 0; j < ports.count; j++) {
			if (!has_interface(doctor, device, ports.entries[j]->d_name, interface))
				continue;
			snprintf(port->device, sizeof(port->device), "%.63s", device);
			port->number = (unsigned)strtoul(ports.entries[j]->d_name, NULL, 10);
			port->is_software = doctor_exists(doctor, "sys/class/infiniband/%s/parent", device);
			return 0;
		}
	}
	return -ENODEV;
}

double doctor_port_rate(const struct doctor *doctor, const struct doctor_port *port)
{
	char rate[DOCTOR_TEXT];

	doctor_read(doctor, rate, "sys/class/infiniband/%s/ports/%u/rate", port->device, port->number);
	return rate_gbps(rate);
}
