#include "fabric/probe/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "far/cleanup.h"

// What the kernel's loopback carries, which has no speed of its own: measured, as it depends on the machine's memory and CPUs.

#define CHUNK (128U << 10)

struct sink {
	int socket;
	size_t received;
};

static void *receive(void *context)
{
	static char buffer[CHUNK]; // what arrives is of no interest, whoever measures at the same time
	struct sink *sink = context;
	ssize_t length;

	while ((length = recv(sink->socket, buffer, sizeof(buffer), 0)) > 0)
		sink->received += (size_t)length;
	return NULL;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int connect_pair(int *from, int *to)
{
	CLEANUP(close) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof(address);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0 ||
	        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	*from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*from < 0 || connect(*from, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*to = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return *to < 0 ? -errno : 0;
}

int probe_loopback_speed(double seconds, double *bytes_per_second)
{
	static const char buffer[CHUNK];
	CLEANUP(close) int from = -1;
	CLEANUP(close) int to = -1;
	struct sink sink = {0};
	pthread_t thread;
	double begin;
	int result = connect_pair(&from, &to);

	if (result)
		return result;
	sink.socket = to;
	result = -pthread_create(&thread, NULL, receive, &sink);
	if (result)
		return result;
	begin = now();
	while (now() - begin < seconds)
		if (send(from, buffer, sizeof(buffer), MSG_NOSIGNAL) < 0)
			break;
	shutdown(from, SHUT_WR);
	pthread_join(thread, NULL);
	*bytes_per_second = (double)sink.received / (now() - begin);
	return 0;
}
