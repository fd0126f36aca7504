// Probes: what a transport needs of this machine, tried out instead of read. For `far doctor`, and kept out of the fabric's own library, so that libfar does not carry them.
//
// Every function opens what it needs and closes it again, and may be called by any thread. 0 on success, a negative errno on failure.
#ifndef FABRIC_PROBE_H
#define FABRIC_PROBE_H

#include <stdbool.h>
#include <stdint.h>

// What sysfs does not tell of a port.
struct probe_port {
	uint32_t active_mtu;      // bytes of a packet's payload
	uint64_t registrable_max; // largest registration of the device, bytes
};

// Asks libibverbs. -ENOTSUP if built without it, -ENODEV if there is no such device, else why it cannot be opened or asked.
int probe_port(const char *device, unsigned port, struct probe_port *found);

// Makes a small io_uring as the tcp provider does, and ends it.
int probe_uring(void);

// Where the way to a host begins.
struct probe_route {
	char interface[16]; // that has the source address; IFNAMSIZ
	bool is_local;      // the host is this one: the kernel passes packets back instead of sending them
};

// Asks the kernel for the route, sending nothing. -EHOSTUNREACH if the name is unknown or no route leads there.
int probe_route(const char *host, uint16_t port, struct probe_route *found);

// Connects a few times, and takes the kernel's measurement of the shortest handshake's round trip (TCP_INFO), which no program of the peer takes part in. -ETIMEDOUT,
// -ECONNREFUSED...
int probe_tcp_rtt(const char *host, uint16_t port, int timeout_ms, uint32_t *rtt_us);

// Bytes a second that one connection from this machine to itself carries, sent for so long by one thread and received by another.
int probe_loopback_speed(double seconds, double *bytes_per_second);

#endif
