// The index: from (parent id, name) to the record that holds that name. An open hash table of 8-byte slots in buckets of one cache line in the pool, grown and shrunk one
// bucket at a time (linear hashing, Litwin 1980), so no operation waits for a rebuild. A slot is tag (high 16 bits of the hash) and record position in granules. A record carries the hash's low half
// (name_hash), so a split does not need names. Remote-readable: buckets can be found from far_pool_header alone, see the fields there and index.c.
// Writer thread changes it. pool_header->index_buckets tells readers how many buckets are in use.
#ifndef SERVER_INDEX_H
#define SERVER_INDEX_H

#include "far/key.h"
#include "server/pool.h"

struct index;

int index_new(struct pool *pool, struct index **index);
void index_free(struct index *index);

// XXH3 of the name, seeded with the parent's id and the boot id.
uint64_t index_hash(const struct index *index, uint64_t parent, struct far_span name);

// The record's offset, or 0. Compares record->parent and the whole name.
uint64_t index_find(const struct index *index, uint64_t parent, struct far_span name);

// Adds a record whose parent, name and name_hash are set; the caller knows that the name is not there. -ENOSPC changes nothing.
int index_insert(struct index *index, uint64_t record);

// Removes it (found by parent, name_hash and position, before any of them is changed). Never fails; may shrink the table.
void index_remove(struct index *index, uint64_t record);

// What the index has of a name with this hash (far_record.name_hash) is looked at soon.
void index_expect(const struct index *index, uint32_t name_hash);

// The same of the front of the record that an entry with this hash (index_hash) leads to, some time behind index_expect. Returns its offset, or 0: it is likely to be that name's.
uint64_t index_expect_entry(const struct index *index, uint64_t hash);

// The same of the rest of its chain, some time behind index_expect.
void index_expect_rest(const struct index *index, uint32_t name_hash);

// To be called when an operation that may have changed the index is done: until then remote readers believe no name to be missing (layout.h R9). Without a change it does nothing.
void index_settle(const struct index *index);

uint64_t index_count(const struct index *index);
uint64_t index_bytes(const struct index *index); // of the pool

#endif
