// peer_bench: depth-1 GET and SET against Redis (RESP) or memcached (text protocol) over blocking sockets, so that every client in the benchmark is equally lean.
//
// usage: peer_bench redis|memcached ADDRESS SIZE SECONDS [CONNECTIONS]; ADDRESS is unix:/path or a loopback port. Prints one line of JSON: p50, p99 and p99.9 in ns and operations a second,
// for GET and SET. CONNECTIONS above 1: that many threads, throughput only counts.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 4000000
#define CONNECTIONS_MAX 64

struct run {
	int is_redis;
	const char *address;
	int size;
	double seconds;
	int is_get;
	long count;
	unsigned *samples; // ns
};

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int open_socket(const char *address)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int is_local = strncmp(address, "unix:", 5) == 0;
	int fd = socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
	int on = 1;

	if (is_local) {
		snprintf(local.sun_path, sizeof(local.sun_path), "%s", address + 5);
		if (connect(fd, (struct sockaddr *)&local, sizeof(local)) == 0)
			return fd;
	} else {
		inet.sin_port = htons((unsigned short)atoi(address));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (connect(fd, (struct sockaddr *)&inet, sizeof(inet)) == 0)
			return fd;
	}
	fprintf(stderr, "peer_bench: %s: %s\n", address, strerror(errno));
	exit(1);
}

static void exchange(int fd, const char *request, size_t length, char *reply, size_t expected)
{
	size_t done = 0;

	if (write(fd, request, length) != (ssize_t)length)
		exit(1);
	while (done < expected) {
		ssize_t got = read(fd, reply + done, expected - done);

		if (got <= 0)
			exit(1);
		done += (size_t)got;
	}
}

// Builds the request and tells how long its reply is.
static size_t build(const struct run *run, int is_get, char *request, size_t *reply_length)
{
	char head[64];
	size_t length;

	if (is_get) {
		*reply_length = run->is_redis ? (size_t)snprintf(head, sizeof(head), "$%d\r\n", run->size) + (size_t)run->size + 2
		                              : (size_t)snprintf(head, sizeof(head), "VALUE k 0 %d\r\n", run->size) + (size_t)run->size + 7;
		return (size_t)sprintf(request, "%s", run->is_redis ? "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" : "get k\r\n");
	}
	*reply_length = run->is_redis ? 5 : 8;
	length = (size_t)(run->is_redis ? sprintf(request, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", run->size)
	                                : sprintf(request, "set k 0 0 %d\r\n", run->size));
	memset(request + length, 'x', (size_t)run->size);
	memcpy(request + length + run->size, "\r\n", 2);
	return length + (size_t)run->size + 2;
}

static void *work(void *argument)
{
	struct run *run = argument;
	char *request = malloc((size_t)run->size + 256);
	char *reply = malloc((size_t)run->size + 256);
	int fd = open_socket(run->address);
	size_t reply_length;
	size_t length = build(run, 0, request, &reply_length);
	long long end;

	exchange(fd, request, length, reply, reply_length);
	length = build(run, run->is_get, request, &reply_length);
	end = now_ns() + (long long)(run->seconds * 1e9);
	for (long long begin = now_ns(), after; begin < end; begin = after) {
		exchange(fd, request, length, reply, reply_length);
		after = now_ns();
		if (run->count < SAMPLES_MAX)
			run->samples[run->count] = (unsigned)(after - begin);
		run->count++;
	}
	close(fd);
	free(reply);
	free(request);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	unsigned left = *(const unsigned *)a;
	unsigned right = *(const unsigned *)b;

	return left < right ? -1 : left > right;
}

static void measure(struct run *all, int connections, const char *name, const char *behind)
{
	pthread_t threads[CONNECTIONS_MAX];
	long total = 0;
	long kept;

	for (int i = 0; i < connections; i++) {
		all[i].count = 0;
		pthread_create(&threads[i], NULL, work, &all[i]);
	}
	for (int i = 0; i < connections; i++) {
		pthread_join(threads[i], NULL);
		total += all[i].count;
	}
	kept = all[0].count < SAMPLES_MAX ? all[0].count : SAMPLES_MAX;
	qsort(all[0].samples, (size_t)kept, sizeof(unsigned), compare);
	printf("\"%s\": {\"p50_ns\": %u, \"p99_ns\": %u, \"p999_ns\": %u, \"ops\": %.0f}%s", name, all[0].samples[kept / 2],
	        all[0].samples[kept * 99 / 100], all[0].samples[kept * 999 / 1000], (double)total / all[0].seconds, behind);
}

int main(int argc, char **argv)
{
	static struct run runs[CONNECTIONS_MAX];
	int connections = argc > 5 ? atoi(argv[5]) : 1;

	if (argc < 5 || connections < 1 || connections > CONNECTIONS_MAX) {
		fprintf(stderr, "usage: peer_bench redis|memcached unix:PATH|PORT SIZE SECONDS [CONNECTIONS]\n");
		return 2;
	}
	for (int i = 0; i < connections; i++)
		runs[i] = (struct run){
		        .is_redis = strcmp(argv[1], "redis") == 0,
		        .address = argv[2],
		        .size = atoi(argv[3]),
		        .seconds = atof(argv[4]),
		        .is_get = 1,
		        .samples = malloc(SAMPLES_MAX * sizeof(unsigned) / (size_t)connections * (size_t)connections),
		};
	printf("{");
	measure(runs, connections, "get", ", ");
	for (int i = 0; i < connections; i++)
		runs[i].is_get = 0;
	measure(runs, connections, "set", "}\n");
	return 0;
}
