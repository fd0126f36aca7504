#include "server/quota_facts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/object.h"
#include "server/quota.h"

// --- what there is ---

bool quota_fact_is_of(const struct server *server, const struct far_record *directory)
{
	return quota_of(server, directory) != NULL;
}

bool quota_fact_has_bytes(const struct server *server, const struct far_record *directory)
{
	const struct quota *quota = quota_of(server, directory);

	return quota && quota->limits.bytes != UINT64_MAX;
}

bool quota_fact_has_objects(const struct server *server, const struct far_record *directory)
{
	const struct quota *quota = quota_of(server, directory);

	return quota && quota->limits.objects != UINT64_MAX;
}

static const char *limit_text(uint64_t limit, char text[24])
{
	if (limit == UINT64_MAX)
		return "-";
	snprintf(text, 24, "%llu", (unsigned long long)limit);
	return text;
}

int quota_fact_get(struct server *server, const struct far_record *directory, char *value)
{
	const struct quota *quota = quota_of(server, directory);
	char bytes[24], objects[24];

	return snprintf(value, QUOTA_FACT_MAX, "bytes=%llu/%s objects=%llu/%s%s", (unsigned long long)quota->used.bytes,
	        limit_text(quota->limits.bytes, bytes), (unsigned long long)quota->used.objects, limit_text(quota->limits.objects, objects),
	        quota->is_counted ? "" : " counting");
}

int quota_fact_get_bytes(struct server *server, const struct far_record *directory, char *value)
{
	return snprintf(value, QUOTA_FACT_MAX, "%llu", (unsigned long long)quota_of(server, directory)->limits.bytes);
}

int quota_fact_get_objects(struct server *server, const struct far_record *directory, char *value)
{
	return snprintf(value, QUOTA_FACT_MAX, "%llu", (unsigned long long)quota_of(server, directory)->limits.objects);
}

// --- changing it ---

// Digits, and a unit behind them if wanted. -EINVAL, also for 0 and what 64 bits do not hold.
static int parse(struct far_span text, uint64_t *number)
{
	static const char units[] = "KMGT";
	const char *bytes = text.bytes;
	const char *unit = NULL;
	uint32_t digits = text.length;

	*number = 0;
	if (digits > 0 && !isdigit((unsigned char)bytes[digits - 1])) {
		digits--;
		unit = bytes[digits] ? strchr(units, toupper((unsigned char)bytes[digits])) : NULL;
		if (!unit)
			return -EINVAL;
	}
	for (uint32_t at = 0; at < digits; at++)
		if (!isdigit((unsigned char)bytes[at]) || __builtin_mul_overflow(*number, 10, number) ||
		        __builtin_add_overflow(*number, (uint64_t)(bytes[at] - '0'), number))
			return -EINVAL;
	if (unit && __builtin_mul_overflow(*number, 1ULL << 10 * (unit - units + 1), number))
		return -EINVAL;
	return *number ? 0 : -EINVAL;
}

// As quota_set takes them: 0 is none.
static struct quota_amount limits_of(const struct server *server, const struct far_record *directory)
{
	const struct quota *quota = quota_of(server, directory);

	return (struct quota_amount){
	        .bytes = quota && quota->limits.bytes != UINT64_MAX ? quota->limits.bytes : 0,
	        .objects = quota && quota->limits.objects != UINT64_MAX ? quota->limits.objects : 0,
	};
}

int quota_fact_set_bytes(struct server *server, struct far_record *object, struct far_span value)
{
	struct quota_amount limits = limits_of(server, object);
	int error = parse(value, &limits.bytes);

	return error ? error : quota_set(server, object, &limits);
}

int quota_fact_set_objects(struct server *server, struct far_record *object, struct far_span value)
{
	struct quota_amount limits = limits_of(server, object);
	int error = parse(value, &limits.objects);

	return error ? error : quota_set(server, object, &limits);
}

void quota_fact_remove(struct server *server, struct far_record *directory)
{
	quota_remove(server, directory);
}

// With none left that is -EINVAL.
static void leave(struct server *server, struct far_record *directory, const struct quota_amount *limits)
{
	if (quota_set(server, directory, limits))
		quota_remove(server, directory);
}

void quota_fact_remove_bytes(struct server *server, struct far_record *directory)
{
	const struct quota_amount limits = {.objects = limits_of(server, directory).objects};

	leave(server, directory, &limits);
}

void quota_fact_remove_objects(struct server *server, struct far_record *directory)
{
	const struct quota_amount limits = {.bytes = limits_of(server, directory).bytes};

	leave(server, directory, &limits);
}
