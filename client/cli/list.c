#include "client/cli/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/interrupt.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

static void cleanup_list(far_list **list)
{
	far_list_close(*list);
}

// libfar takes the directory and what names begin with as one text: "directory/prefix".
static char *list_text(const struct list_request *request, size_t *length)
{
	const char *prefix = request->prefix ? request->prefix : "";
	size_t directory = request->directory.length;
	char *text = malloc(directory + 1 + strlen(prefix) + 1);

	if (!text)
		return NULL;
	memcpy(text, request->directory.bytes, directory);
	if (directory > 0)
		text[directory++] = '/';
	*length = directory + strlen(prefix);
	memcpy(text + directory, prefix, strlen(prefix) + 1);
	return text;
}

int list_each(const struct list_request *request, list_visitor *visit, void *context)
{
	size_t length = 0;
	CLEANUP(free) char *text = list_text(request, &length);
	CLEANUP(list) far_list *list = NULL;
	struct far_list_entry entry;
	int status = CLI_OK;
	int found;

	if (!text)
		return report_local("cannot list", request->directory.bytes, ENOMEM);
	found = far_list_open(request->session, text, length, request->flags, NULL, &list);
	while (status == CLI_OK && found >= 0 && (found = far_list_next(list, &entry)) == 1)
		status = interrupt_is_noted() ? report("interrupted") : visit(context, &entry);
	return found < 0 ? report_error(found) : status;
}
