// Numbers as people write and read them.
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A whole number. Returns 0 or -EINVAL.
int number_parse(const char *text, uint64_t *number);

// The same with a sign if wanted, from -2^63 to 2^63 - 1.
int integer_parse(const char *text, int64_t *number);

// A size in bytes: 123, 4k, 64K, 1m, 2G, 1T (powers of 1024). Returns 0 or -EINVAL.
int size_parse(const char *text, uint64_t *size);

// Seconds, 0 or more, with a fraction if wanted. Returns 0 or -EINVAL.
int seconds_parse(const char *text, double *seconds);

// A time in ms, at least 1: 1.5 (seconds), 250ms, 60s, 5m, 2h, 7d. Part of a ms counts as a whole. Returns 0 or -EINVAL.
int duration_parse(const char *text, uint64_t *duration_ms);

// "4096" or, for people, "4.0K". Returns `text`.
char *size_format(uint64_t size, bool is_for_people, char text[32]);

// "2026-11-21 02:57:40" in local time, with nanoseconds and zone if `is_full`. Returns `text`.
char *time_format(int64_t time_ns, bool is_full, char text[64]);

// "drwxr-xr-x". Returns `text`.
char *mode_format(uint32_t mode, char text[11]);

// "file", "directory", "symlink", "fifo", "socket", "character-device", "block-device" or "unknown".
const char *type_of_mode(uint32_t mode);

#endif
