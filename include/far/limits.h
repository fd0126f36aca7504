// Every bound of FarFS in one place, with its reason. Sizes in bytes unless the name says otherwise.
#ifndef FAR_LIMITS_H
#define FAR_LIMITS_H

#define FAR_NAME_MAX 255           // one component of a key; what POSIX programs expect (NAME_MAX)
#define FAR_KEY_MAX 4095           // a whole key; PATH_MAX less the terminating NUL
#define FAR_SYMLINK_MAX 4095       // target of a symbolic link; PATH_MAX less the terminating NUL
#define FAR_XATTR_NAME_MAX 255     // an extended attribute's name with its namespace; the kernel's XATTR_NAME_MAX
#define FAR_XATTR_VALUE_MAX 65536U // the kernel's XATTR_SIZE_MAX
// All names of one object, each with its NUL: the kernel passes 64 KiB on (XATTR_LIST_MAX), and the facts that are listed with them (server/xattr_facts.c) must find room.
#define FAR_XATTR_LIST_MAX (65536U - 256U)
#define FAR_LINK_MAX 65000 // names of one object; ext4's bound, so that programs that probe it feel at home

#define FAR_PAGE_SHIFT 12
#define FAR_PAGE_SIZE 4096U // granularity of large values, equal to the kernel's page
#define FAR_GRANULE 16U     // granularity of small blocks and of record positions inside object ids

// A message carries its header and, eagerly, a small value. 8 KiB keeps a 4 KiB file page eager with any name beside it.
#define FAR_MESSAGE_SIZE_DEFAULT 8192U
#define FAR_MESSAGE_SIZE_MIN 8192U
#define FAR_MESSAGE_SIZE_MAX 65536U

// A value up to this size lives in its record: one fetch brings header and value (design section 6).
#define FAR_INLINE_MAX 1024U
// Values above the inline limit and up to this size take a small block (16-byte granules); larger ones take whole pages.
#define FAR_BLOCK_MAX 4096U

#define FAR_SEGMENT_MIN (2U << 20) // one 2 MiB hugepage
#define FAR_SEGMENT_MAX (64U << 20)
#define FAR_POOL_MIN (8U << 20)                      // four smallest segments: below that grants alone would fill it
#define FAR_POOL_MAX (16ULL << 40)                   // object ids hold 40 bits of 16-byte granules
#define FAR_FILE_MAX ((16ULL << 40) - FAR_PAGE_SIZE) // 32-bit page numbers in extents, the end's included

// One grant: the run of pages a lane may fill before it commits. 1 MiB is the largest FUSE write.
#define FAR_GRANT_SIZE (1U << 20)
#define FAR_GRANTS_PER_LANE 4U // 4 MiB under way keep a lane busy over the refill round trip

// An append, or put of a range, by key is whole, so it is one request: what a lane's grants hold even if the first of them is nearly used up and one could not be had.
#define FAR_PUT_RANGE_MAX (2U << 20)

#define FAR_RANGES_PER_REQUEST 64U // written parts of grants in one put or write; a lane's grants are a handful

// A listing by prefix looks at so many entries a request, chosen or not: about 0.1 ms, so others wait no longer for it than for a large push.
#define FAR_LIST_SCAN_MAX 1024U

// Times to live go up to 100 years. The sweep takes so long at once: about as a few requests.
#define FAR_TTL_MAX_MS 3155760000000ULL
#define FAR_EXPIRY_STEP_NS 100000U
// It pauses while readers keep so many bytes from being used again: small objects in these, some 4,000, are given back at once when the readers have ended.
#define FAR_EXPIRY_WAITING_MAX (1U << 20)
// A lease (layout.h R10): two clocks that are both kept by NTP, at most 500 ppm off, differ by 10 ms behind it.
#define FAR_LEASE_MAX_MS 10000U

// Quotas of one server: a list that is looked through, told a few dozen a message. What one may limit: sums of two stay within 64 bits. Objects that are there when one is set are counted in steps of so long.
#define FAR_QUOTAS_MAX 4096U
#define FAR_QUOTA_LIMIT_MAX (1ULL << 62)
#define FAR_QUOTA_STEP_NS 100000U

// One step of a check (far fsck): others wait so long for it, about as for two listings. What is looked at within one step whatever it takes: one object, and what check_owners.c meets.
#define FAR_CHECK_STEP_NS 200000U
// The counts of names and objects at a check's end take longer at once, so that in a server that is busy they are of one moment up to some 100,000.
#define FAR_CHECK_COUNT_NS 1000000U

#define FAR_SESSIONS_MAX 1024U
#define FAR_LANES_PER_SESSION 67U // one a thread: far-fsd has up to 64, one more beside rings, one for notices, one to let go of files
#define FAR_REGIONS_PER_LANE 64U  // client buffers that the server may write to
#define FAR_LANE_DEPTH 64U        // posted operations and messages of a lane under way
#define FAR_EXTENTS_PER_REPLY 64U // extents of one value in one reply; more are fetched by FAR_OP_EXTENTS

// Locks held and waiting, some 100 bytes each, and up to 400 if each is of another owner and object. Finding what is in the way goes through an object's locks one by one: at most about 0.1 ms a session's worth.
#define FAR_LOCKS_PER_SESSION 16384U
#define FAR_LOCKS_MAX 262144U     // of all sessions: 100 MiB at most
#define FAR_DEADLOCK_STEPS 65536U // locks looked at before a wait counts as one that ends

// Keys and prefixes that are watched, some 100 bytes each and the key. A change looks at those of its key, of the directories above it, and of prefixes that end in one of these (all that have no slash, for a start): some
// 5 ns each. A directory's rename is held against all: about 0.1 ms.
#define FAR_WATCHES_PER_SESSION 1024U
#define FAR_WATCHES_MAX 16384U // of all sessions
// Events that wait for a lane to take them: some 2,000; what comes on top is counted as lost. For all lanes together so much that a crowd of clients that have stopped takes little of a server.
// The first bytes of each queue do not count among these: however many have stopped, others hear of what they keep up with.
#define FAR_WATCH_QUEUE_BYTES (256U << 10)
#define FAR_WATCH_QUEUE_SHARE (4U << 10) // FAR_WATCHES_MAX lanes at most have one: 64 MiB
#define FAR_WATCH_BYTES_MAX (64U << 20)
#define FAR_WATCH_NAMES_MAX \
	64U // a change of an object is told under each of its names, some 0.1 us each; of one with more names all lose it who watch for such events

// The staging buffer of a client lane: source of large puts, target of pushed gets where memory must be registered.
#define FAR_LANE_BUFFER (4U << 20) // half of it holds the largest FUSE request (1 MiB and its header); touched as it is used

#define FAR_PORT_DEFAULT 7440 // unassigned by IANA when chosen

#endif
