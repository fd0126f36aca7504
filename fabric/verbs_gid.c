#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fabric/resolve.h"
#include "fabric/verbs_gid.h"
#include "far/cleanup.h"

// GIDs, and how the network behind one leads to a peer. A RoCE GID is an address of its network interface, so the kernel's own tables answer.

static bool is_mapped(const union ibv_gid *gid)
{
	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)gid->raw);
}

bool verbs_gid_address(const struct ibv_gid_entry *gid, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;

	*address = (struct sockaddr_storage){0};
	if (gid->gid_type == IBV_GID_TYPE_IB)
		return false;
	if (is_mapped(&gid->gid)) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, gid->gid.raw + 12, 4);
		return true;
	}
	v6->sin6_family = AF_INET6;
	memcpy(&v6->sin6_addr, gid->gid.raw, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
		v6->sin6_scope_id = gid->ndev_ifindex;
	return true;
}

char *verbs_gid_format(const struct ibv_gid_entry *gid, char text[80])
{
	static const char *const types[] = {"InfiniBand", "RoCE v1", "RoCE v2"};
	bool is_v4 = is_mapped(&gid->gid);
	char address[INET6_ADDRSTRLEN];

	inet_ntop(is_v4 ? AF_INET : AF_INET6, gid->gid.raw + (is_v4 ? 12 : 0), address, sizeof(address));
	snprintf(text, 80, "%s %s", address, gid->gid_type < 3 ? types[gid->gid_type] : "?");
	return text;
}

int verbs_gid_rank(const struct ibv_gid_entry *gid, const struct sockaddr *peer)
{
	bool is_v4 = is_mapped(&gid->gid);
	bool is_local = IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)(const void *)gid->gid.raw);
	int rank = is_v4 ? 0 : is_local ? 2 : 1;

	if (gid->gid_type == IBV_GID_TYPE_ROCE_V1)
		rank += 6;
	// An IPv6 network can have both, but its peer's GID has the family that the peer is called by.
	if (peer && gid->gid_type != IBV_GID_TYPE_IB && (peer->sa_family == AF_INET) != is_v4)
		rank += 3;
	return rank;
}

static size_t bytes_of(const struct sockaddr *address, const uint8_t **bytes)
{
	if (address->sa_family == AF_INET) {
		*bytes = (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
		return 4;
	}
	if (address->sa_family == AF_INET6) {
		*bytes = (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
		return 16;
	}
	return 0;
}

bool verbs_address_is(const struct sockaddr *a, const struct sockaddr *b)
{
	const uint8_t *bytes_a, *bytes_b;
	size_t length = bytes_of(a, &bytes_a);

	return a->sa_family == b->sa_family && length > 0 && bytes_of(b, &bytes_b) == length && memcmp(bytes_a, bytes_b, length) == 0;
}

static bool is_in_network(const struct ifaddrs *own, const struct sockaddr *peer)
{
	const uint8_t *mine = NULL, *theirs, *mask;
	size_t length = bytes_of(peer, &theirs);

	if (length == 0 || own->ifa_addr->sa_family != peer->sa_family || !own->ifa_netmask)
		return false;
	bytes_of(own->ifa_addr, &mine);
	mask = length == 4 ? (const uint8_t *)&((const struct sockaddr_in *)(const void *)own->ifa_netmask)->sin_addr
	                   : (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)own->ifa_netmask)->sin6_addr;
	for (size_t i = 0; i < length; i++)
		if ((mine[i] ^ theirs[i]) & mask[i])
			return false;
	return true;
}

// The source that the kernel would take. Nothing is sent.
static bool find_source(const struct sockaddr *peer, struct sockaddr_storage *source)
{
	socklen_t length = peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	CLEANUP(close) int fd = socket(peer->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage port = {0};

	memcpy(&port, peer, length);
	((struct sockaddr_in *)&port)->sin_port = htons(9); // at the same place in both families
	*source = (struct sockaddr_storage){0};
	if (fd < 0 || connect(fd, (struct sockaddr *)&port, length) < 0)
		return false;
	length = sizeof(*source);
	return getsockname(fd, (struct sockaddr *)source, &length) == 0;
}

enum verbs_reach verbs_gid_reach(const struct ibv_gid_entry *gid, const struct sockaddr *peer, const struct sockaddr *asked)
{
	CLEANUP(ifaddrs) struct ifaddrs *interfaces = NULL;
	struct sockaddr_storage address, source;
	const struct sockaddr *mine = (const struct sockaddr *)&address;
	char name[IF_NAMESIZE] = "";

	if (!verbs_gid_address(gid, &address))
		return VERBS_REACH_UNKNOWN;
	if (asked && verbs_address_is(mine, asked))
		return VERBS_REACH_ASKED;
	if (!peer)
		return VERBS_REACH_UNKNOWN;
	if (verbs_address_is(mine, peer))
		return VERBS_REACH_SELF;
	if (!if_indextoname(gid->ndev_ifindex, name) || getifaddrs(&interfaces) < 0)
		return VERBS_REACH_UNKNOWN;
	for (const struct ifaddrs *own = interfaces; own; own = own->ifa_next) {
		if (own->ifa_addr && strcmp(own->ifa_name, name) == 0 && verbs_address_is(own->ifa_addr, mine) && is_in_network(own, peer))
			return VERBS_REACH_NETWORK;
	}
	return find_source(peer, &source) && verbs_address_is((struct sockaddr *)&source, mine) ? VERBS_REACH_ROUTE : VERBS_REACH_UNKNOWN;
}
