// The socket addresses of a host, for the providers that reach hosts, and what getaddrinfo and getifaddrs give, freed by scope (far/cleanup.h).
#ifndef FABRIC_RESOLVE_H
#define FABRIC_RESOLVE_H

#include <ifaddrs.h>
#include <netdb.h>

#include "fabric/fabric.h"

// flags: AI_*, besides those for a numeric port. The list is the caller's to free (freeaddrinfo). Returns 0, or -EHOSTUNREACH with the text of what is wrong.
int fabric_resolve(const struct fabric_address *address, int flags, struct addrinfo **list, struct fabric_error *error);

static inline void cleanup_addrinfo(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

static inline void cleanup_ifaddrs(struct ifaddrs **list)
{
	if (*list)
		freeifaddrs(*list);
}

#endif
