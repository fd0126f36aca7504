#include "server/holds.h"

#include <errno.h>

#include "server/eviction.h"
#include "server/object.h"
#include "server/session.h"

int hold_add(struct server *server, struct session *session, struct far_record *object)
{
	uint64_t *count = id_table_add(&session->holds, object_id(server, object));

	if (!count)
		return -ENOMEM;
	if ((*count)++ == 0)
		object->holds++;
	return 0;
}

static void let_go(struct server *server, uint64_t id)
{
	struct far_record *object = object_by_id(server, id);

	// An object that is held cannot have died, so the id is good.
	object->holds--;
	if (object->nlink == 0 && object->holds == 0)
		object_destroy(server, object);
	else if (object->holds == 0)
		eviction_consider(server, object);
}

void hold_drop(struct server *server, struct session *session, uint64_t id, uint64_t count)
{
	uint64_t *held = id_table_find(&session->holds, id);

	if (!held)
		return;
	if (*held > count) {
		*held -= count;
		return;
	}
	id_table_remove(&session->holds, id);
	let_go(server, id);
}

bool hold_exists(const struct session *session, uint64_t id)
{
	return id_table_find(&session->holds, id) != NULL;
}

void hold_drop_all(struct server *server, struct session *session)
{
	struct id_slot held;
	uint32_t position = 0;

	while (id_table_next(&session->holds, &position, &held))
		let_go(server, held.id);
	id_table_fini(&session->holds);
}
