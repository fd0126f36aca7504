// Remote-readable memory: what a client may fetch from a server's pool without asking it.
// Shared by server (the only writer) and client (reader); every size and offset is asserted here.
// All integers are little-endian; times are signed nanoseconds since 1970 (1678..2262).
//
// Rules of publish and reclaim (server/reclaim.c and client/locate.c refer to them by number):
//  R1 A record's `word` changes whenever anything a cached location depends on changes: the value is replaced, truncated
//     or moved, a name of the object is added, removed or changed, the object dies. The new word is stored (release)
//     before the operation is acknowledged and before any memory it frees may be reused.
//     It may change for no such reason, too: a cached location may be void at any time (server/eviction_policy.h recalls objects so).
//  R2 `version` changes at each change of the value, in-place file writes included; a write in place stores it before the first byte.
//  R3 `location_epoch` in the pool header changes before a directory's rename is acknowledged and before memory that held
//     records is given another use. Record memory keeps holding records otherwise (type-stable).
//  R4 A reader that cached {word, version, epoch} with a location fetches the value first and then word, version and epoch, in that
//     order of visibility (acquire). If all three are as cached, what it fetched was the value of that key at that version at
//     the moment it loaded the word. If not, it asks the server. A reader of an open file by id needs only the word: page-wise semantics. The record's id (never
//     repeated at its place) stands for the epoch where no directory's rename matters: a file by id, a key of one component.
//  R5 A reader that hands out pool memory itself, without a copy that R4 could reject, does so only inside a read section of
//     its lane (fabric.h) and checks the word after entering it. Freed memory is not reused while a read section that began earlier is open.
//     That keeps extents as they are; bytes that R6 changes in place (values up to FAR_BLOCK_MAX) it does not, so those are always copied.
//  R6 While bytes that a location leads to are changed where they are (an inline value replaced, a name changed), or what the record says of its name, its owner, its value's place and
//     size, the word's state is BUSY; it is stored before the first byte changes, and the final word, with another counter, after the last. Page-wise writes to extents need no
//     BUSY. So a record that is fetched between two looks at its word, which find it the same and not BUSY, is of one piece, but for version and times.
//     Of two records with one name at most one is not BUSY at any time.
//  R7 While a session has a write window on an object the word's state is WRITTEN: version and times are behind, so only readers that need just the word
//     (an open file, by id) go on by themselves. The session stores to the object's pages inside a read section, after finding the word as it was when it got the
//     window and after counting the write in the window's cell. The window ends by another word.
//  R8 A record whose word is neither BUSY nor FREE has the checksum of the inline value at its version. Record and value may be fetched by one read that keeps no order among
//     its bytes: with the word as cached and a checksum that fits, all of them are of one moment.
//  R9 `names` in the pool header is odd while the index does not have all names that there are: it becomes odd before an operation's first change of the index and even again, and greater, behind
//     its last. Who finds no entry for a name between two looks at it, which find it the same and even, knows that there was no such name.
//  R10 An object with the flag FAR_RECORD_EXPIRES has a deadline, which only the server knows, by its own clock. Behind it the object is gone by name, though its record may say so a little
//     later. So a location of it that a reply brought is good by key for far_location.lease_ms only, counted from before the request left, by the reader's clock, at which it looks behind the
//     word (R4); later it asks the server. A lease ends before the deadline, and within FAR_LEASE_MAX_MS: clocks that run at different rates differ by little in that. Who finds the flag in a record asks the
//     server. When a deadline is set, the flag is stored first and another word behind it: what was remembered without the deadline is void. Readers of an open file by id need not look: who
//     holds the object keeps it.
#ifndef FAR_LAYOUT_H
#define FAR_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "far/limits.h"

#define FAR_POOL_MAGIC 0x3130304c4f4f5046ULL // "FPOOL001"
#define FAR_LAYOUT_VERSION 4U

enum far_probing {
	FAR_PROBING_NONE,
	FAR_PROBING_FREE, // the server is busy: those whose reads take none of its processor (fabric_caps.is_one_sided)
	FAR_PROBING_ALL,  // it was started so
};

// The first page of the pool.
struct far_pool_header {
	uint64_t magic;
	uint32_t layout_version;
	uint32_t segment_shift;
	uint64_t pool_length;
	uint64_t boot_id;                // random at each start of the server: locations of another boot are void
	_Atomic uint64_t location_epoch; // R3
	_Atomic uint64_t probing;        // enum far_probing: who had better find keys in the index than ask for them
	_Atomic uint64_t index_buckets;  // buckets in use: linear hashing, see server/index.c
	_Atomic uint64_t index_table;    // pool offset of the table of bucket chunks
	_Atomic uint64_t root;           // pool offset of the root directory's record; 0: not told
	_Atomic uint64_t names;          // R9; 0: not told
	uint64_t reserved[6];
};
static_assert(sizeof(struct far_pool_header) == 128, "remote layout");

#define FAR_NAMES_ARE_SETTLED(names) ((names) != 0 && (names) % 2 == 0)

enum far_record_state {
	FAR_RECORD_FREE = 0,    // on a free list of its slab
	FAR_RECORD_LIVE = 1,    // an object with at least one name
	FAR_RECORD_ORPHAN = 2,  // an object without a name that somebody holds
	FAR_RECORD_LINK = 3,    // an additional name: `target` is the object's id
	FAR_RECORD_BUSY = 4,    // R6: being changed in place
	FAR_RECORD_WRITTEN = 5, // R7: an object with a name that a session writes by itself
};

// word = change counter << 8 | state. The counter only grows over the life of the record's memory, across objects.
#define FAR_WORD_STATE(word) ((unsigned)((word)&0xff))
#define FAR_WORD_MAKE(change, state) ((uint64_t)(change) << 8 | (unsigned)(state))
#define FAR_WORD_CHANGE(word) ((uint64_t)(word) >> 8)

enum far_value_kind {
	FAR_VALUE_EMPTY = 0,   // no bytes stored: size 0, or nothing but holes
	FAR_VALUE_INLINE = 1,  // behind the name in the record
	FAR_VALUE_BLOCK = 2,   // one small block: value.block
	FAR_VALUE_EXTENT = 3,  // one extent from file page 0: value.block = pool offset, value.pages = its length
	FAR_VALUE_EXTENTS = 4, // many extents or holes: value.block = the server's extent map
};

// One run of whole pages. Page numbers: file pages count from the value's start, pool pages from the pool's start.
struct far_extent {
	uint32_t file_page;
	uint32_t pool_page;
	uint32_t pages;
	uint32_t reserved;
};
static_assert(sizeof(struct far_extent) == 16, "remote layout");

#define FAR_NAME_UNIT 8U

// The fixed part of an object; the name and then (8-byte aligned) an inline value follow it.
struct far_record {
	_Atomic uint64_t word;    // R1
	_Atomic uint64_t version; // R2
	_Atomic uint64_t size;    // bytes of the value, of the target of a symlink; entries of a directory
	uint64_t id;              // generation << 40 | position in granules; never 0
	uint64_t parent;          // id of the directory that holds the (first) name
	int64_t atime_ns;
	int64_t mtime_ns;
	int64_t ctime_ns;
	int64_t btime_ns;
	uint32_t mode; // type and permission bits as in st_mode
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint64_t cookie;    // position of the name in its directory's order
	uint32_t name_hash; // low half of the index hash of (parent, name)
	uint8_t granules;   // of FAR_GRANULE bytes behind the fixed part
	uint8_t eviction;   // the server's (server/eviction_policy.h)
	uint8_t name_length;
	uint8_t value_kind; // enum far_value_kind
	union {
		struct {
			uint64_t block;   // pool offset, see far_value_kind
			uint32_t pages;   // pool pages that the value occupies, for st_blocks
			uint32_t extents; // FAR_VALUE_EXTENTS: how many; FAR_VALUE_BLOCK: bytes of the block
		} value;
		struct {
			uint64_t checksum; // FAR_VALUE_INLINE: XXH3, 64 bits, of the value, seeded with the version (R8)
		} behind;
		struct {
			uint64_t tree; // pool offset of the entry tree, see server/directory.c
			uint64_t next_cookie;
		} directory;
		struct {
			uint64_t target; // FAR_RECORD_LINK: the object's id
			uint64_t device; // character and block devices
		} special;
	} u;
	uint64_t holds : 11;      // sessions that hold the object
	uint64_t flags : 7;       // enum far_record_flag
	uint64_t name_units : 6;  // of FAR_NAME_UNIT bytes, of the name area behind the fixed part; an inline value begins behind it
	uint64_t attributes : 40; // extended attributes (server/xattr.h): where the first is, in granules; 0 = the object has none
};
static_assert(sizeof(struct far_record) == 128, "remote layout");
static_assert(FAR_SESSIONS_MAX < 1U << 11, "held by all sessions");
static_assert(FAR_NAME_MAX / FAR_NAME_UNIT + 1 < 1U << 6, "name_units");
static_assert((FAR_BLOCK_MAX - sizeof(struct far_record)) / FAR_GRANULE < 1U << 8, "granules");
static_assert(FAR_POOL_MAX / FAR_GRANULE <= 1ULL << 40, "attributes");
static_assert(offsetof(struct far_record, size) == 16, "R4 fetches word, version and size together");

#define FAR_RECORD_FLAGS 127U

enum far_record_flag {
	FAR_RECORD_LONG_NAME = 1, // the name did not fit: the first 8 bytes behind the fixed part are the pool offset of its block
	FAR_RECORD_WINDOW = 2,    // the server's: has a write window
	FAR_RECORD_CAPABLE = 4,   // the server's: no directory, has security.capability, which a change of the value or the owner removes
	FAR_RECORD_EXPIRES = 8,   // R10: has a deadline
	FAR_RECORD_PINNED = 16,   // the server's: is not evicted
	FAR_RECORD_QUOTA = 32,    // the server's: a directory that has a quota
};

// Bytes behind the fixed part, and those of them that the name has.
static inline uint32_t far_record_room(const struct far_record *record)
{
	return record->granules * FAR_GRANULE;
}
static inline uint32_t far_record_name_room(const struct far_record *record)
{
	return (uint32_t)record->name_units * FAR_NAME_UNIT;
}

// Where a session tells of what it writes through a window (R7). The session's to write, the server's to read.
struct far_window_cell {
	_Atomic uint64_t writes;  // counted, with release, before the first byte of each is stored
	_Atomic int64_t mtime_ns; // stored before each count
	_Atomic uint64_t
	        stored; // counted, with release, behind the last byte of each: who has looked at the time meanwhile has to see another
};
static_assert(sizeof(struct far_window_cell) == 24, "remote layout");

#define FAR_ID_POSITION_BITS 40
#define FAR_ID_POSITION(id) ((id) & ((1ULL << FAR_ID_POSITION_BITS) - 1))
#define FAR_ID_GENERATION(id) ((id) >> FAR_ID_POSITION_BITS)

#endif
