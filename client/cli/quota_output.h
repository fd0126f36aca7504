// A directory's quota as far quota and far top show it.
#ifndef CLI_QUOTA_OUTPUT_H
#define CLI_QUOTA_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "client/cli/json_output.h"

// As size_format; "-": there is no limit.
const char *quota_limit_format(uint64_t limit, bool is_for_people, char text[32]);

// The directory, the last thing of a line: /models, and whether what is below it is still being counted.
void quota_print_directory(FILE *to, const char *key, size_t key_length, const struct far_quota *quota);

struct json_object *json_of_quota(const char *key, size_t key_length, const struct far_quota *quota);

#endif
