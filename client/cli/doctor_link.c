#include "client/cli/doctor_link.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/doctor_load.h"
#include "client/cli/doctor_port.h"
#include "client/cli/doctor_tree.h"
#include "fabric/fabric.h"
#include "fabric/probe/probe.h"

// Expectations. Where this machine can be measured it is; where not, a rule of thumb stands here with its source.

// Of an Ethernet link's bits those that are payload: TCP over IPv4 at an MTU of 1500 carries 1448 bytes in 1538 of the wire (preamble and gap included). RoCE at its MTU of
// 1024 carries 1024 in 1106, and more at a larger one.
#define PAYLOAD_SHARE 0.94
#define PAYLOAD_SHARE_RDMA 0.92

// A round trip by RDMA hardware through one switch. RAMCloud's clusterperf (InfiniBand, November 2018): 3.9 us for an echo of 100 bytes, its threads included; ib_read_lat
// shows 2 to 3 us on adapters of the last ten years.
#define RDMA_RTT_US 4.0
// Soft-RoCE: the kernels at both ends do the adapters' work. perftest between two such devices of one machine: 10 to 25 us.
#define SOFT_RDMA_RTT_US 25.0

// A warm get from mapped memory beside its copy: 0.1 us (docs/benchmarks.md, far shm warm-get of 64 B), and as much again for slower CPUs.
#define LOAD_US 0.2

#define MEASURE_S 0.1
#define COPY_SIZE (1UL << 20)
#define CONNECT_MS 3000

static void find_shm(unsigned threads, struct doctor_link *link)
{
	snprintf(link->through, sizeof(link->through), "this machine's memory");
	link->bytes_per_us = load_copy_speed(threads, COPY_SIZE, MEASURE_S) / 1e6;
	link->rtt_us = LOAD_US;
	snprintf(link->why, sizeof(link->why), "a copy in %u threads, measured now; %.1f us a call", threads, LOAD_US);
}

// A link's speed in Mb/s; virtual interfaces have none, or -1.
static double interface_speed(const struct doctor *doctor, const char *interface)
{
	int64_t speed;

	if (doctor_read_number(doctor, &speed, "sys/class/net/%s/speed", interface) || speed <= 0)
		return 0;
	return (double)speed;
}

static void find_tcp_speed(const struct doctor *doctor, struct doctor_link *link, char why[64])
{
	double speed = interface_speed(doctor, link->interface);

	if (speed > 0) {
		link->bytes_per_us = speed / 8 * PAYLOAD_SHARE;
		snprintf(why, 64, "%.0f Mb/s", speed);
	} else if (strcmp(link->interface, "lo") == 0 && probe_loopback_speed(MEASURE_S, &speed) == 0) {
		link->bytes_per_us = speed / 1e6;
		snprintf(why, 64, "one connection of this machine to itself, measured now");
	} else {
		snprintf(why, 64, "of unknown speed");
	}
}

static void find_tcp(const struct doctor *doctor, const struct fabric_address *address, struct doctor_link *link)
{
	double wake_up_us = load_wake_up_time(MEASURE_S);
	struct probe_route route = {0};
	uint32_t rtt_us = 0;
	char speed[64];

	if (probe_route(address->host, address->port, &route))
		snprintf(route.interface, sizeof(route.interface), "?");
	snprintf(link->interface, sizeof(link->interface), "%s", route.is_local ? "lo" : route.interface);
	snprintf(link->through, sizeof(link->through), "interface %s", link->interface);
	find_tcp_speed(doctor, link, speed);
	if (probe_tcp_rtt(address->host, address->port, CONNECT_MS, &rtt_us) == 0)
		link->rtt_us = rtt_us + wake_up_us;
	snprintf(link->why, sizeof(link->why), "%s; round trip of a TCP handshake %u us and two wake-ups %.1f us", speed, rtt_us,
	        wake_up_us);
}

static void find_rdma(const struct doctor *doctor, const struct fabric_address *address, struct doctor_link *link)
{
	struct doctor_port *port = &link->port;
	struct probe_route route;
	double rate;

	if (probe_route(address->host, address->port, &route) || doctor_port_of_interface(doctor, route.interface, port)) {
		snprintf(link->through, sizeof(link->through), "a device that was not found");
		snprintf(link->why, sizeof(link->why), "nothing is known of the route to %.60s", address->host);
		return;
	}
	rate = doctor_port_rate(doctor, port);
	snprintf(link->through, sizeof(link->through), "%s port %u (%s)", port->device, port->number, route.interface);
	link->bytes_per_us = rate * 1000 / 8 * PAYLOAD_SHARE_RDMA;
	link->rtt_us = port->is_software ? SOFT_RDMA_RTT_US : RDMA_RTT_US;
	snprintf(link->why, sizeof(link->why), "%.0f Gb/s; round trip %.0f us, as %s does it", rate, link->rtt_us,
	        port->is_software ? "Soft-RoCE" : "an adapter through one switch");
}

void doctor_link_find(const struct doctor *doctor, const struct far_statistics *session, unsigned threads, struct doctor_link *link)
{
	struct fabric_address address;
	struct fabric_error error;

	*link = (struct doctor_link){0};
	snprintf(link->provider, sizeof(link->provider), "%s", session->provider);
	address.host[0] = '\0';
	if (fabric_address_parse(session->address, &address, &error))
		snprintf(link->why, sizeof(link->why), "nothing is known: %.120s", error.text);
	else if (strcmp(address.provider, "shm") == 0)
		find_shm(threads, link);
	else if (strcmp(address.provider, "tcp") == 0)
		find_tcp(doctor, &address, link);
	else
		find_rdma(doctor, &address, link);
	snprintf(link->host, sizeof(link->host), "%s", address.host);
}

double link_latency(const struct doctor_link *link, double size)
{
	if (link->rtt_us <= 0)
		return 0;
	return link->rtt_us + (link->bytes_per_us > 0 ? size / link->bytes_per_us : 0);
}

static void advise_tcp(struct doctor_finding *finding, const struct doctor_link *link, bool is_throughput)
{
	if (strcmp(link->interface, "lo") == 0)
		doctor_advise(finding, "is the machine busy? uptime. On one host shared memory is faster: far doctor --to localhost");
	else if (is_throughput)
		doctor_advise(finding,
		        "compare with iperf3 -c %.80s -P 4; look for losses: nstat -az TcpRetransSegs; at the link: ethtool %s; and: far "
		        "doctor net",
		        link->host, link->interface);
	else
		doctor_advise(finding,
		        "are both machines idle? uptime. Let CPUs not sleep deeply: cpupower idle-set -D 10; and interrupts not wait: "
		        "ethtool -C %s rx-usecs 0",
		        link->interface);
}

static void advise_rdma(struct doctor_finding *finding, const struct doctor_link *link, bool is_throughput)
{
	const char *test = is_throughput ? "ib_read_bw" : "ib_read_lat";

	if (!link->port.device[0])
		doctor_advise(finding, "on both hosts: far doctor rdma");
	else
		doctor_advise(finding,
		        "%scompare with perftest: %s on the server's host, then here: %s -d %s -i %u %.80s; on both: far doctor rdma",
		        link->port.is_software ? "Soft-RoCE takes the CPUs' time for each packet, whatever the port's rate; " : "", test,
		        test, link->port.device, link->port.number, link->host);
}

void doctor_link_advise(struct doctor_finding *finding, const struct doctor_link *link, bool is_throughput)
{
	if (strcmp(link->provider, "shm") == 0)
		doctor_advise(finding, "is the machine busy? uptime. Does the pool have large pages, there from the start? far doctor "
		                       "memory; far-server --prefault");
	else if (strcmp(link->provider, "rdma") == 0)
		advise_rdma(finding, link, is_throughput);
	else
		advise_tcp(finding, link, is_throughput);
}
