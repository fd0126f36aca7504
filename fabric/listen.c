#include "fabric/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabric/resolve.h"
#include "far/cleanup.h"

int fabric_open_listener(const struct addrinfo *info)
{
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	on = errno;
	close(fd);
	return -on;
}

int fabric_bound_port(int fd, uint16_t *port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name;
	socklen_t length = sizeof(name);

	memset(&name, 0, sizeof(name));
	if (getsockname(fd, &name.any, &length) < 0)
		return -errno;
	*port = ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
	return 0;
}

int fabric_listen_stream(const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error)
{
	CLEANUP(addrinfo) struct addrinfo *list = NULL;
	int fd = fabric_resolve(address, AI_PASSIVE, &list, error);
	int result;

	if (fd)
		return fd;
	*bound = *address;
	fd = fabric_open_listener(list);
	if (fd < 0) {
		snprintf(error->text, sizeof(error->text), "%s%s", strerror(-fd),
		        fd == -EADDRINUSE      ? ": another program listens there: choose another port"
		        : fd == -EADDRNOTAVAIL ? ": it is no address of this host"
		                               : "");
		return fd;
	}
	result = fabric_bound_port(fd, &bound->port);
	if (result == 0)
		return fd;
	close(fd);
	return result;
}
