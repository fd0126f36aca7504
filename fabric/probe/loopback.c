#include "fabric/probe/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "far/cleanup.h"
#include "far/clock.h"

// What the kernel's loopback carries, which has no speed of its own: measured, as it depends on the machine's memory and CPUs.

#define CHUNK (128U << 10)

struct sink {
	int socket;
	atomic_size_t received; // counts what it reads, for another thread to look at (relaxed: nothing else hangs on it)
};

static void *receive(void *context)
{
	static char buffer[CHUNK]; // what arrives is of no interest, whoever measures at the same time
	struct sink *sink = context;
	ssize_t length;

	while ((length = recv(sink->socket, buffer, sizeof(buffer), 0)) > 0)
		atomic_fetch_add_explicit(&sink->received, (size_t)length, memory_order_relaxed);
	return NULL;
}

static double now(void)
{
	return (double)clock_now_ns() / 1e9;
}

static int connect_pair(int *from, int *to)
{
	CLEANUP(close) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof(address);
	int on = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0 ||
	        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	*from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*from < 0 || connect(*from, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	setsockopt(*from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // the end of a chunk is not to wait for an acknowledgement
	*to = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return *to < 0 ? -errno : 0;
}

static void send_for(int socket, double seconds)
{
	static const char buffer[CHUNK];
	double begin = now();

	while (now() - begin < seconds)
		if (send(socket, buffer, sizeof(buffer), MSG_NOSIGNAL) < 0)
			return;
}

int probe_loopback_speed(double seconds, double *bytes_per_second)
{
	CLEANUP(close) int from = -1;
	CLEANUP(close) int to = -1;
	struct sink sink = {0};
	pthread_t thread;
	size_t before;
	double begin;
	int result = connect_pair(&from, &to);

	if (result)
		return result;
	sink.socket = to;
	result = -pthread_create(&thread, NULL, receive, &sink);
	if (result)
		return result;
	send_for(from, seconds / 4); // lets the kernel's buffers grow
	begin = now();
	before = atomic_load_explicit(&sink.received, memory_order_relaxed);
	send_for(from, seconds);
	*bytes_per_second = (double)(atomic_load_explicit(&sink.received, memory_order_relaxed) - before) / (now() - begin);
	shutdown(from, SHUT_WR);
	pthread_join(thread, NULL);
	return 0;
}
