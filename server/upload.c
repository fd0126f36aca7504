#include "server/upload.h"

#include <stdatomic.h>
#include <string.h>

#include "server/check.h"
#include "server/holds.h"
#include "server/session.h"

struct far_record *upload_find(const struct request *request, uint64_t id)
{
	struct far_record *upload = object_by_id(request->server, id);

	return upload && object_is_nameless(upload) && hold_exists(request->lane->session, id) ? upload : NULL;
}

void upload_use_up(struct request *request, struct far_record *upload, uint64_t id)
{
	check_note_move(request->server, upload);
	upload->value_kind = FAR_VALUE_EMPTY;
	memset(&upload->u.value, 0, sizeof(upload->u.value));
	atomic_store_explicit(&upload->size, 0, memory_order_relaxed);
	hold_drop(request->server, request->lane->session, id, UINT64_MAX);
}
