// GIDs: what they are good for, and what the kernel knows of the network behind one.
#ifndef FABRIC_VERBS_GID_H
#define FABRIC_VERBS_GID_H

#include "fabric/verbs_ways.h"

// Which GID of a port is best, for a peer of this address (or NULL): the lowest.
int verbs_gid_rank(const struct ibv_gid_entry *gid, const struct sockaddr *peer);

enum verbs_reach verbs_gid_reach(const struct ibv_gid_entry *gid, const struct sockaddr *peer, const struct sockaddr *asked);

// Whether both are the same address, whatever their ports.
bool verbs_address_is(const struct sockaddr *a, const struct sockaddr *b);

// The address of a RoCE GID. False: it has none (InfiniBand).
bool verbs_gid_address(const struct ibv_gid_entry *gid, struct sockaddr_storage *address);

// "10.0.0.1 RoCE v2". Returns `text`.
char *verbs_gid_format(const struct ibv_gid_entry *gid, char text[80]);

#endif
