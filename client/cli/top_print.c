#include <inttypes.h>
#include <string.h>

#include "client/cli/json_output.h"
#include "client/cli/number.h"
#include "client/cli/quota_output.h"
#include "client/cli/report.h"
#include "client/cli/top.h"

static const char *size_text(uint64_t size, char text[32])
{
	return size_format(size, true, text);
}

static void print_head(FILE *to, const struct top_delta *delta, const char *address)
{
	const struct far_metrics *now = delta->now;
	char texts[4][32];

	fprintf(to, "%s  up %" PRIu64 " s  %zu sessions, %" PRIu64 " lanes, %" PRIu64 " objects\n", address, now->uptime_ns / 1000000000U,
	        now->session_count, now->lanes, now->objects);
	fprintf(to, "operations/s %.0f  in %s/s  out %s/s\n", delta->operations_per_second,
	        size_text((uint64_t)delta->in_per_second, texts[0]), size_text((uint64_t)delta->out_per_second, texts[1]));
	fprintf(to, "pool %s: objects %s, index %s, free %s", size_text(now->pool, texts[0]), size_text(now->objects_bytes, texts[1]),
	        size_text(now->index_bytes, texts[2]), size_text(now->free_bytes, texts[3]));
	fprintf(to, ", granted %s, reclaim %s\n", size_text(now->granted_bytes, texts[0]), size_text(now->reclaim_bytes, texts[1]));
	if (now->evicted > 0)
		fprintf(to, "evicted/s %.0f objects, %s  in all %" PRIu64 " objects, %s\n", delta->evicted_per_second,
		        size_text((uint64_t)delta->evicted_bytes_per_second, texts[0]), now->evicted,
		        size_text(now->evicted_bytes, texts[1]));
}

static void print_time(FILE *to, uint64_t ns)
{
	if (ns > 0)
		fprintf(to, " %9.2f", (double)ns * 1e-3);
	else
		fprintf(to, " %9s", "-");
}

static void print_operations(FILE *to, const struct top_delta *delta)
{
	fprintf(to, "\n%-14s %10s %8s %9s %9s %9s %12s\n", "operation", "per s", "errors", "mean us", "p50 us", "p99 us", "total");
	for (size_t i = 0; i < delta->operation_count; i++) {
		const struct top_operation *operation = &delta->operations[i];

		fprintf(to, "%-14s %10.0f %8" PRIu64, operation->name, operation->per_second, operation->errors);
		print_time(to, operation->mean_ns);
		print_time(to, operation->p50_ns);
		print_time(to, operation->p99_ns);
		fprintf(to, " %12" PRIu64 "\n", operation->total);
	}
}

// Nothing where there are none.
static void print_quotas(FILE *to, const struct top_quotas *quotas)
{
	if (quotas->count > 0)
		fprintf(to, "\n%6s %9s %9s %12s %12s  %s\n", "used", "bytes", "limit", "objects", "limit", "quota of");
	for (size_t i = 0; i < quotas->count; i++) {
		const struct top_quota *entry = &quotas->nearest[i];
		char bytes[32], bytes_limit[32], objects_limit[32];

		fprintf(to, "%5.0f%% %9s %9s %12" PRIu64 " %12s  ", entry->used * 100, size_text(entry->quota.bytes, bytes),
		        quota_limit_format(entry->quota.bytes_limit, true, bytes_limit), entry->quota.objects,
		        quota_limit_format(entry->quota.objects_limit, false, objects_limit));
		quota_print_directory(to, entry->key, entry->key_length, &entry->quota);
	}
	if (quotas->count < quotas->all)
		fprintf(to, "%zu more\n", quotas->all - quotas->count);
}

static void print_sessions(FILE *to, const struct top_delta *delta, size_t sessions_max)
{
	size_t sessions = delta->session_count < sessions_max ? delta->session_count : sessions_max;

	fprintf(to, "\n%-20s %8s %6s %10s %12s  %s\n", "client", "pid", "lanes", "per s", "total", "peer");
	for (size_t i = 0; i < sessions; i++) {
		const struct top_session *entry = &delta->sessions[i];

		print_escaped(to, entry->session->client, strlen(entry->session->client));
		fprintf(to, "%*s %8u %6u %10.0f %12" PRIu64 "  ",
		        strlen(entry->session->client) < 20 ? (int)(20 - strlen(entry->session->client)) : 0, "", entry->session->pid,
		        entry->session->lanes, entry->per_second, entry->session->operations);
		print_escaped(to, entry->session->peer, strlen(entry->session->peer));
		fputc('\n', to);
	}
	if (sessions < delta->session_count)
		fprintf(to, "%zu more\n", delta->session_count - sessions);
}

void top_print(FILE *to, const struct top_delta *delta, const struct top_quotas *quotas, const char *address, size_t sessions_max)
{
	print_head(to, delta, address);
	print_operations(to, delta);
	print_quotas(to, quotas);
	print_sessions(to, delta, sessions_max);
}

static struct json_object *json_of_operations(const struct top_delta *delta)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < delta->operation_count; i++) {
		const struct top_operation *operation = &delta->operations[i];
		struct json_object *entry = json_object_new_object();

		json_add_text(entry, "operation", operation->name);
		json_add_u64(entry, "count", operation->count);
		json_add_u64(entry, "errors", operation->errors);
		json_add_u64(entry, "total", operation->total);
		json_add_double(entry, "per_second", operation->per_second);
		json_add_u64(entry, "mean_ns", operation->mean_ns);
		json_add_u64(entry, "p50_ns", operation->p50_ns);
		json_add_u64(entry, "p99_ns", operation->p99_ns);
		json_object_array_add(list, entry);
	}
	return list;
}

static struct json_object *json_of_sessions(const struct top_delta *delta)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < delta->session_count; i++) {
		const struct far_session_metrics *session = delta->sessions[i].session;
		struct json_object *entry = json_object_new_object();

		json_add_bytes(entry, "client", session->client, strlen(session->client));
		json_add_bytes(entry, "peer", session->peer, strlen(session->peer));
		json_add_u64(entry, "pid", session->pid);
		json_add_u64(entry, "uid", session->uid);
		json_add_u64(entry, "lanes", session->lanes);
		json_add_u64(entry, "operations", session->operations);
		json_add_double(entry, "per_second", delta->sessions[i].per_second);
		json_object_array_add(list, entry);
	}
	return list;
}

static struct json_object *json_of_memory(const struct far_metrics *now)
{
	struct json_object *memory = json_object_new_object();

	json_add_u64(memory, "pool", now->pool);
	json_add_u64(memory, "objects", now->objects_bytes);
	json_add_u64(memory, "index", now->index_bytes);
	json_add_u64(memory, "granted", now->granted_bytes);
	json_add_u64(memory, "reclaim", now->reclaim_bytes);
	json_add_u64(memory, "reserve", now->reserve_bytes);
	json_add_u64(memory, "free", now->free_bytes);
	return memory;
}

static struct json_object *json_of_quotas(const struct top_quotas *quotas)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < quotas->count; i++) {
		const struct top_quota *entry = &quotas->nearest[i];
		struct json_object *object = json_of_quota(entry->key, entry->key_length, &entry->quota);

		json_add_double(object, "used_percent", entry->used * 100);
		json_object_array_add(list, object);
	}
	return list;
}

void top_print_json(const struct top_delta *delta, const struct top_quotas *quotas, const char *address)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "address", address);
	json_add_double(object, "seconds", delta->seconds);
	json_add_u64(object, "uptime_ns", delta->now->uptime_ns);
	json_add_u64(object, "objects", delta->now->objects);
	json_add_u64(object, "lanes", delta->now->lanes);
	json_add_u64(object, "malformed", delta->now->malformed);
	json_add_double(object, "operations_per_second", delta->operations_per_second);
	json_add_double(object, "bytes_in_per_second", delta->in_per_second);
	json_add_double(object, "bytes_out_per_second", delta->out_per_second);
	json_add_u64(object, "evicted", delta->now->evicted);
	json_add_u64(object, "evicted_bytes", delta->now->evicted_bytes);
	json_add_double(object, "evicted_per_second", delta->evicted_per_second);
	json_add_double(object, "evicted_bytes_per_second", delta->evicted_bytes_per_second);
	json_object_object_add(object, "memory", json_of_memory(delta->now));
	json_object_object_add(object, "operations", json_of_operations(delta));
	json_add_u64(object, "quota_count", quotas->all);
	json_object_object_add(object, "quotas", json_of_quotas(quotas));
	json_object_object_add(object, "sessions", json_of_sessions(delta));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}
