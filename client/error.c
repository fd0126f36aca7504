#include "client/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "far.h"
#include "far/limits.h"

// Texts of errors: the general one of each code, and the particular one of a thread's last failed call.

static _Thread_local char last_error[512];
static _Thread_local char quota_text[512]; // of the last -EDQUOT; "": not known

static const struct {
	int code;
	const char *text;
} texts[] = {
        {ENOENT, "no such key"},
        {EEXIST, "the key exists already"},
        {ENOTDIR, "a part of the key is not a directory"},
        {EISDIR, "the key is a directory"},
        {ENOTEMPTY, "the directory is not empty"},
        {ENOSPC, "the server's pool is full: delete or unpin something, or start the server with a larger --pool"},
        {EDQUOT, "a quota of a directory above it is used up: delete something there, or have root raise the limit (far quota)"},
        {EFBIG, "the value would be larger than a value can be"},
        {ENAMETOOLONG, "the key is longer than 4095 bytes, or one of its components than 255"},
        {EINVAL, "invalid argument or key: keys have components parted by single slashes, none empty, '.' or '..', and no NUL"},
        {ECANCELED, "the version is not the expected one"},
        {ESTALE, "the object is gone"},
        {EMLINK, "the object has as many names as it can have"},
        {ELOOP, "the key is a symbolic link"},
        {EOPNOTSUPP, "not supported"},
        {EPERM, "not permitted"},
        {EPROTO, "the server sent something that is not the FarFS protocol"},
        {EPROTONOSUPPORT, "the provider is not built in, or the server speaks another version of the protocol"},
        {EMFILE, "the server has as many sessions, lanes or watches as it can have"},
        {ENOTCONN, "the server cannot be reached"},
        {ECONNREFUSED, "no server listens at the address"},
        {ETIMEDOUT, "the server did not answer in time"},
        {EDEADLK, "a source called its own session: give it another session"},
        {EIO, "the connection broke during the call: the change may or may not have happened"},
        {EXDEV, "a directory stays below the quota that it is below: copy it, then delete it there"},
        {ENODATA, "no such extended attribute, or no time to live"},
        {EOVERFLOW, "the counter would leave the range of 64 bits with a sign"},
        {E2BIG, "longer than an extended attribute's value can be"},
};

const char *far_strerror(int error)
{
	int code = error < 0 ? -error : error;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].code == code)
			return texts[i].text;
	return code == 0 ? "success" : strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error";
}

const char *far_last_error(void)
{
	return last_error;
}

const char *far_version(void)
{
	return FAR_VERSION;
}

int error_set(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(last_error, sizeof(last_error), format, arguments);
	va_end(arguments);
	return error;
}

// A key as text: control characters as \xNN, so that no key reaches a terminal as a command; long ones cut.
static void print_key(const unsigned char *key, unsigned long length, char *text, size_t room)
{
	size_t used = 0;
	unsigned long i;

	for (i = 0; i < length && used + sizeof("\\xNN...") <= room; i++) {
		bool is_plain = key[i] >= ' ' && key[i] != 0x7f;

		used += (size_t)snprintf(text + used, room - used, is_plain ? "%c" : "\\x%02x", key[i]);
	}
	snprintf(text + used, room - used, "%s", i < length ? "..." : "");
}

void error_note_quota(struct far_span directory, const char *use)
{
	char text[256];

	quota_text[0] = '\0';
	if (!use)
		return;
	print_key(directory.bytes, directory.length, text, sizeof(text));
	snprintf(quota_text, sizeof(quota_text),
	        "the quota of /%s allows no more (%s are used): delete something there, or have root raise it", text, use);
}

int error_because(int error, const char *call, const void *key, unsigned long key_length, const char *why)
{
	char text[256];

	print_key(key, key_length, text, sizeof(text));
	return error_set(error, "%s %s: %s", call, text, why);
}

int error_of_key(int error, const char *call, const void *key, unsigned long key_length)
{
	// What broke the connection has said so itself.
	if (error >= 0 || error == -ENOTCONN || error == -ETIMEDOUT || error == -EIO || error == -EPROTO)
		return error;
	if (error == -EDQUOT && quota_text[0])
		return error_because(error, call, key, key_length, quota_text);
	return error_because(error, call, key, key_length, far_strerror(error));
}

int error_no_ttl(const char *call, const void *key, unsigned long key_length)
{
	return error_because(-ENODATA, call, key, key_length, "the key has no time to live");
}

int error_not_pinned(const char *call, const void *key, unsigned long key_length)
{
	char text[256];

	print_key(key, key_length, text, sizeof(text));
	return error_set(-ENODATA, "%s %s: the key is not pinned", call, text);
}

int error_of_ttl(uint64_t ttl_ms)
{
	if (ttl_ms > 0 && ttl_ms <= FAR_TTL_MAX_MS)
		return 0;
	return error_set(-EINVAL, "a time to live of %llu ms: it must be 1 to %llu ms (100 years)", (unsigned long long)ttl_ms,
	        (unsigned long long)FAR_TTL_MAX_MS);
}
