// What stands behind the `?` of an rdma address: `rdma://host:port?connect=socket&device=mlx5_0&gid=3` (address_rdma.c).
#ifndef FABRIC_ADDRESS_RDMA_H
#define FABRIC_ADDRESS_RDMA_H

#include "fabric/fabric.h"

// Reads `name=value&name=value...`. 0, or -EINVAL with what is wrong (128 bytes).
int address_rdma_parse(const char *text, struct fabric_rdma *rdma, char *wrong);

// Writes what differs from the default, the `?` in front; nothing if all is. At most `size` bytes with the NUL.
void address_rdma_format(const struct fabric_rdma *rdma, char *text, size_t size);

#endif
