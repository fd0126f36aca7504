#include "server/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "far/clock.h"
#include "server/check_inside.h"
#include "server/watch.h"

// The order matters: owners are all met before memory is judged, and pages are those of slabs before the rest is.
static check_part *const parts[] = {
        check_records,  // objects, their names, directories and values
        check_index,    // buckets
        check_sessions, // holds
        check_links,    // heads of chains of further names
        check_expiry,   // deadlines
        check_owners,   // all other owners of memory, and the sums of free space
        check_slabs,    // blocks and records
        check_segments, // pages
        check_quotas,   // what quotas have on account
        check_count,    // names, objects and queues of eviction
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

#define PATH_COMPONENTS 24U // of a path in a finding: more are left out

// --- beginning and ending ---

static uint64_t *bits_map(uint64_t count)
{
	void *bits = mmap(NULL, (count + 7) / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return bits == MAP_FAILED ? NULL : bits;
}

int check_begin(struct server *server, const struct session *session, struct check **out)
{
	static uint64_t last_number;
	struct check *check;

	if (server->check && server->check->session != session)
		return -EMFILE;
	check_end(server->check);
	check = calloc(1, sizeof(*check));
	if (!check)
		return -ENOMEM;
	check->server = server;
	check->session = session;
	check->number = ++last_number;
	check->page_owned = bits_map(pool_length(server->pool) >> FAR_PAGE_SHIFT);
	check->block_owned = bits_map(pool_length(server->pool) / FAR_GRANULE);
	server->check = check;
	if (!check->page_owned || !check->block_owned || watch_begin(server->pool)) {
		check_end(check);
		return -ENOMEM;
	}
	check_rewind(check);
	*out = check;
	return 0;
}

void check_end(struct check *check)
{
	uint64_t length;

	if (!check)
		return;
	length = pool_length(check->server->pool);
	watch_end(check->server->pool);
	check_end_quotas(check);
	if (check->page_owned)
		munmap(check->page_owned, ((length >> FAR_PAGE_SHIFT) + 7) / 8);
	if (check->block_owned)
		munmap(check->block_owned, (length / FAR_GRANULE + 7) / 8);
	check->server->check = NULL;
	free(check->findings);
	free(check);
}

void check_end_of(struct server *server, const struct session *session)
{
	if (server->check && server->check->session == session)
		check_end(server->check);
}

struct check *check_find(const struct server *server, const struct session *session, uint64_t number)
{
	struct check *check = server->check;

	return check && check->session == session && check->number == number ? check : NULL;
}

uint64_t check_number(const struct check *check)
{
	return check->number;
}

const struct far_check_figures *check_figures(const struct check *check)
{
	return &check->figures;
}

// --- steps ---

bool check_is_due(struct check *check)
{
	// The first time of a step it goes on, however late: each step does something.
	return check->is_asked++ > 0 && check->deadline_ns != UINT64_MAX && clock_now_ns() >= check->deadline_ns;
}

uint64_t check_time_left(const struct check *check)
{
	uint64_t now_ns;

	if (check->deadline_ns == UINT64_MAX)
		return UINT64_MAX;
	now_ns = clock_now_ns();
	return check->deadline_ns > now_ns ? check->deadline_ns - now_ns : 0;
}

void check_rewind(struct check *check)
{
	check->at[0] = check->at[1] = 0;
}

bool check_step(struct check *check, uint64_t budget_ns)
{
	check->deadline_ns = budget_ns > UINT64_MAX / 2 ? UINT64_MAX : clock_now_ns() + budget_ns;
	check->is_asked = 0;
	while (check->part < PARTS) {
		if (parts[check->part](check)) {
			check->part++;
			check_rewind(check);
		}
		if (check_is_due(check))
			break;
	}
	return check->part == PARTS;
}

// --- findings ---

static bool make_room(struct check *check)
{
	uint32_t capacity = check->finding_capacity ? check->finding_capacity * 2 : 16;
	struct check_finding *findings;

	if (check->finding_count < check->finding_capacity)
		return true;
	if (capacity > CHECK_FINDINGS_MAX)
		capacity = CHECK_FINDINGS_MAX;
	if (check->finding_count >= capacity)
		return false;
	findings = realloc(check->findings, capacity * sizeof(*findings));
	if (!findings)
		return false;
	check->findings = findings;
	check->finding_capacity = capacity;
	return true;
}

// The object's path, as far as its parents can be followed, for people. Returns the length.
static size_t tell_path(const struct check *check, const struct far_record *object, char *text, size_t room)
{
	struct far_span names[PATH_COMPONENTS];
	unsigned depth = 0;
	size_t length = 0;

	while (object && object != check->server->root && depth < PATH_COMPONENTS) {
		if (!check_has_name(check->server->pool, object, &names[depth]) || names[depth].length == 0)
			break;
		depth++;
		object = check_object(check, object->parent);
	}
	while (depth-- > 0 && length + names[depth].length + 2 < room) {
		text[length++] = '/';
		for (uint32_t i = 0; i < names[depth].length; i++) {
			char byte = ((const char *)names[depth].bytes)[i];

			text[length++] = byte < ' ' || byte == '\x7f' ? '?' : byte;
		}
	}
	text[length] = '\0';
	return length;
}

void check_found(struct check *check, enum far_check_kind kind, const struct far_record *object, const char *format, ...)
{
	struct check_finding *finding;
	char path[128];
	va_list arguments;
	int length;

	check->figures.findings++;
	if (!make_room(check))
		return;
	finding = &check->findings[check->finding_count++];
	*finding = (struct check_finding){.kind = kind, .id = object ? object->id : 0};
	va_start(arguments, format);
	length = vsnprintf(finding->text, sizeof(finding->text), format, arguments);
	va_end(arguments);
	if (length < 0 || length >= (int)sizeof(finding->text))
		length = (int)strlen(finding->text);
	if (object && tell_path(check, object, path, sizeof(path)) > 0)
		snprintf(finding->text + length, sizeof(finding->text) - (size_t)length, " (%s)", path);
	finding->length = (uint32_t)strlen(finding->text);
}

const struct check_finding *check_peek(const struct check *check)
{
	return check->finding_first < check->finding_count ? &check->findings[check->finding_first] : NULL;
}

void check_pop(struct check *check)
{
	if (check->finding_first < check->finding_count)
		check->finding_first++;
}
