// JSON output. Keys are bytes: one that is not UTF-8 is shown with replacement characters and given whole in hexadecimal, under its name and `_hex`.
#ifndef CLI_JSON_OUTPUT_H
#define CLI_JSON_OUTPUT_H

#include <json.h>
#include <stddef.h>
#include <stdint.h>

#include "far.h"

void json_add_key(struct json_object *object, const char *name, const char *key, size_t length);
void json_add_u64(struct json_object *object, const char *name, uint64_t value);
void json_add_double(struct json_object *object, const char *name, double value);
// Bytes that are not UTF-8 are replaced.
void json_add_bytes(struct json_object *object, const char *name, const char *bytes, size_t length);
void json_add_text(struct json_object *object, const char *name, const char *value);

// A key with its attributes. Object ids use all 64 bits, more than many readers of JSON keep: they are texts.
struct json_object *json_of_object(const char *key, size_t length, const struct far_stat *stat);

// Writes the object and a line's end to standard output, and frees it.
void json_print(struct json_object *object);

#endif
