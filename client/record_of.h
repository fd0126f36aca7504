// Where an object's record is, by its id. (files_names.c.)
#ifndef CLIENT_RECORD_OF_H
#define CLIENT_RECORD_OF_H

#include "client/session.h"

// The record where the pool is mapped, or NULL. While this session holds the object the record stays its own.
const struct far_record *record_mapped(struct far_lane *lane, uint64_t id);

#endif
