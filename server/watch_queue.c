#include "server/watch_queue.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "far/limits.h"

#define OVERHEAD 64U // of an event: the allocator's, and its place in `open`

struct watch_event {
	TAILQ_ENTRY(watch_event) in_queue;
	struct far_event wire;
	uint64_t open; // its place in the queue's table, 0 = none
	char keys[];
};

static uint32_t length_of(const struct watch_event *event)
{
	return (uint32_t)sizeof(event->wire) + event->wire.key_length + event->wire.new_key_length;
}

static uint64_t bytes_of(const struct watch_event *event)
{
	return sizeof(*event) + event->wire.key_length + event->wire.new_key_length + OVERHEAD;
}

static bool is_of(const struct watch_event *event, const struct watch_note *note)
{
	return event->wire.kind == note->kind && event->wire.key_length == note->key.length &&
	       memcmp(event->keys, note->key.bytes, note->key.length) == 0;
}

void watch_queue_init(struct watch_queue *queue, uint64_t *all_bytes, uint32_t event_max)
{
	*queue = (struct watch_queue){.all_bytes = all_bytes, .event_max = event_max};
	TAILQ_INIT(&queue->events);
}

// Of what all queues may take together a queue uses nothing for its own share.
static uint64_t beyond_share(uint64_t bytes)
{
	return bytes > FAR_WATCH_QUEUE_SHARE ? bytes - FAR_WATCH_QUEUE_SHARE : 0;
}

static void set_bytes(struct watch_queue *queue, uint64_t bytes)
{
	*queue->all_bytes += beyond_share(bytes) - beyond_share(queue->bytes);
	queue->bytes = bytes;
}

static bool has_room(const struct watch_queue *queue, uint64_t bytes)
{
	uint64_t further = beyond_share(queue->bytes + bytes) - beyond_share(queue->bytes);

	return queue->bytes + bytes <= FAR_WATCH_QUEUE_BYTES && (further == 0 || *queue->all_bytes + further <= FAR_WATCH_BYTES_MAX);
}

static void drop(struct watch_queue *queue, struct watch_event *event)
{
	const uint64_t *open = event->open ? id_table_find(&queue->open, event->open) : NULL;

	if (open && *open == (uintptr_t)event)
		id_table_remove(&queue->open, event->open);
	TAILQ_REMOVE(&queue->events, event, in_queue);
	set_bytes(queue, queue->bytes - bytes_of(event));
	free(event);
}

void watch_queue_fini(struct watch_queue *queue)
{
	while (!TAILQ_EMPTY(&queue->events))
		drop(queue, TAILQ_FIRST(&queue->events));
	id_table_fini(&queue->open);
}

// --- changes that are told once ---

static uint64_t open_name(enum far_event_kind kind, struct far_span key)
{
	uint64_t hash = XXH3_64bits_withSeed(key.bytes, key.length, kind);

	return hash ? hash : 1;
}

static bool may_join(enum far_event_kind kind)
{
	return kind == FAR_EVENT_CHANGED || kind == FAR_EVENT_ATTRIBUTES;
}

// True: an event that waits tells this, too.
static bool join(struct watch_queue *queue, const struct watch_note *note, uint64_t name)
{
	const uint64_t *open = id_table_find(&queue->open, name);
	struct watch_event *event = open ? (struct watch_event *)(uintptr_t)*open : NULL;

	if (!event || !is_of(event, note))
		return false;
	event->wire.version = note->version;
	return true;
}

// What happens to a name parts what changed before from what changes behind it. A rename may be one of many names, those below it.
static void close_names(struct watch_queue *queue, const struct watch_note *note)
{
	if (note->new_key.length > 0) {
		id_table_fini(&queue->open);
		return;
	}
	id_table_remove(&queue->open, open_name(FAR_EVENT_CHANGED, note->key));
	id_table_remove(&queue->open, open_name(FAR_EVENT_ATTRIBUTES, note->key));
}

// --- adding ---

void watch_queue_lose(struct watch_queue *queue)
{
	queue->lost++;
	id_table_fini(&queue->open); // nothing joins across the gap
}

static struct watch_event *event_new(const struct watch_queue *queue, const struct watch_note *note)
{
	size_t keys = (size_t)note->key.length + note->new_key.length;
	struct watch_event *event;

	if (queue->lost > 0 || sizeof(event->wire) + keys > queue->event_max)
		return NULL;
	if (!has_room(queue, sizeof(*event) + keys + OVERHEAD))
		return NULL;
	event = malloc(sizeof(*event) + keys);
	if (!event)
		return NULL;
	event->wire = (struct far_event){
	        .version = note->version,
	        .kind = (uint16_t)note->kind,
	        .key_length = (uint16_t)note->key.length,
	        .new_key_length = (uint16_t)note->new_key.length,
	        .is_directory = note->is_directory,
	};
	event->open = 0;
	memcpy(event->keys, note->key.bytes, note->key.length);
	if (note->new_key.length > 0)
		memcpy(event->keys + note->key.length, note->new_key.bytes, note->new_key.length);
	return event;
}

void watch_queue_add(struct watch_queue *queue, const struct watch_note *note)
{
	uint64_t name = may_join(note->kind) ? open_name(note->kind, note->key) : 0;
	struct watch_event *event;
	uint64_t *open;

	if (name && join(queue, note, name))
		return;
	event = event_new(queue, note);
	if (!event) {
		watch_queue_lose(queue);
		return;
	}
	set_bytes(queue, queue->bytes + bytes_of(event));
	TAILQ_INSERT_TAIL(&queue->events, event, in_queue);
	if (!name) {
		close_names(queue, note);
		return;
	}
	open = id_table_add(&queue->open, name);
	if (!open) // no memory: it is told for itself
		return;
	*open = (uintptr_t)event;
	event->open = name;
}

void watch_queue_retract(struct watch_queue *queue, const struct watch_note *note)
{
	struct watch_event *event;

	TAILQ_FOREACH_REVERSE(event, &queue->events, watch_event_list, in_queue)
	{
		if (is_of(event, note) && event->wire.version == note->version) {
			drop(queue, event);
			return;
		}
	}
	if (queue->lost > 0) // it found no room
		queue->lost--;
}

// --- taking ---

bool watch_queue_is_empty(const struct watch_queue *queue)
{
	return TAILQ_EMPTY(&queue->events) && queue->lost == 0;
}

uint32_t watch_queue_take(struct watch_queue *queue, char *to, uint32_t room, uint32_t *count)
{
	struct far_event lost = {.version = queue->lost, .kind = FAR_EVENT_LOST};
	struct watch_event *event;
	uint32_t filled = 0;

	*count = 0;
	while ((event = TAILQ_FIRST(&queue->events)) && length_of(event) <= room - filled) {
		uint32_t length = length_of(event);

		memcpy(to + filled, &event->wire, sizeof(event->wire)); // keys have any length: events stand anywhere
		memcpy(to + filled + sizeof(event->wire), event->keys, length - sizeof(event->wire));
		filled += length;
		++*count;
		drop(queue, event);
	}
	if (!event && queue->lost > 0 && sizeof(lost) <= room - filled) {
		memcpy(to + filled, &lost, sizeof(lost));
		filled += (uint32_t)sizeof(lost);
		++*count;
		queue->lost = 0;
	}
	return filled;
}
