#include "fabric/address_rdma.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "far/limits.h"

// The options of an rdma address: one table for reading them. Each may stand once; what is not there is left to the rule (verbs_ways.h) or the default.

#define WRONG_SIZE 128
#define VALUE_MAX 63 // longest name of a device

static int fail(char *wrong, const char *what, const char *value)
{
	snprintf(wrong, WRONG_SIZE, what, value);
	return -EINVAL;
}

static int parse_number(const char *value, unsigned least, unsigned most, unsigned *number)
{
	unsigned long found = 0;

	if (*value == '\0' || strlen(value) > 6)
		return -EINVAL;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return -EINVAL;
		found = found * 10 + (unsigned long)(*value - '0');
	}
	if (found < least || found > most)
		return -EINVAL;
	*number = (unsigned)found;
	return 0;
}

static int set_connect(struct fabric_rdma *rdma, const char *value, char *wrong)
{
	rdma->is_by_socket = strcmp(value, "socket") == 0;
	if (rdma->is_by_socket || strcmp(value, "cm") == 0)
		return 0;
	return fail(wrong, "connect=%s: give cm (the connection manager) or socket", value);
}

static int set_device(struct fabric_rdma *rdma, const char *value, char *wrong)
{
	if (*value == '\0' || strpbrk(value, "/ \t\n"))
		return fail(wrong, "device=%s: give a device's name (ibv_devices)", value);
	snprintf(rdma->device, sizeof(rdma->device), "%s", value);
	return 0;
}

static int set_port(struct fabric_rdma *rdma, const char *value, char *wrong)
{
	unsigned number;

	if (parse_number(value, 1, UINT8_MAX, &number))
		return fail(wrong, "port=%s: give the number of a device's port, 1 to 255", value);
	rdma->port = (uint8_t)number;
	return 0;
}

static int set_gid(struct fabric_rdma *rdma, const char *value, char *wrong)
{
	unsigned number;

	if (parse_number(value, 0, UINT8_MAX, &number))
		return fail(wrong, "gid=%s: give an index in the port's table of GIDs, 0 to 255", value);
	rdma->has_gid = true;
	rdma->gid_index = (uint8_t)number;
	return 0;
}

static int set_depth(struct fabric_rdma *rdma, const char *value, char *wrong)
{
	static_assert(FAR_LANE_DEPTH == 64, "named in the text");
	if (parse_number(value, 1, FAR_LANE_DEPTH, &rdma->depth))
		return fail(wrong, "depth=%s: give 1 to 64 operations under way", value);
	return 0;
}

static int set_receives(struct fabric_rdma *rdma, const char *value, char *wrong)
{
	if (parse_number(value, FABRIC_RDMA_RECEIVES_MIN, FABRIC_RDMA_RECEIVES_MAX, &rdma->receives))
		return fail(wrong, "receives=%s: give 64 to 65536 messages that the receive queue holds", value);
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct fabric_rdma *rdma, const char *value, char *wrong);
} parameters[] = {
        {"connect", set_connect},
        {"depth", set_depth},
        {"device", set_device},
        {"gid", set_gid},
        {"port", set_port},
        {"receives", set_receives},
};

#define PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

static int parse_one(const char *part, size_t length, unsigned *seen, struct fabric_rdma *rdma, char *wrong)
{
	const char *sign = memchr(part, '=', length);
	size_t name_length = sign ? (size_t)(sign - part) : length;
	char value[VALUE_MAX + 1] = "";

	if (sign && length - name_length - 1 > VALUE_MAX)
		return fail(wrong, "a value is longer than %s bytes", "63");
	if (sign)
		memcpy(value, sign + 1, length - name_length - 1);
	for (unsigned i = 0; i < PARAMETERS; i++) {
		if (strlen(parameters[i].name) != name_length || memcmp(parameters[i].name, part, name_length) != 0)
			continue;
		if (*seen & 1U << i)
			return fail(wrong, "%s= stands there twice", parameters[i].name);
		*seen |= 1U << i;
		return parameters[i].set(rdma, value, wrong);
	}
	snprintf(wrong, WRONG_SIZE,
	        "'%.*s' is none of connect=, depth=, device=, gid=, port=, receives=", (int)(name_length < 30 ? name_length : 30), part);
	return -EINVAL;
}

int address_rdma_parse(const char *text, struct fabric_rdma *rdma, char *wrong)
{
	unsigned seen = 0;
	size_t length;

	do {
		int result;

		length = strcspn(text, "&");
		result = parse_one(text, length, &seen, rdma, wrong);
		if (result)
			return result;
		text += length + 1;
	} while (text[-1]);
	if (rdma->has_gid && !rdma->is_by_socket)
		return fail(wrong, "gid= needs %s: else the connection manager chooses it by the address", "connect=socket");
	return 0;
}

void address_rdma_format(const struct fabric_rdma *rdma, char *text, size_t size)
{
	char parts[PARAMETERS][VALUE_MAX + 16] = {""};
	const char *separator = "?";
	unsigned count = 0;
	size_t length = 0;

	if (rdma->is_by_socket)
		strcpy(parts[count++], "connect=socket");
	if (rdma->device[0])
		snprintf(parts[count++], sizeof(parts[0]), "device=%s", rdma->device);
	if (rdma->port)
		snprintf(parts[count++], sizeof(parts[0]), "port=%u", rdma->port);
	if (rdma->has_gid)
		snprintf(parts[count++], sizeof(parts[0]), "gid=%u", rdma->gid_index);
	if (rdma->depth)
		snprintf(parts[count++], sizeof(parts[0]), "depth=%u", rdma->depth);
	if (rdma->receives)
		snprintf(parts[count++], sizeof(parts[0]), "receives=%u", rdma->receives);
	text[0] = '\0';
	for (unsigned i = 0; i < count && length < size; i++) {
		length += (size_t)snprintf(text + length, size - length, "%s%s", separator, parts[i]);
		separator = "&";
	}
}
