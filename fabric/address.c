#include "fabric/fabric.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fabric/address_rdma.h"
#include "fabric/provider.h"
#include "fabric/resolve.h"
#include "far/cleanup.h"
#include "far/limits.h"

// Addresses: reading, writing and choosing them. Runs at set-up only; resolving a name may block for as long as the resolver does.

#define ADDRESS_WHY_SIZE 128
#define ADDRESS_TEXT_MAX 383 // what fabric_address_format can write

static const char *const address_schemes[] = {"rdma", "tcp", "shm"};

static int address_fail(struct fabric_error *error, const char *text, const char *what)
{
	snprintf(error->text, sizeof(error->text), "address '%.115s': %.125s", text, what);
	return -EINVAL;
}

// Digits only: strtoul would take signs and blanks.
static int address_parse_port(const char *digits, uint16_t *port)
{
	unsigned long number = 0;

	if (*digits == '\0' || strlen(digits) > 5)
		return -EINVAL;
	for (; *digits; digits++) {
		if (*digits < '0' || *digits > '9')
			return -EINVAL;
		number = number * 10 + (unsigned long)(*digits - '0');
	}
	if (number > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)number;
	return 0;
}

// host[:port], the host in brackets if it contains colons.
static int address_parse_endpoint(const char *text, const char *endpoint, struct fabric_address *address, struct fabric_error *error)
{
	const char *host = endpoint;
	const char *rest;
	size_t length;

	if (endpoint[0] == '[') {
		host = endpoint + 1;
		rest = strchr(host, ']');
		if (!rest)
			return address_fail(error, text, "the bracket of the IPv6 address is not closed");
		length = (size_t)(rest - host);
		rest++;
	} else {
		length = strcspn(host, ":");
		rest = host + length;
		if (rest[0] == ':' && strchr(rest + 1, ':'))
			return address_fail(error, text, "put an IPv6 address in brackets: [::1]:port");
	}
	if (length == 0)
		return address_fail(error, text, "the host is missing");
	if (length >= sizeof(address->host))
		return address_fail(error, text, "the host is longer than 255 bytes");
	memcpy(address->host, host, length);
	address->host[length] = '\0';
	if (strpbrk(address->host, "/ \t\n"))
		return address_fail(error, text, "the host contains a slash or a blank");
	address->port = FAR_PORT_DEFAULT;
	if (rest[0] == '\0')
		return 0;
	if (rest[0] != ':' || address_parse_port(rest + 1, &address->port) < 0)
		return address_fail(error, text, "the port must be a number in 0..65535");
	return 0;
}

static int address_parse_path(const char *text, const char *path, struct fabric_address *address, struct fabric_error *error)
{
	if (path[0] != '/')
		return address_fail(error, text, "the path of the socket must be absolute: shm:///path.sock");
	if (strlen(path) >= sizeof(address->path))
		return address_fail(error, text, "the path of the socket is longer than 107 bytes");
	strcpy(address->path, path);
	return 0;
}

// host[:port], and for rdma what stands behind a question mark.
static int address_parse_host(const char *text, const char *rest, struct fabric_address *address, struct fabric_error *error)
{
	const char *question = strchr(rest, '?');
	char endpoint[ADDRESS_TEXT_MAX + 1];
	char wrong[128];
	int result;

	if (strlen(text) > ADDRESS_TEXT_MAX)
		return address_fail(error, text, "is longer than 383 bytes");
	if (question && strcmp(address->provider, "rdma") != 0)
		return address_fail(error, text, "only rdma:// takes options behind a question mark");
	snprintf(endpoint, sizeof(endpoint), "%.*s", question ? (int)(question - rest) : (int)strlen(rest), rest);
	result = address_parse_endpoint(text, endpoint, address, error);
	if (result || !question)
		return result;
	result = address_rdma_parse(question + 1, &address->rdma, wrong);
	return result ? address_fail(error, text, wrong) : 0;
}

int fabric_address_parse(const char *text, struct fabric_address *address, struct fabric_error *error)
{
	const char *separator = strstr(text, "://");
	const char *rest = separator ? separator + 3 : NULL;

	error->text[0] = '\0';
	*address = (struct fabric_address){0};
	if (!separator)
		return address_fail(error, text, "must begin with rdma://, tcp:// or shm://");
	for (unsigned i = 0; i < sizeof(address_schemes) / sizeof(address_schemes[0]); i++) {
		const char *scheme = address_schemes[i];

		if (strlen(scheme) == (size_t)(separator - text) && strncmp(text, scheme, strlen(scheme)) == 0)
			strcpy(address->provider, scheme);
	}
	if (address->provider[0] == '\0')
		return address_fail(error, text, "the scheme is not rdma, tcp or shm");
	if (strcmp(address->provider, "shm") == 0)
		return address_parse_path(text, rest, address, error);
	return address_parse_host(text, rest, address, error);
}

char *fabric_address_format(const struct fabric_address *address, char text[384])
{
	const char *bracket = strchr(address->host, ':') ? "[" : "";

	if (strcmp(address->provider, "shm") == 0)
		snprintf(text, 384, "shm://%s", address->path);
	else {
		int length = snprintf(
		        text, 384, "%s://%s%s%s:%u", address->provider, bracket, address->host, *bracket ? "]" : "", address->port);

		address_rdma_format(&address->rdma, text + length, 384 - (size_t)length);
	}
	return text;
}

int fabric_address_local_socket(uint16_t port, char path[108])
{
	const char *folder = getenv("FARFS_RUNTIME_DIR");
	const char *user_folder = getenv("XDG_RUNTIME_DIR");
	int length;

	if (folder && *folder)
		length = snprintf(path, 108, "%s/%u.sock", folder, port);
	else if (geteuid() == 0)
		length = snprintf(path, 108, "/run/farfs/%u.sock", port);
	else if (user_folder && *user_folder)
		length = snprintf(path, 108, "%s/farfs/%u.sock", user_folder, port);
	else
		length = snprintf(path, 108, "/tmp/farfs-%u/%u.sock", (unsigned)geteuid(), port);
	return length < 108 ? 0 : -ENAMETOOLONG;
}

static bool address_equals(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET) {
		const struct sockaddr_in *in_a = (const struct sockaddr_in *)(const void *)a;
		const struct sockaddr_in *in_b = (const struct sockaddr_in *)(const void *)b;

		return in_a->sin_addr.s_addr == in_b->sin_addr.s_addr;
	}
	if (a->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in_a = (const struct sockaddr_in6 *)(const void *)a;
		const struct sockaddr_in6 *in_b = (const struct sockaddr_in6 *)(const void *)b;

		return memcmp(&in_a->sin6_addr, &in_b->sin6_addr, sizeof(in_a->sin6_addr)) == 0;
	}
	return false;
}

// All of 127.0.0.0/8 is this host, though only 127.0.0.1 is on the interface.
static bool address_is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	return false;
}

static bool address_host_is_local(const char *host)
{
	CLEANUP(addrinfo) struct addrinfo *found = NULL;
	CLEANUP(ifaddrs) struct ifaddrs *interfaces = NULL;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false; // connecting will say what is wrong with the name
	if (getifaddrs(&interfaces) < 0)
		interfaces = NULL;
	for (const struct addrinfo *one = found; one; one = one->ai_next) {
		if (address_is_loopback(one->ai_addr))
			return true;
		for (const struct ifaddrs *own = interfaces; own; own = own->ifa_next)
			if (own->ifa_addr && address_equals(one->ai_addr, own->ifa_addr))
				return true;
	}
	return false;
}

static bool address_socket_accepts(const char path[108])
{
	CLEANUP(close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (fd < 0)
		return false;
	strcpy(address.sun_path, path);
	// EAGAIN: somebody listens, with a full backlog at the moment.
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
}

static bool address_answers_rdma(struct fabric_address *address)
{
#ifdef FABRIC_HAS_VERBS
	if (verbs_answers(address)) {
		strcpy(address->provider, "rdma");
		return true;
	}
#endif
	(void)address;
	return false;
}

int fabric_address_choose(const char *text, struct fabric_address *address, char *why, struct fabric_error *error)
{
	char ignored[ADDRESS_WHY_SIZE];
	bool is_local;
	int result;

	if (!why)
		why = ignored;
	error->text[0] = '\0';
	if (strstr(text, "://")) {
		snprintf(why, ADDRESS_WHY_SIZE, "the address names it");
		return fabric_address_parse(text, address, error);
	}
	if (text[0] == '/')
		return address_fail(error, text, "a socket's path needs its scheme: shm:///path.sock");
	if (strchr(text, '?'))
		return address_fail(error, text, "options behind a question mark need the scheme rdma://");
	*address = (struct fabric_address){.provider = "tcp"};
	result = address_parse_endpoint(text, text, address, error);
	if (result < 0)
		return result;
	is_local = address_host_is_local(address->host);
	if (is_local && fabric_address_local_socket(address->port, address->path) == 0 && address_socket_accepts(address->path)) {
		strcpy(address->provider, "shm");
		address->host[0] = '\0';
		snprintf(why, ADDRESS_WHY_SIZE, "the host is this one and its server's socket accepts");
		return 0;
	}
	address->path[0] = '\0';
	if (address_answers_rdma(address))
		snprintf(why, ADDRESS_WHY_SIZE, "an RDMA device leads to its server");
	else if (is_local)
		snprintf(why, ADDRESS_WHY_SIZE, "the host is this one but no server's socket accepts for port %u", address->port);
	else
		snprintf(why, ADDRESS_WHY_SIZE, "%.64s is another host and no RDMA device leads to a server there", address->host);
	return 0;
}
