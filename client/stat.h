// Attributes from the wire to the public struct.
#ifndef CLIENT_STAT_H
#define CLIENT_STAT_H

#include "far.h"
#include "far/wire.h"

void stat_of_attr(const struct far_attr *attr, struct far_stat *stat);

#endif
