// Options of an rdma address that programs also take on their own: `--device=mlx5_0` for `?device=mlx5_0`. What they may be is the address's business (fabric/address_rdma.c).
#ifndef FAR_ADDRESS_OPTIONS_H
#define FAR_ADDRESS_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_OPTIONS_SIZE 256

// Adds one, parted from those before it. False: too long.
static inline bool address_options_add(char options[ADDRESS_OPTIONS_SIZE], const char *name, const char *value)
{
	size_t length = strlen(options);
	int added = snprintf(options + length, ADDRESS_OPTIONS_SIZE - length, "%s%s=%s", length ? "&" : "", name, value);

	return added >= 0 && length + (size_t)added < ADDRESS_OPTIONS_SIZE;
}

// The address with these options behind its own, or NULL without memory. The caller frees it. An address that takes none is refused when it is read.
static inline char *address_options_append(const char *address, const char *options)
{
	size_t size = strlen(address) + strlen(options) + 2;
	char *text = malloc(size);

	if (text)
		snprintf(text, size, "%s%s%s", address, *options == '\0' ? "" : strchr(address, '?') ? "&" : "?", options);
	return text;
}

#endif
