// The entries of one directory in their stable order: a radix tree of cookies (64 children a node, 6 bits a level; a small first leaf) whose leaves hold record
// positions. A cookie is given at insertion, grows, and is never reused while the directory has entries: so a cursor (the last cookie seen) stays good while the directory
// changes. Nodes are pool blocks. The tree hangs in record->u.directory. Writer thread only.
#ifndef SERVER_DIRECTORY_H
#define SERVER_DIRECTORY_H

#include "server/pool.h"

// Adds the entry record and sets its cookie; directory->size counts entries. -ENOSPC changes nothing.
int directory_insert(struct pool *pool, struct far_record *directory, uint64_t entry);

// Removes the entry record by its cookie; frees empty nodes; an empty directory uses no blocks.
void directory_remove(struct pool *pool, struct far_record *directory, uint64_t entry);

// Puts another record in an entry's place (rename over, exchange): same cookie, no allocation. Sets replacement's cookie.
void directory_replace(struct pool *pool, struct far_record *directory, uint64_t entry, uint64_t replacement);

// The record offset of the first entry with a cookie above `cookie`, or 0 at the end.
uint64_t directory_next(const struct pool *pool, const struct far_record *directory, uint64_t cookie);

#endif
