#include "client/cli/doctor_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/doctor_text.h"
#include "client/cli/doctor_tree.h"
#include "client/cli/number.h"
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

// The first port of any device that is_wanted(..., wanted), or false.
static bool find_port(const struct doctor *doctor,
        bool (*is_wanted)(const struct doctor *doctor, const char *device, const char *port, const char *wanted), const char *wanted,
        struct doctor_port *found)
{
	CLEANUP(doctor_names) struct doctor_names devices = {0};

	doctor_list(doctor, &devices, "sys/class/infiniband");
	for (int i = 0; i < devices.count; i++) {
		const char *device = devices.entries[i]->d_name;
		CLEANUP(doctor_names) struct doctor_names ports = {0};

		doctor_list(doctor, &ports, "sys/class/infiniband/%s/ports", device);
		for (int j = 0; j < ports.count; j++) {
			if (!is_wanted(doctor, device, ports.entries[j]->d_name, wanted))
				continue;
			snprintf(found->device, sizeof(found->device), "%.63s", device);
			found->number = (unsigned)strtoul(ports.entries[j]->d_name, NULL, 10);
			found->is_software = doctor_exists(doctor, "sys/class/infiniband/%s/parent", device);
			return true;
		}
	}
	return false;
}

static bool is_any_active(const struct doctor *doctor, const char *device, const char *port, const char *wanted)
{
	(void)wanted;
	return is_active(doctor, device, port);
}

bool doctor_port_any_active(const struct doctor *doctor)
{
	struct doctor_port found;

	return find_port(doctor, is_any_active, NULL, &found);
}

// A port while it is checked.
struct port {
	const char *device;
	const char *number;
	char name[96];               // in findings
	char layer[DOCTOR_TEXT];     // "Ethernet", "InfiniBand"
	char interface[DOCTOR_TEXT]; // "" = none
};

// The network interface of a port: what its GIDs stand on, else what the device has, else Soft-RoCE's.
static void find_interface(const struct doctor *doctor, struct port *port)
{
	CLEANUP(doctor_names) struct doctor_names gids = {0};
	CLEANUP(doctor_names) struct doctor_names interfaces = {0};

	doctor_list(doctor, &gids, PORT "gid_attrs/ndevs", port->device, port->number);
	for (int i = 0; i < gids.count; i++)
		if (doctor_read(doctor, port->interface, PORT "gid_attrs/ndevs/%s", port->device, port->number, gids.entries[i]->d_name) ==
		                0 &&
		        port->interface[0])
			return;
	doctor_list(doctor, &interfaces, "sys/class/infiniband/%s/device/net", port->device);
	if (interfaces.count > 0)
		snprintf(port->interface, sizeof(port->interface), "%s", interfaces.entries[0]->d_name);
	else
		doctor_read(doctor, port->interface, "sys/class/infiniband/%s/parent", port->device);
}

static struct doctor_finding *add(
        struct doctor *doctor, enum doctor_status status, const struct port *port, const char *what, const char *found)
{
	char name[128];

	snprintf(name, sizeof(name), "%s %s", port->name, what);
	return doctor_add(doctor, status, name, "%s", found);
}

// --- the link ---

static void advise_link(struct doctor_finding *finding, const struct port *port, const char *state)
{
	if (strcmp(port->layer, "InfiniBand") == 0 && (strstr(state, "INIT") || strstr(state, "ARMED")))
		doctor_advise(finding, "no subnet manager has set the port up: start one in the fabric, here or on a switch: systemctl "
		                       "enable --now opensm");
	else if (port->interface[0])
		doctor_advise(finding, "ip link set dev %.40s up; if it stays down, look at cable, module and switch port: ethtool %.40s",
		        port->interface, port->interface);
	else
		doctor_advise(finding, "look at cable, module and switch port, and at what the driver says: rdma link; dmesg | grep -i -e "
		                       "mlx -e roce -e infiniband");
}

// "4: ACTIVE" is ACTIVE.
static const char *word_of(const char *state)
{
	const char *colon = strstr(state, ": ");

	return colon ? colon + 2 : "unknown state";
}

static void check_link(struct doctor *doctor, const struct port *port)
{
	char state[DOCTOR_TEXT];
	char physical[DOCTOR_TEXT];
	char rate[DOCTOR_TEXT];
	struct doctor_finding *finding;

	doctor_read(doctor, state, PORT "state", port->device, port->number);
	doctor_read(doctor, physical, PORT "phys_state", port->device, port->number);
	doctor_read(doctor, rate, PORT "rate", port->device, port->number);
	if (is_active(doctor, port->device, port->number)) {
		doctor_add(
		        doctor, DOCTOR_OK, port->name, "%.40s, %.40s, %.60s, %.40s", word_of(state), word_of(physical), rate, port->layer);
	} else if (doctor_port_any_active(doctor)) {
		doctor_add(doctor, DOCTOR_NOTE, port->name, "%.40s, %.40s: another port is up", word_of(state), word_of(physical));
	} else {
		finding = doctor_add(
		        doctor, doctor_rdma_problem(doctor), port->name, "%.40s, %.40s: no port is up", word_of(state), word_of(physical));
		advise_link(finding, port, state);
	}
}

static void check_interface(struct doctor *doctor, const struct port *port)
{
	char state[DOCTOR_TEXT];
	char found[DOCTOR_TEXT];

	if (doctor_read(doctor, state, "sys/class/net/%s/operstate", port->interface))
		snprintf(state, sizeof(state), "missing");
	if (strcmp(state, "unknown") == 0)
		snprintf(state, sizeof(state), "up or does not tell");
	snprintf(found, sizeof(found), "%.40s is %.40s", port->interface, state);
	if (strncmp(state, "up", 2) == 0)
		add(doctor, DOCTOR_OK, port, "interface", found);
	else
		doctor_advise(
		        add(doctor, doctor_rdma_problem(doctor), port, "interface", found), "ip link set dev %.40s up", port->interface);
}

// --- GIDs ---

// The best GID that the port has. `found` gets its description.
static enum gid_rank find_gid(const struct doctor *doctor, const struct port *port, char found[DOCTOR_TEXT])
{
	CLEANUP(doctor_names) struct doctor_names gids = {0};
	enum gid_rank best = GID_NONE;

	doctor_list(doctor, &gids, PORT "gids", port->device, port->number);
	for (int i = 0; i < gids.count; i++) {
		const char *index = gids.entries[i]->d_name;
		char address[64];
		char gid[DOCTOR_TEXT];
		char type[DOCTOR_TEXT];
		enum gid_rank rank;

		if (doctor_read(doctor, gid, PORT "gids/%s", port->device, port->number, index))
			continue;
		doctor_read(doctor, type, PORT "gid_attrs/types/%s", port->device, port->number,
		        index); // fails for an index that is not in use
		rank = gid_rank(gid, type);
		if (rank <= best)
			continue;
		best = rank;
		snprintf(found, DOCTOR_TEXT, "index %.10s: %.40s %s", index, type, gid_format(gid, address));
	}
	return best;
}

static void check_gids(struct doctor *doctor, const struct port *port)
{
	const char *on = port->interface[0] ? port->interface : "INTERFACE";
	char found[DOCTOR_TEXT] = "none: nothing can be addressed";
	enum gid_rank best = find_gid(doctor, port, found);

	if (best >= GID_IPV6) {
		add(doctor, DOCTOR_OK, port, "GID", found);
	} else if (best == GID_LINK_LOCAL) {
		strcat(found, ": link-local alone, which no address of a server leads to");
		doctor_advise(add(doctor, DOCTOR_WARN, port, "GID", found),
		        "give the interface an address: ip addr add 10.0.0.1/24 dev %.40s", on);
	} else if (best == GID_OLD) {
		strcat(found, ": RoCE v2 is needed");
		doctor_advise(add(doctor, doctor_rdma_problem(doctor), port, "GID", found),
		        "give the interface an address: ip addr add 10.0.0.1/24 dev %.40s; if it has one, firmware or driver are too old "
		        "for RoCE v2: ethtool -i %.40s",
		        on, on);
	} else {
		doctor_advise(add(doctor, doctor_rdma_problem(doctor), port, "GID", found),
		        "ip link set dev %.40s up && ip addr add 10.0.0.1/24 dev %.40s", on, on);
	}
}

// A port of InfiniBand has its GID from the hardware and its subnet manager.
static void check_infiniband_gid(struct doctor *doctor, const struct port *port)
{
	char found[DOCTOR_TEXT] = "none";

	if (find_gid(doctor, port, found) != GID_NONE)
		add(doctor, DOCTOR_OK, port, "GID", found);
	else
		doctor_advise(add(doctor, doctor_rdma_problem(doctor), port, "GID", found),
		        "start a subnet manager: systemctl enable --now opensm");
}

// --- the MTU ---

static void report_mtu(struct doctor *doctor, const struct port *port, uint32_t active, int64_t netdev_mtu)
{
	uint32_t possible = rdma_mtu_of_netdev(netdev_mtu);
	uint32_t mtu = active ? active : possible;
	enum doctor_status status = mtu >= 4096 ? DOCTOR_OK : mtu >= 1024 ? DOCTOR_NOTE : DOCTOR_WARN;
	struct doctor_finding *finding;
	char found[DOCTOR_TEXT];

	if (active && active < possible) {
		snprintf(found, sizeof(found), "%u, though %.40s with %lld has room for %u", active, port->interface, (long long)netdev_mtu,
		        possible);
		doctor_advise(add(doctor, DOCTOR_WARN, port, "MTU", found),
		        "let the driver take the interface's MTU over: ip link set dev %.40s down && ip link set dev %.40s up",
		        port->interface, port->interface);
		return;
	}
	// 1024 is what the usual Ethernet MTU of 1500 gives. A larger one saves a few percent: the headers are 82 bytes a packet.
	snprintf(found, sizeof(found), "%u, %.40s has %lld", mtu, port->interface, (long long)netdev_mtu);
	finding = add(doctor, status, port, "MTU", found);
	if (status != DOCTOR_OK)
		doctor_advise(finding,
		        "for 4096 the interface needs 4192 or more, here, on the peer and on the switch between: ip link set dev %.40s mtu "
		        "4200",
		        port->interface);
}

static void check_mtu(struct doctor *doctor, const struct port *port, const struct probe_port *probed)
{
	bool is_ethernet = strcmp(port->layer, "InfiniBand") != 0; // an IPoIB interface's MTU is another matter
	char found[DOCTOR_TEXT] = "unknown: sysfs does not tell it, and libibverbs was not asked";
	int64_t netdev_mtu;

	if (is_ethernet && port->interface[0] && doctor_read_number(doctor, &netdev_mtu, "sys/class/net/%s/mtu", port->interface) == 0 &&
	        rdma_mtu_of_netdev(netdev_mtu) > 0) {
		report_mtu(doctor, port, probed->active_mtu, netdev_mtu);
		return;
	}
	if (probed->active_mtu)
		snprintf(found, sizeof(found), "%u", probed->active_mtu);
	add(doctor, probed->active_mtu >= 2048 ? DOCTOR_OK : DOCTOR_NOTE, port, "MTU", found);
}

// --- the device behind the port ---

// Asks the driver what sysfs lacks. All zeros where it cannot be asked; a device file that cannot be opened is another check's.
static void probe(struct doctor *doctor, const struct port *port, struct probe_port *probed)
{
	*probed = (struct probe_port){0};
	if (!doctor_is_live(doctor))
		return;
	if (probe_port(port->device, (unsigned)strtoul(port->number, NULL, 10), probed) == -ENODEV)
		doctor_advise(add(doctor, doctor_rdma_problem(doctor), port, "driver", "libibverbs has none for it"),
		        "apt-get install ibverbs-providers; then look whether it is listed: ibv_devices");
}

static void check_registrable(struct doctor *doctor, const struct port *port, const struct probe_port *probed)
{
	char found[DOCTOR_TEXT];
	char texts[2][32];

	if (probed->registrable_max == 0 || probed->registrable_max >= doctor->pool)
		return;
	snprintf(found, sizeof(found), "registers up to %s at once, the pool has %s", size_format(probed->registrable_max, true, texts[0]),
	        size_format(doctor->pool, true, texts[1]));
	doctor_advise(add(doctor, doctor_rdma_problem(doctor), port, "registration", found),
	        "give the server a smaller pool: far-server --pool %lluM", (unsigned long long)(probed->registrable_max >> 20));
}

static void check_port(struct doctor *doctor, const char *device, const char *number)
{
	struct port port = {.device = device, .number = number};
	struct probe_port probed;

	snprintf(port.name, sizeof(port.name), "%.60s port %.10s", device, number);
	doctor_read(doctor, port.layer, PORT "link_layer", device, number);
	find_interface(doctor, &port);
	check_link(doctor, &port);
	if (!is_active(doctor, device, number))
		return;
	if (strcmp(port.layer, "InfiniBand") == 0) {
		check_infiniband_gid(doctor, &port);
	} else {
		if (port.interface[0])
			check_interface(doctor, &port);
		check_gids(doctor, &port);
	}
	probe(doctor, &port, &probed);
	check_mtu(doctor, &port, &probed);
	check_registrable(doctor, &port, &probed);
}

void doctor_check_ports(struct doctor *doctor, const char *device)
{
	CLEANUP(doctor_names) struct doctor_names ports = {0};

	doctor_list(doctor, &ports, "sys/class/infiniband/%s/ports", device);
	for (int i = 0; i < ports.count; i++)
		check_port(doctor, device, ports.entries[i]->d_name);
}

// --- for the self-test ---

static bool has_interface(const struct doctor *doctor, const char *device, const char *port, const char *interface)
{
	CLEANUP(doctor_names) struct doctor_names gids = {0};
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
	return find_port(doctor, has_interface, interface, port) ? 0 : -ENODEV;
}

double doctor_port_rate(const struct doctor *doctor, const struct doctor_port *port)
{
	char rate[DOCTOR_TEXT];

	doctor_read(doctor, rate, "sys/class/infiniband/%s/ports/%u/rate", port->device, port->number);
	return rate_gbps(rate);
}
