// Lookups to come. A message with many keys tells them all at once, so the index buckets and records that they lead to can be fetched side by side, instead of one after the other as each key's turn comes. These are hints:
// nothing is changed by them, and what happens before a key's turn makes them useless at worst. Keys need not have been checked.
#ifndef SERVER_LOOKUPS_H
#define SERVER_LOOKUPS_H

#include "far/key.h"
#include "server/server.h"

#define LOOKUPS_FROM 4096U // objects: where there are fewer most are in the cache, and each hint costs some 20 ns

#define LOOKUPS_MAX 16U // at once: more lines on their way than a core can wait for are of no use

struct lookups {
	struct far_span folder; // of the last key, with the slash: the next one is likely to be there, too
	uint64_t parent;        // its id; 0: there is no such directory
	uint64_t hashes[LOOKUPS_MAX];
	uint32_t count;
};

void lookups_begin(const struct server *server, struct lookups *lookups);

// Fetches the bucket of a key, while there are fewer than LOOKUPS_MAX.
void lookups_add(const struct server *server, struct lookups *lookups, struct far_span key);

// Fetches the records that the buckets lead to, and the values in them. The next ones can be added then.
void lookups_follow(const struct server *server, struct lookups *lookups);

#endif
