#include "server/xattr_facts.h"

#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "far/xattr_name.h"
#include "server/counter.h"
#include "server/eviction.h"
#include "server/expiry.h"
#include "server/object.h"
#include "server/quota_facts.h"
#include "server/value.h"

static int version_get(struct server *server, const struct far_record *object, char *value)
{
	(void)server;
	return snprintf(value, XATTR_FACT_MAX, "%llu", (unsigned long long)atomic_load_explicit(&object->version, memory_order_relaxed));
}

static bool version_may_be(const char *value, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		if (!isdigit((unsigned char)value[i]))
			return false;
	return length > 0 && length <= 20;
}

// By enum far_value_kind.
static const char *const places[] = {"none", "inline", "block", "extents", "extents"};

static int location_get(struct server *server, const struct far_record *object, char *value)
{
	(void)server;
	if (object->value_kind < FAR_VALUE_EXTENT)
		return snprintf(value, XATTR_FACT_MAX, "%s", places[object->value_kind]);
	return snprintf(value, XATTR_FACT_MAX, "%s=%u pages=%u", places[object->value_kind],
	        object->value_kind == FAR_VALUE_EXTENT ? 1U : object->u.value.extents, object->u.value.pages);
}

static bool location_may_be(const char *value, uint32_t length)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t place = strlen(places[i]);

		if (length >= place && length < XATTR_FACT_MAX && memcmp(value, places[i], place) == 0)
			return true;
	}
	return false;
}

// --- the time to live ---

static int ttl_get(struct server *server, const struct far_record *object, char *value)
{
	uint64_t left_ms = expiry_left_ms(server, object);

	return snprintf(value, XATTR_FACT_MAX, "%llu.%03llu", (unsigned long long)(left_ms / 1000), (unsigned long long)(left_ms % 1000));
}

static uint64_t digit_of(char digit)
{
	return (uint64_t)(unsigned char)digit - '0';
}

// Seconds with up to three decimals: digits, and a point between two of them. -EINVAL, also for what is too long to be a time to live.
static int ttl_parse(struct far_span text, uint64_t *ttl_ms)
{
	const char *bytes = text.bytes;
	uint32_t at = 0;
	uint64_t value = 0;

	for (; at < text.length && isdigit((unsigned char)bytes[at]) && value <= FAR_TTL_MAX_MS; at++)
		value = value * 10 + digit_of(bytes[at]);
	if (at == 0 || value > FAR_TTL_MAX_MS)
		return -EINVAL;
	value *= 1000;
	if (at < text.length) {
		if (bytes[at++] != '.' || at == text.length || text.length - at > 3)
			return -EINVAL;
		for (uint64_t unit = 100; at < text.length; at++, unit /= 10) {
			if (!isdigit((unsigned char)bytes[at]))
				return -EINVAL;
			value += digit_of(bytes[at]) * unit;
		}
	}
	*ttl_ms = value;
	return 0;
}

static int ttl_set(struct server *server, struct far_record *object, struct far_span value)
{
	uint64_t ttl_ms;
	int error = ttl_parse(value, &ttl_ms);

	if (!error)
		error = expiry_set(server, object, ttl_ms);
	if (!error)
		object_touch_attributes(server, object);
	return error;
}

static void ttl_remove(struct server *server, struct far_record *object)
{
	expiry_clear(server, object);
	object_touch_attributes(server, object);
}

// --- a counter's value ---

static int count_get(struct server *server, const struct far_record *object, char *value)
{
	return snprintf(value, XATTR_FACT_MAX, "%lld", (long long)counter_get(server, object));
}

// Digits, a minus in front if wanted, of a number that 64 bits hold. -EINVAL.
static int count_parse(struct far_span text, int64_t *count)
{
	const char *bytes = text.bytes;
	bool is_negative = text.length > 1 && bytes[0] == '-';

	*count = 0;
	for (uint32_t at = is_negative; at < text.length; at++) {
		int64_t digit = (int64_t)digit_of(bytes[at]);

		if (!isdigit((unsigned char)bytes[at]) || __builtin_mul_overflow(*count, 10, count) ||
		        __builtin_add_overflow(*count, is_negative ? -digit : digit, count))
			return -EINVAL;
	}
	return text.length > 0 ? 0 : -EINVAL;
}

// An empty file becomes a counter; another value is not lost so.
static int count_set(struct server *server, struct far_record *object, struct far_span value)
{
	int64_t count;
	int error = object_require_value(object);

	if (!error && !counter_is(object) && value_size(object) > 0)
		error = -EINVAL;
	if (!error)
		error = count_parse(value, &count);
	return error ? error : counter_set(server, object, count);
}

// --- the pin ---

static int pinned_get(struct server *server, const struct far_record *object, char *value)
{
	(void)server;
	(void)object;
	return snprintf(value, XATTR_FACT_MAX, "1");
}

static int pinned_set(struct server *server, struct far_record *object, struct far_span value)
{
	const char *text = value.bytes;

	return value.length == 1 && text[0] == '1' ? eviction_pin(server, object) : -EINVAL;
}

static void pinned_remove(struct server *server, struct far_record *object)
{
	eviction_unpin(server, object); // it has the fact, so it is pinned
}

// --- all ---

static bool is_counter(const struct server *server, const struct far_record *object)
{
	(void)server;
	return counter_is(object);
}

// Of what no program copies.
static bool may_not_be(const char *value, uint32_t length)
{
	(void)value;
	(void)length;
	return false;
}

static bool has_always(const struct server *server, const struct far_record *object)
{
	(void)server;
	(void)object;
	return true;
}

static bool has_deadline(const struct server *server, const struct far_record *object)
{
	(void)server;
	return object->flags & FAR_RECORD_EXPIRES;
}

static bool is_pinned(const struct server *server, const struct far_record *object)
{
	(void)server;
	return object->flags & FAR_RECORD_PINNED;
}

static const struct fact {
	const char *name;
	int (*get)(struct server *server, const struct far_record *object, char *value);
	bool (*may_be)(const char *value, uint32_t length); // of one that cannot be set
	int (*set)(struct server *server, struct far_record *object, struct far_span value);
	void (*remove)(struct server *server, struct far_record *object);
	bool (*is_of)(const struct server *server, const struct far_record *object); // of the type that may have it
	bool is_unlisted;
	bool is_of_directories; // else of regular objects
	bool is_roots;          // to change
} facts[] = {
        {FAR_XATTR_FACTS_NAMESPACE "version", version_get, version_may_be, NULL, NULL, has_always, false, false, false},
        {FAR_XATTR_FACTS_NAMESPACE "location", location_get, location_may_be, NULL, NULL, has_always, false, false, false},
        {FAR_XATTR_FACTS_NAMESPACE "ttl", ttl_get, NULL, ttl_set, ttl_remove, has_deadline, false, false, false},
        // Any file of 8 bytes has it. An editor that copies what attributes the old file has would put the old bytes back into the new one.
        {FAR_XATTR_FACTS_NAMESPACE "counter", count_get, NULL, count_set, NULL, is_counter, true, false, false},
        {FAR_XATTR_FACTS_NAMESPACE "pinned", pinned_get, NULL, pinned_set, pinned_remove, is_pinned, false, false, false},
        // A copy of a directory has no quota of its own.
        {FAR_XATTR_FACTS_NAMESPACE "quota", quota_fact_get, may_not_be, NULL, quota_fact_remove, quota_fact_is_of, true, true, true},
        {FAR_XATTR_FACTS_NAMESPACE "quota.bytes", quota_fact_get_bytes, NULL, quota_fact_set_bytes, quota_fact_remove_bytes,
                quota_fact_has_bytes, true, true, true},
        {FAR_XATTR_FACTS_NAMESPACE "quota.objects", quota_fact_get_objects, NULL, quota_fact_set_objects, quota_fact_remove_objects,
                quota_fact_has_objects, true, true, true},
};

#define FACTS (sizeof(facts) / sizeof(facts[0]))

static const struct fact *find(struct far_span name)
{
	for (size_t i = 0; i < FACTS; i++)
		if (name.length == strlen(facts[i].name) && memcmp(name.bytes, facts[i].name, name.length) == 0)
			return &facts[i];
	return NULL;
}

static bool has(const struct server *server, const struct far_record *object, const struct fact *fact)
{
	return fact && (fact->is_of_directories ? S_ISDIR(object->mode) : S_ISREG(object->mode)) && fact->is_of(server, object);
}

bool xattr_fact_is_name(struct far_span name)
{
	return far_xattr_begins(name.bytes, name.length, FAR_XATTR_FACTS_NAMESPACE);
}

bool xattr_fact_is_roots(struct far_span name)
{
	const struct fact *fact = find(name);

	return fact && fact->is_roots;
}

int xattr_fact_get(struct server *server, const struct far_record *object, struct far_span name, char value[XATTR_FACT_MAX])
{
	const struct fact *fact = find(name);

	return has(server, object, fact) ? fact->get(server, object, value) : -ENODATA;
}

int xattr_fact_set(struct server *server, struct far_record *object, struct far_span name, struct far_span value, unsigned flags)
{
	const struct fact *fact = find(name);

	if (has(server, object, fact) && flags & FAR_XATTR_CREATE)
		return -EEXIST;
	if (fact && fact->set && !has(server, object, fact) && flags & FAR_XATTR_REPLACE)
		return -ENODATA;
	if (fact && fact->set)
		return fact->set(server, object, value);
	return has(server, object, fact) && fact->may_be(value.bytes, value.length) ? 0 : -EPERM;
}

int xattr_fact_remove(struct server *server, struct far_record *object, struct far_span name)
{
	const struct fact *fact = find(name);

	if (!has(server, object, fact))
		return -ENODATA;
	if (fact->remove)
		fact->remove(server, object);
	return 0;
}

const char *xattr_fact_next(const struct server *server, const struct far_record *object, unsigned *position)
{
	while (*position < FACTS) {
		const struct fact *fact = &facts[(*position)++];

		if (has(server, object, fact) && !fact->is_unlisted)
			return fact->name;
	}
	return NULL;
}
