// What the kernel's texts mean: pure functions of what stands in sysfs and procfs.
#ifndef CLI_DOCTOR_TEXT_H
#define CLI_DOCTOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How good an address of a port is for FarFS, better ones higher.
enum gid_rank {
	GID_NONE,       // all zeros, or no GID
	GID_OLD,        // RoCE v1: not routable, and nothing that librdmacm takes by itself
	GID_LINK_LOCAL, // RoCE v2, fe80::
	GID_IPV6,       // RoCE v2
	GID_IPV4,       // RoCE v2: what a server's address is found by
};

// `text` as in gids/N, `type` as in gid_attrs/types/N.
enum gid_rank gid_rank(const char *text, const char *type);

// Writes "10.9.0.1" for a GID that holds an IPv4 address, else the text as it is. Returns `address`.
char *gid_format(const char *text, char address[64]);

// Largest RDMA MTU (a power of two, 256..4096) that packets of an Ethernet MTU have room for; 0 if none.
uint32_t rdma_mtu_of_netdev(int64_t netdev_mtu);

// "100 Gb/sec (4X EDR)" is 100. 0 if it is no rate.
double rate_gbps(const char *text);

// A line of /proc/PID/limits behind its name: soft, hard. UINT64_MAX = unlimited. Returns 0 or -EINVAL.
int limit_parse(const char *text, uint64_t *soft, uint64_t *hard);

// True if two lists of CPUs ("0-3,8") have one in common.
bool cpus_overlap(const char *a, const char *b);

// "6.1.0-18-amd64" is 6001. 0 if it is no version.
unsigned kernel_version(const char *release);

// The chosen word of "always [madvise] never". Returns `word`; "" if there is none.
char *chosen_word(const char *text, char word[32]);

// The last number of a sysctl of several ("4096 131072 6291456"). 0 if there is none.
uint64_t last_number(const char *text);

#endif
