#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/call.h"
#include "client/error.h"
#include "client/stat.h"

// Lists: directory pages fetched one request at a time, and for recursive lists a stack of the directories on the path. Where a list is, is the path of the directory under way
// and the cookie of the last entry in it; with the cookies of the directories above, that is the cursor: `prefix-length:cookie/cookie/...:path` in hexadecimal. Cookies are stable
// while directories change, so a list can go on anywhere, any time.

#define DEPTH_MAX 2048 // components of a key

struct far_list {
	struct far_session *session;
	unsigned flags;
	char path[FAR_KEY_MAX + 2]; // the directory under way, without a slash at its end
	uint32_t path_length;
	char prefix[FAR_NAME_MAX + 1]; // names wanted in the top directory
	uint32_t prefix_length;
	// Of the last entry delivered, and what the prefix passes over behind it, by depth; [depth] is the directory under way.
	uint64_t *cookies;
	uint32_t depth;
	char *page; // copy of a reply's entries
	uint32_t page_length;
	uint32_t page_at;
	uint32_t page_entries; // left in the page
	uint64_t page_cookie;  // where the next page begins: behind what the server looked at and did not choose
	bool is_end;           // nothing behind the page
	bool is_entering;      // the last entry is a directory to go into next
	char key[FAR_KEY_MAX + FAR_NAME_MAX + 2];
	char *cursor;
};

// Parts "a/b/pre" into the directory "a/b" and the name prefix "pre".
static int part_prefix(struct far_list *list, const char *prefix, size_t length)
{
	const char *slash = length ? memrchr(prefix, '/', length) : NULL;
	size_t directory = slash ? (size_t)(slash - prefix) : 0;
	size_t rest = slash ? length - directory - 1 : length;

	if (length > FAR_KEY_MAX || rest > FAR_NAME_MAX)
		return -ENAMETOOLONG;
	if (slash && (directory == 0 || far_key_check(prefix, directory)))
		return -EINVAL;
	memcpy(list->path, prefix, directory);
	list->path_length = (uint32_t)directory;
	memcpy(list->prefix, prefix + length - rest, rest);
	list->prefix_length = (uint32_t)rest;
	return 0;
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

// Takes a cursor of far_list_cursor up again. The path must lie under where the list begins.
static int take_cursor(struct far_list *list, const char *cursor)
{
	uint32_t top_length = list->path_length;
	uint32_t components = 0;
	char *end;

	for (list->depth = 0;; list->depth++) {
		if (list->depth == DEPTH_MAX)
			return -EINVAL;
		list->cookies[list->depth] = strtoull(cursor, &end, 16);
		if (end == cursor || (*end != '/' && *end != ':'))
			return -EINVAL;
		cursor = end + 1;
		if (*end == ':')
			break;
	}
	list->is_entering = *cursor == '+';
	if (*cursor++ != '+' && cursor[-1] != '-')
		return -EINVAL;
	for (list->path_length = 0; *cursor; cursor += 2) {
		int high = hex_digit(cursor[0]);
		int low = cursor[1] ? hex_digit(cursor[1]) : -1;

		if (high < 0 || low < 0 || list->path_length >= FAR_KEY_MAX)
			return -EINVAL;
		list->key[list->path_length++] = (char)(high << 4 | low);
	}
	if (list->path_length < top_length || memcmp(list->key, list->path, top_length) != 0)
		return -EINVAL;
	if (top_length > 0 && list->path_length > top_length && list->key[top_length] != '/')
		return -EINVAL;
	if (list->path_length > 0 && far_key_check(list->key, list->path_length))
		return -EINVAL;
	for (uint32_t i = top_length; i < list->path_length; i++)
		components += list->key[i] == '/' || i == 0;
	if (components != list->depth + (list->is_entering ? 1 : 0) || (components > 0 && !(list->flags & FAR_LIST_RECURSIVE)))
		return -EINVAL;
	memcpy(list->path, list->key, list->path_length);
	if (list->is_entering) // the cursor's path names the directory to enter
		list->cookies[++list->depth] = 0;
	list->is_entering = false;
	return 0;
}

int far_list_open(far_session *session, const void *prefix, size_t prefix_length, unsigned flags, const char *cursor, far_list **out)
{
	struct far_list *list = calloc(1, sizeof(*list));
	int error = -ENOMEM;

	if (!list)
		return error_set(-ENOMEM, "list: no memory");
	list->session = session;
	list->flags = flags;
	list->cookies = calloc(DEPTH_MAX + 1, sizeof(*list->cookies));
	list->page = malloc(FAR_MESSAGE_SIZE_MAX);
	if (list->cookies && list->page)
		error = flags & ~(unsigned)FAR_LIST_RECURSIVE ? -EINVAL : part_prefix(list, prefix, prefix_length);
	if (!error && cursor) {
		error = take_cursor(list, cursor);
		if (error)
			error_set(error, "list: the cursor is not one of this list");
	} else if (error) {
		error_of_key(error, "list", prefix, prefix_length);
	}
	if (error) {
		far_list_close(list);
		return error;
	}
	*out = list;
	return 0;
}

void far_list_close(far_list *list)
{
	if (!list)
		return;
	free(list->cursor);
	free(list->page);
	free(list->cookies);
	free(list);
}

static int take_page(struct far_list *list, const struct reply *reply)
{
	const struct far_list_reply *message = (const struct far_list_reply *)reply->message;

	list->page_length = reply->length - (uint32_t)sizeof(*message);
	if (list->page_length > FAR_MESSAGE_SIZE_MAX)
		return -EPROTO;
	memcpy(list->page, message + 1, list->page_length);
	list->page_at = 0;
	list->page_entries = message->count;
	list->page_cookie = message->cookie;
	list->is_end = message->is_end != 0;
	if (message->count > 0 || list->is_end)
		return 0;
	if (message->cookie <= list->cookies[list->depth])
		return -EPROTO;
	list->cookies[list->depth] = message->cookie;
	return 0;
}

static int fetch_page(struct far_list *list)
{
	bool is_top = list->depth == 0;
	struct far_list_request message = {
	        .cookie = list->cookies[list->depth],
	        .bytes_max = UINT32_MAX,
	        .key_length = (uint16_t)list->path_length,
	        .prefix_length = is_top ? (uint16_t)list->prefix_length : 0,
	};
	struct call request = {
	        .op = FAR_OP_LIST,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{list->path, list->path_length}, {list->prefix, message.prefix_length}},
	};
	struct far_lane *lane;
	struct reply reply;
	int error = lane_acquire(list->session, &lane);

	if (error)
		return error;
	error = call(lane, &request, sizeof(struct far_list_reply), &reply);
	if (!error)
		error = take_page(list, &reply);
	reply_release(lane, &reply);
	lane_release(lane);
	return error;
}

// Delivers the next entry of the page.
static int take_entry(struct far_list *list, struct far_list_entry *entry)
{
	struct far_entry wire;
	uint32_t length = list->path_length;

	if (list->page_length - list->page_at < sizeof(wire))
		return -EPROTO;
	memcpy(&wire, list->page + list->page_at, sizeof(wire));
	list->page_at += (uint32_t)sizeof(wire);
	if (wire.name_length > FAR_NAME_MAX || wire.name_length > list->page_length - list->page_at)
		return -EPROTO;
	memcpy(list->key, list->path, length);
	if (length > 0)
		list->key[length++] = '/';
	memcpy(list->key + length, list->page + list->page_at, wire.name_length);
	length += wire.name_length;
	list->key[length] = '\0';
	list->page_at += wire.name_length;
	list->page_entries--;
	list->cookies[list->depth] = list->page_entries > 0 ? wire.cookie : list->page_cookie;
	entry->key = list->key;
	entry->key_length = length;
	stat_of_attr(&wire.attr, &entry->stat);
	list->is_entering =
	        list->flags & FAR_LIST_RECURSIVE && S_ISDIR(wire.attr.mode) && length <= FAR_KEY_MAX && list->depth + 1 < DEPTH_MAX;
	return 1;
}

static void enter(struct far_list *list)
{
	list->path_length = (uint32_t)strlen(list->key);
	memcpy(list->path, list->key, list->path_length);
	list->cookies[++list->depth] = 0;
	list->page_entries = 0;
	list->is_end = false;
	list->is_entering = false;
}

static void leave(struct far_list *list)
{
	const char *slash = memrchr(list->path, '/', list->path_length);

	list->path_length = slash ? (uint32_t)(slash - list->path) : 0;
	list->depth--;
	list->page_entries = 0;
	list->is_end = false;
}

int far_list_next(far_list *list, struct far_list_entry *entry)
{
	int error;

	if (list->is_entering)
		enter(list);
	for (;;) {
		if (list->page_entries > 0)
			return take_entry(list, entry);
		if (list->is_end) {
			if (list->depth == 0)
				return 0;
			leave(list);
		}
		error = fetch_page(list);
		if ((error == -ENOENT || error == -ENOTDIR) && list->depth > 0) { // went away meanwhile
			leave(list);
			continue;
		}
		if (error)
			return error_of_key(error, "list", list->path, list->path_length);
	}
}

const char *far_list_cursor(far_list *list)
{
	const char *path = list->is_entering ? list->key : list->path;
	size_t length = list->is_entering ? strlen(list->key) : list->path_length;
	size_t room = (size_t)(list->depth + 1) * 17 + 2 + 2 * length + 1;
	char *cursor = realloc(list->cursor, room);
	char *to = cursor;

	if (!cursor)
		return "";
	list->cursor = cursor;
	for (uint32_t i = 0; i <= list->depth; i++)
		to += sprintf(to, "%llx%c", (unsigned long long)list->cookies[i], i == list->depth ? ':' : '/');
	*to++ = list->is_entering ? '+' : '-';
	for (size_t i = 0; i < length; i++)
		to += sprintf(to, "%02x", (unsigned char)path[i]);
	*to = '\0';
	return cursor;
}
