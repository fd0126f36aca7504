#include "fabric/probe/probe.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fabric/resolve.h"
#include "far/cleanup.h"

// The way to a host: the interface at which it begins, and how long the kernels at its two ends take for a round trip.

#define RTT_TRIES 5 // the first one may have to find the neighbour's address, too

static int resolve(const char *host, uint16_t port, int type, struct addrinfo **found)
{
	struct addrinfo hints = {.ai_socktype = type};
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	return getaddrinfo(host, service, &hints, found) == 0 ? 0 : -EHOSTUNREACH;
}

// The bytes of an address without its port.
static bool is_same_host(const struct sockaddr *a, const struct sockaddr *b)
{
	if (!a || a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr,
		               &((const struct sockaddr_in *)(const void *)b)->sin_addr, sizeof(struct in_addr)) == 0;
	if (a->sa_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		               &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
	return false;
}

// All of 127.0.0.0/8 is loopback, though only 127.0.0.1 is on the interface.
static bool is_loopback(const struct sockaddr *address)
{
	return address->sa_family == AF_INET && ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
}

static int name_interface(const struct sockaddr *source, char name[16])
{
	CLEANUP(ifaddrs) struct ifaddrs *interfaces = NULL;

	if (is_loopback(source)) {
		strcpy(name, "lo");
		return 0;
	}
	if (getifaddrs(&interfaces) < 0)
		return -errno;
	for (const struct ifaddrs *one = interfaces; one; one = one->ifa_next)
		if (is_same_host(one->ifa_addr, source)) {
			snprintf(name, 16, "%.15s", one->ifa_name);
			return 0;
		}
	return -ENODEV;
}

int probe_route(const char *host, uint16_t port, struct probe_route *found)
{
	CLEANUP(addrinfo) struct addrinfo *peers = NULL;
	int result = resolve(host, port ? port : 1, SOCK_DGRAM, &peers);

	for (const struct addrinfo *peer = peers; peer; peer = peer->ai_next) {
		CLEANUP(close) int fd = socket(peer->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		struct sockaddr_storage source = {0};
		socklen_t length = sizeof(source);

		// A datagram socket's connect only looks the route up.
		if (fd < 0 || connect(fd, peer->ai_addr, peer->ai_addrlen) < 0 ||
		        getsockname(fd, (struct sockaddr *)&source, &length) < 0) {
			result = -errno;
			continue;
		}
		found->is_local = is_loopback(peer->ai_addr) || is_same_host((struct sockaddr *)&source, peer->ai_addr);
		return name_interface((struct sockaddr *)&source, found->interface);
	}
	return result;
}

static int connect_within(int fd, const struct addrinfo *peer, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	socklen_t length = sizeof(int);
	int error = 0;
	int result;

	if (connect(fd, peer->ai_addr, peer->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	result = poll(&wait, 1, timeout_ms);
	if (result <= 0)
		return result < 0 ? -errno : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return -errno;
	return -error;
}

static int connect_once(const struct addrinfo *peer, int timeout_ms, uint32_t *rtt_us)
{
	CLEANUP(close) int fd = socket(peer->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);
	int result = fd < 0 ? -errno : connect_within(fd, peer, timeout_ms);

	if (result)
		return result;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return -errno;
	*rtt_us = info.tcpi_rtt;
	return 0;
}

int probe_tcp_rtt(const char *host, uint16_t port, int timeout_ms, uint32_t *rtt_us)
{
	CLEANUP(addrinfo) struct addrinfo *peers = NULL;
	int result = resolve(host, port, SOCK_STREAM, &peers);

	for (const struct addrinfo *peer = peers; peer; peer = peer->ai_next) {
		result = connect_once(peer, timeout_ms, rtt_us);
		if (result)
			continue;
		for (int i = 1; i < RTT_TRIES; i++) {
			uint32_t again = UINT32_MAX;

			if (connect_once(peer, timeout_ms, &again) == 0 && again < *rtt_us)
				*rtt_us = again;
		}
		return 0;
	}
	return result;
}
