// RDMA ports: how they are, and which one leads through an interface.
#ifndef CLI_DOCTOR_PORT_H
#define CLI_DOCTOR_PORT_H

#include "client/cli/doctor.h"

struct doctor_port {
	char device[64];
	unsigned number;
	bool is_software; // Soft-RoCE or siw: no adapter, the kernel does its work
};

// True if any port of any device is active.
bool doctor_port_any_active(const struct doctor *doctor);

// Checks the ports of a device: link, interface, GIDs, MTU.
void doctor_check_ports(struct doctor *doctor, const char *device);

// Finds the port of an interface. -ENODEV if it has none.
int doctor_port_of_interface(const struct doctor *doctor, const char *interface, struct doctor_port *port);

// The rate of a port in Gb/s, 0 if it tells none.
double doctor_port_rate(const struct doctor *doctor, const struct doctor_port *port);

#endif
