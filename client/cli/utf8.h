// What of a run of bytes is UTF-8. Keys are bytes; JSON and terminals want characters.
#ifndef CLI_UTF8_H
#define CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// Bytes of the character that begins here: 1..4, or 0 if it is none (cut short, overlong, a surrogate, above U+10FFFF).
size_t utf8_length(const char *bytes, size_t length);

bool utf8_is_valid(const char *bytes, size_t length);

#endif
