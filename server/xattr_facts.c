#include "server/xattr_facts.h"

#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "far/xattr_name.h"

static int version_get(const struct far_record *object, char *value)
{
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

static int location_get(const struct far_record *object, char *value)
{
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

static const struct fact {
	const char *name;
	int (*get)(const struct far_record *object, char *value);
	bool (*may_be)(const char *value, uint32_t length);
} facts[] = {
        {FAR_XATTR_FACTS_NAMESPACE "version", version_get, version_may_be},
        {FAR_XATTR_FACTS_NAMESPACE "location", location_get, location_may_be},
};

#define FACTS (sizeof(facts) / sizeof(facts[0]))

static const struct fact *find(const struct far_record *object, struct far_span name)
{
	for (size_t i = 0; i < FACTS && S_ISREG(object->mode); i++)
		if (name.length == strlen(facts[i].name) && memcmp(name.bytes, facts[i].name, name.length) == 0)
			return &facts[i];
	return NULL;
}

bool xattr_fact_is_name(struct far_span name)
{
	return far_xattr_begins(name.bytes, name.length, FAR_XATTR_FACTS_NAMESPACE);
}

int xattr_fact_get(const struct far_record *object, struct far_span name, char value[XATTR_FACT_MAX])
{
	const struct fact *fact = find(object, name);

	return fact ? fact->get(object, value) : -ENODATA;
}

int xattr_fact_set(const struct far_record *object, struct far_span name, struct far_span value, unsigned flags)
{
	const struct fact *fact = find(object, name);

	if (fact && flags & FAR_XATTR_CREATE)
		return -EEXIST;
	return fact && fact->may_be(value.bytes, value.length) ? 0 : -EPERM;
}

int xattr_fact_remove(const struct far_record *object, struct far_span name)
{
	return find(object, name) ? 0 : -ENODATA;
}

const char *xattr_fact_name(const struct far_record *object, unsigned position)
{
	return S_ISREG(object->mode) && position < FACTS ? facts[position].name : NULL;
}
