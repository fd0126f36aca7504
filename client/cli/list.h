// Lists, delivered entry by entry.
#ifndef CLI_LIST_H
#define CLI_LIST_H

#include <stdbool.h>

#include "client/cli/key.h"
#include "far.h"

struct list_request {
	far_session *session;
	struct key directory; // length 0 = the root
	const char *prefix;   // names in the directory begin so; NULL = all
	unsigned flags;       // FAR_LIST_*
};

// Takes one entry, valid during the call. Returns CLI_OK, or an exit status that ends the list.
typedef int list_visitor(void *context, const struct far_list_entry *entry);

// Returns CLI_OK, or the exit status, having said what went wrong.
int list_each(const struct list_request *request, list_visitor *visit, void *context);

#endif
