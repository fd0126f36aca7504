// libFuzzer: arbitrary bytes as a sequence of requests into dispatch, on a small pool and two sessions. Each request is an op byte, a flags byte, a length byte pair and its
// bytes; the header is made well-formed, so that what is behind the first check is reached (a first byte of 0 sends the bytes as they are). Ids in requests are taken from a
// table of those that replies told, so that they mean something. Half of the inputs go to a server that evicts, by a bit of the last byte; another bit makes the pool scarce. After some runs a check (server/check.h) must find nothing; after each everything is removed, and the pool must have what it had
// at the start.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "far/log.h"
#include "server/check.h"
#include "server/directory.h"
#include "server/expiry.h"
#include "server/namespace.h"
#include "server/operations.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/session.h"
#include "server/space.h"
#include "server/xattr.h"

#define POOL (8U << 20)
#define BUFFER (1U << 20)
#define IDS 16
#define LEFT_PAGES 250U      // of the pool when it is made scarce: enough for a few dozen objects and a grant
#define LATER_NS 1000000000U // a request that is to come later does so after that, and is carried out in the end
#define LATER_MAX 20
#define HOGS_MAX 256
#define CHECK_EVERY 64 // runs: a check takes as long as some runs

static struct server *servers[2]; // the second one evicts
static uint64_t free_at_start[2];
static struct server *server; // of the two, the one under way
static uint8_t buffer[BUFFER];
static uint64_t ids[IDS];
static unsigned id_count;
static struct far_grant grants[2];
static struct far_extent hogs[HOGS_MAX];
static unsigned hog_count;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static int fuzz_post_write(struct lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	(void)lane;
	(void)rkey;
	(void)context;
	if (offset > BUFFER || length > BUFFER - offset)
		return -EACCES;
	memcpy(buffer + offset, local, length);
	return 0;
}

static int fuzz_grant(struct lane *lane, uint64_t pool_offset, uint64_t length, void **region, uint64_t *rkey)
{
	(void)lane;
	(void)length;
	*region = NULL;
	*rkey = pool_offset;
	return 0;
}

static void fuzz_seal(struct lane *lane, void *region, uint64_t length)
{
	(void)lane;
	(void)region;
	(void)length;
}

static void fuzz_revoke(struct lane *lane, void *region)
{
	(void)lane;
	(void)region;
}

static void fuzz_notify(struct lane *lane)
{
	(void)lane;
}

static void fuzz_set_scope(struct lane *lane, uint64_t scope)
{
	(void)lane;
	(void)scope;
}

static uint64_t fuzz_read_section(const struct lane *lane)
{
	(void)lane;
	return 0;
}

static const struct lane_transport transport = {
        .post_write = fuzz_post_write,
        .grant = fuzz_grant,
        .seal = fuzz_seal,
        .revoke = fuzz_revoke,
        .notify = fuzz_notify,
        .set_scope = fuzz_set_scope,
        .read_section = fuzz_read_section,
};

// A clock of its own: each request takes some ms, so that deadlines are over in the midst of a run, now swept and now not.
static uint64_t clock_ns = 1000000000;

static uint64_t fuzz_clock(void)
{
	return clock_ns;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct server_options options = {
	        .pool = {.length = POOL, .hugepages = POOL_HUGEPAGES_NEVER}, .message_size = FAR_MESSAGE_SIZE_DEFAULT};
	char reason[256];

	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR);
	for (unsigned i = 0; i < 2; i++) {
		options.is_evicting = i == 1;
		if (server_open(&options, &servers[i], reason)) {
			fprintf(stderr, "%s\n", reason);
			abort();
		}
		servers[i]->monotonic_ns = fuzz_clock;
		free_at_start[i] = space_free_bytes(servers[i]);
	}
	return 0;
}

static void lane_begin(struct lane *lane)
{
	*lane = (struct lane){.server = server, .transport = &transport, .peer = "fuzz", .message_size = FAR_MESSAGE_SIZE_DEFAULT};
	lane_init(lane);
}

static bool tells_id(unsigned op)
{
	return op == FAR_OP_CREATE || op == FAR_OP_LOOKUP || op == FAR_OP_HOLD || op == FAR_OP_LINK || op == FAR_OP_UPLOAD ||
	       op == FAR_OP_TMPFILE || op == FAR_OP_MKDIR || op == FAR_OP_STAT;
}

// Events of a message fill it, each with its keys.
static void check_events(const uint8_t *message, uint32_t length)
{
	const struct far_events *events = (const struct far_events *)message;
	uint32_t at = sizeof(*events);

	for (uint32_t i = 0; i < events->count; i++) {
		struct far_event event;

		if (length - at < sizeof(event))
			abort();
		memcpy(&event, message + at, sizeof(event));
		at += (uint32_t)sizeof(event);
		if ((uint32_t)event.key_length + event.new_key_length > length - at)
			abort();
		if (event.key_length > 0 && far_key_check(message + at, event.key_length))
			abort();
		at += (uint32_t)event.key_length + event.new_key_length;
	}
	if (at != length)
		abort();
}

static void take_notices(struct lane *lane)
{
	static _Alignas(8) uint8_t message[FAR_MESSAGE_SIZE_DEFAULT];

	while (operations_has_notices(lane)) {
		uint32_t length = operations_notices(lane, message, sizeof(message));

		if (length > sizeof(message) || ((const struct far_reply *)message)->length != length)
			abort();
		if (((const struct far_reply *)message)->op == FAR_OP_WATCH)
			check_events(message, length);
	}
}

// Files that the server would have back, each with its name.
static void check_let_go(const uint8_t *message, uint32_t length)
{
	const struct far_let_go_reply *reply = (const struct far_let_go_reply *)message;
	uint32_t at = sizeof(*reply);

	for (uint32_t i = 0; i < reply->count; i++) {
		struct far_let_go entry;

		if (length - at < sizeof(entry))
			abort();
		memcpy(&entry, message + at, sizeof(entry));
		at += (uint32_t)sizeof(entry);
		if (entry.name_length > length - at || far_name_check(message + at, entry.name_length))
			abort();
		at += entry.name_length;
	}
	if (at != length)
		abort();
}

static uint32_t carry_out(struct lane *lane, const void *message, uint32_t length, uint8_t *reply)
{
	uint32_t reply_length;

	for (unsigned tries = 0; (reply_length = operations_dispatch(server, lane, message, length, reply)) == OPERATIONS_LATER; tries++) {
		if (tries == LATER_MAX)
			abort();
		clock_ns += LATER_NS;
		server_settle(server);
	}
	return reply_length;
}

static uint32_t dispatch(struct lane *lane, unsigned which, const void *message, uint32_t length)
{
	static _Alignas(8) uint8_t reply[FAR_MESSAGE_SIZE_DEFAULT];
	const struct far_reply *header = (const struct far_reply *)reply;
	uint32_t reply_length = carry_out(lane, message, length, reply);

	while (lane->transfer_count > 0)
		lane_transfer_done(lane);
	if (reply_length % 5 != 0) // else they gather
		take_notices(lane);
	clock_ns += (reply_length % 7) * 1000000;
	if (reply_length % 3 == 0)
		expiry_sweep(server, UINT64_MAX / 2);
	server_settle(server);
	if (reply_length > sizeof(reply) || (reply_length && header->length != reply_length))
		abort();
	if (reply_length && header->flags & FAR_REPLY_GRANT)
		memcpy(&grants[which], reply + reply_length - sizeof(struct far_grant), sizeof(struct far_grant));
	if (reply_length && header->op == FAR_OP_LET_GO && header->status == 0)
		check_let_go(reply, reply_length - (header->flags & FAR_REPLY_GRANT ? (uint32_t)sizeof(struct far_grant) : 0));
	// Replies with attributes have the id first.
	if (tells_id(header->op) && reply_length > sizeof(*header) && header->status == 0)
		memcpy(&ids[id_count++ % IDS], reply + sizeof(*header), sizeof(uint64_t));
	return reply_length;
}

static void say_hello(struct lane *lane, unsigned which)
{
	struct far_hello_request hello = {
	        .header = {FAR_OP_HELLO, 0, sizeof(hello), 0}, .magic = FAR_WIRE_MAGIC, .wire_version = FAR_WIRE_VERSION};

	dispatch(lane, which, &hello, sizeof(hello));
}

static void set_u64(uint8_t *message, size_t offset, uint64_t value)
{
	memcpy(message + offset, &value, sizeof(value));
}

// Ids are one byte in the input: the root, or a place in the table.
static void set_id(uint8_t *message, size_t offset)
{
	unsigned known = id_count < IDS ? id_count : IDS;

	set_u64(message, offset, message[offset] & 1 && known ? ids[(message[offset] >> 1) % known] : FAR_ROOT_ID);
}

// Names of few letters meet each other. Of a key every fourth byte may part components; a name that is to be long is.
static void set_name(uint8_t *name, uint32_t length, bool is_key)
{
	for (uint32_t i = 0; i < length; i++)
		name[i] = is_key && i % 2 == 1 && i + 1 < length && name[i] & 4 ? '/' : (uint8_t)('a' + name[i] % 3);
}

// A time to live in front of a put's key, if it has one: a few ms, 0 too. Returns its length.
static uint32_t set_ttl(uint8_t *message, uint32_t at, uint32_t tail)
{
	const struct far_request *header = (const struct far_request *)message;

	if (!(header->flags & FAR_PUT_HAS_TTL) || tail < sizeof(uint64_t))
		return 0;
	set_u64(message, at, message[at] % 64);
	return sizeof(uint64_t);
}

// Up to 7 items whose lengths add up to what is there: the last one has the rest as its value.
static void set_items(uint8_t *message, uint32_t tail)
{
	struct far_many_request *many = (struct far_many_request *)message;
	struct far_many_item *items = (struct far_many_item *)(many + 1);
	uint8_t *behind;

	many->count = many->count % 8;
	if (many->count > tail / sizeof(*items))
		many->count = (uint32_t)(tail / sizeof(*items));
	behind = (uint8_t *)(items + many->count);
	tail -= many->count * (uint32_t)sizeof(*items);
	for (uint32_t i = 0; i < many->count; i++) {
		bool is_put = many->header.op == FAR_OP_PUT_MANY;
		bool is_last = i + 1 == many->count;
		uint32_t key_length = is_last && !is_put ? tail : items[i].key_length % 8;

		items[i].key_length = (uint16_t)(key_length < tail ? key_length : tail);
		set_name(behind, items[i].key_length, true);
		behind += items[i].key_length;
		tail -= items[i].key_length;
		items[i].expected %= 4;
		items[i].ttl_ms %= 64;
		items[i].flags &= is_put ? FAR_PUT_EXPECT_VERSION | FAR_PUT_HAS_TTL | FAR_PUT_KEEPS_TTL : 0;
		if (!is_put)
			continue;
		items[i].length = is_last || tail == 0 ? tail : items[i].length % tail;
		behind += items[i].length;
		tail -= items[i].length;
	}
}

static void set_put_range(uint8_t *message, uint32_t tail, unsigned which)
{
	struct far_put_range_request *put = (struct far_put_range_request *)message;
	uint8_t *key = message + sizeof(*put);

	put->offset &= put->offset & 1 ? 0xfffff : 0x1fff;
	if (put->header.flags & FAR_PUT_RANGE_APPEND)
		put->offset = 0;
	put->key_length = (uint16_t)(put->key_length % 8 < tail ? put->key_length % 8 : tail);
	set_name(key, put->key_length, true);
	put->length = tail - put->key_length;
	put->ranges = 0;
	if (put->header.flags & FAR_PUT_RANGE_GRANTED && put->length >= sizeof(struct far_range)) {
		struct far_range range;

		memcpy(&range, key + put->key_length, sizeof(range));
		range.grant = grants[which].id;
		range.offset = (range.offset & 31) << FAR_PAGE_SHIFT;
		range.length &= 0xffff;
		memcpy(key + put->key_length, &range, sizeof(range));
		put->ranges = 1;
		put->length = range.length;
		put->header.length = (uint32_t)(sizeof(*put) + put->key_length + sizeof(range));
	}
}

// One of a few names, as long as there is room for it. Returns its length.
static uint16_t set_attribute_name(uint8_t *name, uint32_t room, unsigned chosen)
{
	static const char *const names[] = {"user.a", "user.b", "security.capability", "system.posix_acl_access",
	        "system.posix_acl_default", "user.far.version", "user.far.ttl", "user.far.counter",
	        "trusted.cccccccccccccccccccccccccccccccccccc", "none.a"};
	const char *text = names[chosen % (sizeof(names) / sizeof(names[0]))];
	uint32_t length = (uint32_t)strlen(text);

	if (length > room)
		length = room;
	memcpy(name, text, length);
	return (uint16_t)length;
}

// A value that begins like an access control list becomes one whose tags are in order.
static void make_list(uint8_t *value, uint32_t length)
{
	static const uint8_t tags[] = {1, 2, 4, 8, 16, 32};

	if (length < 4 || value[0] != 2)
		return;
	memset(value + 1, 0, 3);
	for (uint32_t i = 0; 4 + (i + 1) * 8 <= length && i < sizeof(tags); i++) {
		uint8_t *entry = value + 4 + (size_t)i * 8;

		entry[0] = tags[i];
		entry[1] = entry[3] = 0;
		entry[2] &= 7;
	}
}

// Makes those fields fit that arbitrary bytes would hardly ever hit: ids, lengths of the variable parts, ranges of the grant.
static void make_sense(uint8_t *message, uint32_t length, unsigned which)
{
	struct far_request *header = (struct far_request *)message;
	const struct operation *operation = operations_find(header->op);
	uint32_t tail;

	if (!operation || length < operation->request_size || operation->request_size < 24)
		return;
	tail = length - operation->request_size;
	switch (header->op) {
	case FAR_OP_PUT: {
		struct far_put_request *put = (struct far_put_request *)message;

		uint32_t front = set_ttl(message, sizeof(*put), tail);
		uint8_t *key = message + sizeof(*put) + front;

		tail -= front;
		put->key_length = (uint16_t)(put->key_length % 8 < tail ? put->key_length % 8 : tail);
		set_name(key, put->key_length, true);
		put->expected %= 4;
		put->value_length = tail - put->key_length;
		if (header->flags & FAR_PUT_RANGES && tail - put->key_length >= sizeof(struct far_range)) {
			struct far_range range;

			memcpy(&range, key + put->key_length, sizeof(range));
			range.grant = grants[which].id;
			range.offset = (range.offset & 31) << FAR_PAGE_SHIFT;
			range.length &= 0xffff;
			memcpy(key + put->key_length, &range, sizeof(range));
			put->ranges = 1;
			put->value_length = range.length;
			header->length = (uint32_t)(sizeof(*put) + front + put->key_length + sizeof(range));
		}
		break;
	}
	case FAR_OP_WRITE: {
		struct far_write_request *write = (struct far_write_request *)message;

		set_id(message, offsetof(struct far_write_request, id));
		write->offset &= write->offset & 1 ? 0xfffff : 0x1fff;
		write->length = tail;
		write->ranges = 0;
		if (header->flags & FAR_WRITE_RANGES && tail >= sizeof(struct far_range)) {
			struct far_range *range = (struct far_range *)(write + 1);

			range->grant = grants[which].id;
			range->offset = (range->offset & 31) << FAR_PAGE_SHIFT;
			range->length &= 0xffff;
			write->ranges = 1;
			write->length = range->length;
			header->length = sizeof(*write) + sizeof(*range);
		}
		break;
	}
	case FAR_OP_GET: {
		uint32_t front = header->flags & FAR_GET_IF_NEWER && tail >= sizeof(uint64_t) ? sizeof(uint64_t) : 0;

		if (front)
			set_u64(message, operation->request_size, message[operation->request_size] % 4);
		((struct far_get_request *)message)->key_length = (uint16_t)(tail - front);
		set_name(message + operation->request_size + front, tail - front, true);
		break;
	}
	case FAR_OP_READ:
	case FAR_OP_EXTENTS: {
		struct far_read_request *read = (struct far_read_request *)message;

		set_id(message, offsetof(struct far_read_request, id));
		read->push.offset &= 0xffff;
		read->push.length &= 0x1fffff;
		read->offset &= 0xfffff;
		break;
	}
	case FAR_OP_DELETE:
		((struct far_delete_request *)message)->key_length = (uint16_t)tail;
		set_name(message + operation->request_size, tail, true);
		break;
	case FAR_OP_STAT:
		((struct far_key_request *)message)->key_length = (uint16_t)tail;
		set_name(message + operation->request_size, tail, true);
		break;
	case FAR_OP_MKDIR:
		((struct far_mkdir_request *)message)->key_length = (uint16_t)tail;
		set_name(message + operation->request_size, tail, true);
		break;
	case FAR_OP_PUBLISH: {
		uint32_t front = set_ttl(message, operation->request_size, tail);

		set_id(message, offsetof(struct far_put_request, upload));
		((struct far_put_request *)message)->key_length = (uint16_t)(tail - front);
		((struct far_put_request *)message)->expected %= 4;
		set_name(message + operation->request_size + front, tail - front, true);
		break;
	}
	case FAR_OP_EXPIRE:
		((struct far_expire_request *)message)->ttl_ms = header->flags & FAR_EXPIRE_PERSIST ? 0 : message[16] % 64;
		((struct far_expire_request *)message)->key_length = (uint16_t)tail;
		set_name(message + operation->request_size, tail, true);
		break;
	case FAR_OP_COUNTER: {
		struct far_counter_request *counter = (struct far_counter_request *)message;

		counter->expected %= 4;
		counter->ttl_ms %= 64;
		counter->key_length = (uint16_t)tail;
		set_name(message + sizeof(*counter), tail, true);
		break;
	}
	case FAR_OP_QUOTA: {
		struct far_quota_request *quota = (struct far_quota_request *)message;

		quota->bytes %= 1U << 20; // limits that are met
		quota->objects %= 32;
		quota->key_length = header->flags & FAR_QUOTA_LIST ? 0 : (uint16_t)tail;
		set_name(message + sizeof(*quota), quota->key_length, true);
		break;
	}
	case FAR_OP_PIN:
	case FAR_OP_TTL:
		((struct far_key_request *)message)->key_length = (uint16_t)tail;
		set_name(message + operation->request_size, tail, true);
		break;
	case FAR_OP_GET_MANY:
	case FAR_OP_PUT_MANY:
		set_items(message, tail);
		break;
	case FAR_OP_PUT_RANGE:
		set_put_range(message, tail, which);
		break;
	case FAR_OP_RENAME: {
		struct far_rename_request *rename = (struct far_rename_request *)message;

		rename->from_length = (uint16_t)(tail ? rename->from_length % (tail + 1) : 0);
		rename->to_length = (uint16_t)(tail - rename->from_length);
		set_name(message + sizeof(*rename), rename->from_length, true);
		set_name(message + sizeof(*rename) + rename->from_length, rename->to_length, true);
		break;
	}
	case FAR_OP_UNLINK:
	case FAR_OP_RMDIR:
		set_id(message, offsetof(struct far_remove_request, parent));
		if (((struct far_remove_request *)message)->expected % 2)
			set_id(message, offsetof(struct far_remove_request, expected));
		else
			((struct far_remove_request *)message)->expected = 0;
		((struct far_remove_request *)message)->name_length = (uint16_t)tail;
		set_name(message + operation->request_size, tail, false);
		break;
	case FAR_OP_LOOKUP:
		set_id(message, offsetof(struct far_lookup_request, parent));
		((struct far_lookup_request *)message)->name_length = (uint16_t)tail;
		set_name(message + operation->request_size, tail, false);
		break;
	case FAR_OP_CREATE: {
		struct far_create_request *create = (struct far_create_request *)message;
		static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFREG, S_IFIFO, S_IFCHR, S_IFDIR, S_IFREG};

		set_id(message, offsetof(struct far_create_request, parent));
		create->mode = types[create->mode & 7] | (create->mode >> 3 & 07777);
		create->target_length = (uint16_t)(S_ISLNK(create->mode) && tail > 1 ? tail - 1 : 0);
		create->name_length = (uint16_t)(tail - create->target_length);
		set_name(message + sizeof(*create), create->name_length, false);
		break;
	}
	case FAR_OP_TMPFILE: {
		struct far_create_request *create = (struct far_create_request *)message;

		set_id(message, offsetof(struct far_create_request, parent));
		create->mode = S_IFREG | (create->mode & 07777);
		create->name_length = create->name_length == 1; // seldom: it has none
		create->target_length = 0;
		break;
	}
	case FAR_OP_LINK:
		set_id(message, offsetof(struct far_link_request, id));
		set_id(message, offsetof(struct far_link_request, parent));
		((struct far_link_request *)message)->name_length = (uint16_t)tail;
		set_name(message + operation->request_size, tail, false);
		break;
	case FAR_OP_RENAME_AT: {
		struct far_rename_at_request *rename = (struct far_rename_at_request *)message;

		set_id(message, offsetof(struct far_rename_at_request, parent));
		set_id(message, offsetof(struct far_rename_at_request, new_parent));
		if (rename->expected % 2)
			set_id(message, offsetof(struct far_rename_at_request, expected));
		else
			rename->expected = 0;
		rename->name_length = (uint16_t)(tail ? rename->name_length % (tail + 1) : 0);
		rename->new_name_length = (uint16_t)(tail - rename->name_length);
		set_name(message + sizeof(*rename), tail, false);
		break;
	}
	case FAR_OP_LIST:
		((struct far_list_request *)message)->key_length = (uint16_t)tail;
		((struct far_list_request *)message)->prefix_length = 0;
		set_name(message + operation->request_size, tail, true);
		break;
	case FAR_OP_SETATTR:
		set_id(message, offsetof(struct far_setattr_request, id));
		((struct far_setattr_request *)message)->size &= 0xfffff;
		((struct far_setattr_request *)message)->valid &= 1023;
		break;
	case FAR_OP_FORGET:
		((struct far_forget_request *)message)->count = (uint32_t)(tail / sizeof(struct far_forget));
		header->length = (uint32_t)(operation->request_size + tail / sizeof(struct far_forget) * sizeof(struct far_forget));
		for (uint32_t i = 0; i < tail / sizeof(struct far_forget); i++)
			set_id(message, operation->request_size + i * sizeof(struct far_forget));
		break;
	case FAR_OP_TOUCH:
		((struct far_touch_request *)message)->count = (uint32_t)(tail / sizeof(uint64_t));
		header->length = (uint32_t)(operation->request_size + tail / sizeof(uint64_t) * sizeof(uint64_t));
		for (uint32_t i = 0; i < tail / sizeof(uint64_t); i++)
			set_id(message, operation->request_size + i * sizeof(uint64_t));
		break;
	case FAR_OP_CHECK:
		// The one under way, if there is one, or a new one.
		((struct far_check_request *)message)->check =
		        server->check && message[sizeof(*header)] & 1 ? check_number(server->check) : 0;
		break;
	case FAR_OP_METRICS: {
		struct far_metrics_request *metrics = (struct far_metrics_request *)message;

		metrics->part &= 3; // one more than there are
		if (metrics->cursor & 1)
			metrics->cursor &= 127;
		break;
	}
	case FAR_OP_STATFS:
		set_id(message, offsetof(struct far_statfs_request, id));
		break;
	case FAR_OP_GETATTR:
	case FAR_OP_HOLD:
	case FAR_OP_READLINK:
		set_id(message, offsetof(struct far_object_request, id));
		break;
	case FAR_OP_XATTR_SET: {
		struct far_xattr_set_request *set = (struct far_xattr_set_request *)message;

		set_id(message, offsetof(struct far_xattr_set_request, id));
		if (set->upload & 1)
			set_id(message, offsetof(struct far_xattr_set_request, upload));
		else
			set->upload = 0;
		set->name_length = set_attribute_name(message + sizeof(*set), tail, set->name_length);
		if (!set->upload)
			set->value_length = tail - set->name_length;
		else
			header->length = (uint32_t)sizeof(*set) + set->name_length;
		make_list(message + sizeof(*set) + set->name_length, tail - set->name_length);
		break;
	}
	case FAR_OP_XATTR_GET:
	case FAR_OP_XATTR_REMOVE: {
		struct far_xattr_get_request *get = (struct far_xattr_get_request *)message;

		set_id(message, offsetof(struct far_xattr_get_request, id));
		get->offset &= 0xfff;
		get->name_length = set_attribute_name(message + sizeof(*get), tail, get->name_length);
		header->length = (uint32_t)sizeof(*get) + get->name_length;
		break;
	}
	case FAR_OP_XATTR_LIST:
		set_id(message, offsetof(struct far_xattr_get_request, id));
		((struct far_xattr_get_request *)message)->name_length = 0;
		break;
	case FAR_OP_LOCK: {
		struct far_lock_request *lock = (struct far_lock_request *)message;

		set_id(message, offsetof(struct far_lock_request, id));
		lock->owner = 1 + lock->owner % 4;
		lock->start &= 15;
		lock->end = lock->end & 16 ? FAR_LOCK_END : lock->start + (lock->end & 15);
		lock->ticket = 1 + lock->ticket % 8;
		if (header->flags & FAR_LOCK_FLOCK) {
			lock->start = 0;
			lock->end = FAR_LOCK_END;
		}
		break;
	}
	case FAR_OP_LOCK_CANCEL:
		((struct far_cancel_request *)message)->ticket = 1 + ((struct far_cancel_request *)message)->ticket % 8;
		break;
	case FAR_OP_FALLOCATE:
		set_id(message, offsetof(struct far_fallocate_request, id));
		((struct far_fallocate_request *)message)->offset &= 0x3ffff;
		((struct far_fallocate_request *)message)->length &= 0x3ffff;
		break;
	case FAR_OP_SEEK:
		set_id(message, offsetof(struct far_seek_request, id));
		((struct far_seek_request *)message)->offset &= 0xfffff;
		break;
	case FAR_OP_COPY: {
		struct far_copy_request *copy = (struct far_copy_request *)message;

		set_id(message, offsetof(struct far_copy_request, from_id));
		set_id(message, offsetof(struct far_copy_request, to_id));
		copy->from_offset &= 0x3ffff;
		copy->to_offset &= 0x3ffff;
		copy->length &= 0xfffff;
		break;
	}
	case FAR_OP_READDIR:
		set_id(message, offsetof(struct far_list_request, id));
		break;
	case FAR_OP_WATCH: {
		struct far_watch_request *watch = (struct far_watch_request *)message;

		if (watch->kinds & 1)
			watch->kinds = FAR_EVENT_KINDS;
		watch->key_length = (uint16_t)tail;
		set_name(message + sizeof(*watch), tail, true);
		break;
	}
	default:
		break;
	}
	if (!operation->has_tail)
		header->length = operation->request_size;
}

// Takes one request off the input. Returns its length in the input.
static size_t step(struct lane *lane, unsigned which, const uint8_t *bytes, size_t length)
{
	static _Alignas(8) uint8_t message[FAR_MESSAGE_SIZE_DEFAULT];
	struct far_request *header = (struct far_request *)message;
	const struct operation *operation;
	size_t given, fixed;

	if (length < 4)
		return length;
	given = (size_t)bytes[2] | (size_t)(bytes[3] & 7) << 8;
	if (given > length - 4)
		given = length - 4;
	memset(message, 0, sizeof(message));
	operation = operations_find(bytes[0]);
	if (!operation || bytes[1] & 128) {
		memcpy(message, bytes + 4, given);
		dispatch(lane, which, message, (uint32_t)given);
		return 4 + given;
	}
	memcpy(message + sizeof(*header), bytes + 4, given);
	fixed = operation->request_size > sizeof(*header) + given ? operation->request_size : sizeof(*header) + given;
	*header = (struct far_request){bytes[0], bytes[1] & operation->flags, (uint32_t)fixed, 1};
	make_sense(message, (uint32_t)fixed, which);
	dispatch(lane, which, message, header->length);
	return 4 + given;
}

static void remove_all(struct far_record *directory)
{
	uint64_t offset;

	while ((offset = directory_next(server->pool, directory, 0)) != 0) {
		struct far_record *name = record_at(server->pool, offset);

		if (object_is_directory(namespace_target(server, name)))
			remove_all(name);
		if (namespace_remove(server, directory, name))
			abort();
		server_settle(server);
	}
}

// Whatever the requests were, the structures fit together. What make_scarce took belongs to nothing: it is given back before.
static void check_all(const struct lane *lane)
{
	const struct check_finding *finding;
	struct check *check = server->check;

	check_end(check);
	if (check_begin(server, lane->session, &check))
		abort();
	while (!check_step(check, UINT64_MAX))
		;
	finding = check_peek(check);
	if (finding) {
		fprintf(stderr, "%s: %.*s\n", far_check_name(finding->kind), (int)finding->length, finding->text);
		abort();
	}
	check_end(check);
}

// Takes most of the pool away, so that the paths of a full one are met.
static void make_scarce(void)
{
	while (hog_count < HOGS_MAX && space_free_bytes(server) >> FAR_PAGE_SHIFT > LEFT_PAGES) {
		struct far_extent *hog = &hogs[hog_count];
		uint32_t most = (uint32_t)(space_free_bytes(server) >> FAR_PAGE_SHIFT) - LEFT_PAGES;

		hog->pool_page = pool_pages_alloc_most(server->pool, most < 512 ? most : 512, 1, &hog->pages);
		if (!hog->pool_page)
			return;
		hog_count++;
	}
}

static void make_ample(void)
{
	while (hog_count > 0) {
		hog_count--;
		pool_pages_free(server->pool, hogs[hog_count].pool_page, hogs[hog_count].pages);
	}
	server_settle(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static unsigned number;
	struct lane lanes[2];
	unsigned which = 0;
	uint8_t last = length > 0 ? bytes[length - 1] : 0;
	bool is_evicting = last & 2;

	server = servers[is_evicting];
	if (last & 1)
		make_scarce();
	memset(ids, 0, sizeof(ids));
	id_count = 0;
	for (unsigned i = 0; i < 2; i++) {
		lane_begin(&lanes[i]);
		say_hello(&lanes[i], i);
	}
	while (length > 0) {
		size_t taken = step(&lanes[which], which, bytes, length);

		if (lanes[which].is_closing) {
			lane_fini(&lanes[which]);
			lane_begin(&lanes[which]);
			say_hello(&lanes[which], which);
		}
		which = bytes[0] >> 7 ? !which : which;
		bytes += taken;
		length -= taken;
	}
	make_ample();
	if (number++ % CHECK_EVERY == 0)
		check_all(&lanes[0]);
	lane_fini(&lanes[0]);
	lane_fini(&lanes[1]);
	remove_all(server->root);
	quota_remove(server, server->root);
	xattr_remove_all(server, server->root);
	server_settle(server);
	if (space_free_bytes(server) != free_at_start[is_evicting] || server->figures.objects || server->granted_pages ||
	        server->links.used || server->locks.count || server->locks.files.used || server->watch_count || server->quotas) {
		fprintf(stderr, "left behind: free %llu of %llu objects %llu granted %llu links %u\n",
		        (unsigned long long)space_free_bytes(server), (unsigned long long)free_at_start[is_evicting],
		        (unsigned long long)server->figures.objects, (unsigned long long)server->granted_pages, server->links.used);
		abort();
	}
	return 0;
}
