#include "fabric/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

int fabric_resolve(const struct fabric_address *address, int flags, struct addrinfo **list, struct fabric_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
	char port[8];
	int result;

	snprintf(port, sizeof(port), "%u", address->port);
	result = getaddrinfo(address->host, port, &hints, list);
	if (result == 0)
		return 0;
	snprintf(error->text, sizeof(error->text), "%s://%.150s: cannot resolve the host: %s", address->provider, address->host,
	        gai_strerror(result));
	return -EHOSTUNREACH;
}
