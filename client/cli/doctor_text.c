#include "client/cli/doctor_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 8192 // CONFIG_NR_CPUS of the distributions' kernels

static int gid_words(const char *text, unsigned words[8])
{
	return sscanf(text, "%4x:%4x:%4x:%4x:%4x:%4x:%4x:%4x", &words[0], &words[1], &words[2], &words[3], &words[4], &words[5], &words[6],
	               &words[7]) == 8
	               ? 0
	               : -EINVAL;
}

static bool holds_ipv4(const unsigned words[8])
{
	return words[5] == 0xffff && !(words[0] | words[1] | words[2] | words[3] | words[4]);
}

enum gid_rank gid_rank(const char *text, const char *type)
{
	unsigned words[8];

	if (gid_words(text, words))
		return GID_NONE;
	if (!(words[4] | words[5] | words[6] | words[7])) // a port without an interface has its prefix alone
		return GID_NONE;
	if (strcmp(type, "RoCE v2") != 0)
		return GID_OLD;
	if (holds_ipv4(words))
		return GID_IPV4;
	return (words[0] & 0xffc0) == 0xfe80 ? GID_LINK_LOCAL : GID_IPV6;
}

char *gid_format(const char *text, char address[64])
{
	unsigned words[8];

	if (gid_words(text, words) == 0 && holds_ipv4(words))
		snprintf(address, 64, "%u.%u.%u.%u", words[6] >> 8, words[6] & 255, words[7] >> 8, words[7] & 255);
	else
		snprintf(address, 64, "%s", text);
	return address;
}

uint32_t rdma_mtu_of_netdev(int64_t netdev_mtu)
{
	// Headers as the kernel counts them (iboe_get_mtu, include/rdma/ib_addr.h): GRH 40, UDP 8, BTH 12, XRC 4, AtomicETH 28, ICRC 4.
	int64_t room = netdev_mtu - 96;
	uint32_t mtu = 4096;

	while (mtu >= 256 && mtu > room)
		mtu /= 2;
	return mtu >= 256 ? mtu : 0;
}

double rate_gbps(const char *text)
{
	char *end;
	double rate = strtod(text, &end);

	return end != text && strncmp(end, " Gb/sec", 7) == 0 && rate > 0 ? rate : 0;
}

static const char *limit_number(const char *text, uint64_t *number)
{
	char *end;

	text += strspn(text, " \t");
	if (strncmp(text, "unlimited", 9) == 0) {
		*number = UINT64_MAX;
		return text + 9;
	}
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno || end == text ? NULL : end;
}

int limit_parse(const char *text, uint64_t *soft, uint64_t *hard)
{
	const char *rest = limit_number(text, soft);

	if (rest)
		rest = limit_number(rest, hard);
	return rest ? 0 : -EINVAL;
}

static void mark_cpus(const char *list, unsigned char marks[CPUS_MAX])
{
	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10);
		unsigned long last = first;

		if (end == list)
			return;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (unsigned long cpu = first; cpu <= last && cpu < CPUS_MAX; cpu++)
			marks[cpu] = 1;
		list = *end == ',' ? end + 1 : end;
		if (*list && (*list < '0' || *list > '9'))
			return;
	}
}

bool cpus_overlap(const char *a, const char *b)
{
	unsigned char marks_a[CPUS_MAX] = {0};
	unsigned char marks_b[CPUS_MAX] = {0};

	mark_cpus(a, marks_a);
	mark_cpus(b, marks_b);
	for (int cpu = 0; cpu < CPUS_MAX; cpu++)
		if (marks_a[cpu] && marks_b[cpu])
			return true;
	return false;
}

unsigned kernel_version(const char *release)
{
	unsigned major;
	unsigned minor;

	return sscanf(release, "%3u.%3u", &major, &minor) == 2 ? major * 1000 + minor : 0;
}

char *chosen_word(const char *text, char word[32])
{
	const char *begin = strchr(text, '[');
	size_t length = begin ? strcspn(begin + 1, "]") : 0;

	snprintf(word, 32, "%.*s", (int)(length < 31 ? length : 31), begin ? begin + 1 : "");
	return word;
}

uint64_t last_number(const char *text)
{
	uint64_t number = 0;
	char *end;

	for (;; text = end) {
		uint64_t next = strtoull(text, &end, 10);

		if (end == text)
			return number;
		number = next;
	}
}
