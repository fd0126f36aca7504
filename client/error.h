// The calling thread's last error text.
#ifndef CLIENT_ERROR_H
#define CLIENT_ERROR_H

#include <stdint.h>

#include "far/key.h"

// Remembers what failed, with which value and what to do; returns `error`.
int error_set(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The same for a call on a key that the server refused: the text is made from the code.
int error_of_key(int error, const char *call, const void *key, unsigned long key_length);

// Which directory's quota this thread's next -EDQUOT is of, and what is used of it; use NULL: that is not known.
void error_note_quota(struct far_span directory, const char *use);

// The same where the code alone does not say why.
int error_because(int error, const char *call, const void *key, unsigned long key_length, const char *why);

// A key that has no time to live: -ENODATA.
int error_no_ttl(const char *call, const void *key, unsigned long key_length);

// -ENODATA: the key is not pinned.
int error_not_pinned(const char *call, const void *key, unsigned long key_length);

// 0, or -EINVAL and what a time to live must be.
int error_of_ttl(uint64_t ttl_ms);

#endif
