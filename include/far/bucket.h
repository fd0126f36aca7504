// The index as clients may read it: where the entry of (parent id, name) is. The server's own code (server/index.c) finds entries by the same rules.
//
// far_pool_header.index_table is the pool offset of an array of chunk offsets; a chunk is FAR_CHUNK_BUCKETS buckets; index_buckets are in use, by linear hashing.
// All of them move while the index grows and shrinks: whoever reads one-sidedly looks at the header again behind the bucket, and takes an entry for no more than a hint at a record, which
// says by itself whether it holds that name (rules R1..R4).
#ifndef FAR_BUCKET_H
#define FAR_BUCKET_H

#include <assert.h>
#include <stdint.h>
#include <xxhash.h>

#include "far/limits.h"

#define FAR_BUCKET_SLOTS 7U
#define FAR_CHUNK_SHIFT 10U
#define FAR_CHUNK_BUCKETS (1U << FAR_CHUNK_SHIFT)

struct far_bucket {
	_Atomic uint64_t slots[FAR_BUCKET_SLOTS]; // tag << 48 | record position in granules, 0 = empty
	_Atomic uint64_t overflow;                // pool offset of the next bucket of the chain
};
static_assert(sizeof(struct far_bucket) == 64, "remote layout: one cache line");

// The high 16 bits are the entry's tag, the low half is its place and the record's name_hash.
static inline uint64_t far_bucket_hash(uint64_t boot_id, uint64_t parent, const void *name, size_t length)
{
	return XXH3_64bits_withSeed(name, length, boot_id ^ parent * 0x9e3779b97f4a7c15ULL);
}

// With n buckets, 2^L <= n < 2^(L+1): the hash mod 2^(L+1) if that is in use, else mod 2^L. n is not 0.
static inline uint64_t far_bucket_number(uint64_t buckets, uint32_t hash)
{
	unsigned level = 63U - (unsigned)__builtin_clzll(buckets);
	uint64_t number = hash & ((2ULL << level) - 1);

	return number < buckets ? number : hash & ((1ULL << level) - 1);
}

static inline uint64_t far_bucket_slot(uint64_t hash, uint64_t record)
{
	return hash >> 48 << 48 | record / FAR_GRANULE;
}

static inline uint64_t far_slot_record(uint64_t slot)
{
	return (slot & ((1ULL << 48) - 1)) * FAR_GRANULE;
}

// Whether the slot may be the entry of a name with that hash.
static inline int far_slot_has_tag(uint64_t slot, uint64_t hash)
{
	return slot != 0 && slot >> 48 == hash >> 48;
}

#endif
