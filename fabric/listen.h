// Sockets that listen for streams: of the tcp provider, and of what is none (the server's metrics).
#ifndef FABRIC_LISTEN_H
#define FABRIC_LISTEN_H

#include <netdb.h>
#include <stdint.h>

// A listening socket at the first of these addresses, or a negative errno.
int fabric_open_listener(const struct addrinfo *info);

// The port it got. 0 or a negative errno.
int fabric_bound_port(int fd, uint16_t *port);

#endif
