#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "fabric/alive.h"
#include "fabric/listen.h"
#include "fabric/resolve.h"
#include "fabric/tcp.h"
#include "far/clock.h"

// Connections: listening, connecting, the exchange of hellos, and lanes' beginning and end.

#define LISTEN_TRIES 50 // one second in all
#define LISTEN_PAUSE_NS 20000000

static void format_peer(const struct sockaddr *address, socklen_t length, char peer[96])
{
	char host[64];
	char port[16];

	if (getnameinfo(address, length, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(peer, 96, "tcp peer");
	else
		snprintf(peer, 96, strchr(host, ':') ? "tcp [%s]:%s" : "tcp %s:%s", host, port);
}

static struct tcp_frame hello_frame(const struct tcp *tcp)
{
	return (struct tcp_frame){
	        .magic = TCP_MAGIC,
	        .type = TCP_HELLO,
	        .rkey = tcp->base.options.message_size,
	        .offset = tcp->base.options.depth,
	        .length = TCP_PROTOCOL_VERSION,
	};
}

static struct tcp_lane *lane_new(struct tcp *tcp, int socket, bool is_client)
{
	struct tcp_lane *lane = calloc(1, sizeof(*lane));
	int on = 1;

	if (!lane)
		return NULL;
	lane->base.fabric = &tcp->base;
	lane->base.message_size = tcp->base.options.message_size;
	lane->socket = socket;
	lane->is_client = is_client;
	lane->accepted_ns = clock_now_ns();
	lane->input = aligned_alloc(64, TCP_INPUT);
	lane->messages = aligned_alloc(64, (size_t)TCP_MESSAGES * lane->base.message_size);
	lane->batches[0].bytes = aligned_alloc(64, TCP_OUTPUT);
	lane->batches[1].bytes = aligned_alloc(64, TCP_OUTPUT);
	if (!lane->input || !lane->messages || !lane->batches[0].bytes || !lane->batches[1].bytes) {
		lane->socket = -1; // stays the caller's
		tcp_lane_free(lane);
		return NULL;
	}
	setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fabric_keep_alive(socket);
	lane->next = tcp->lanes;
	if (lane->next)
		lane->next->link = &lane->next;
	lane->link = &tcp->lanes;
	tcp->lanes = lane;
	return lane;
}

static void unlink_lane(struct tcp_lane *lane)
{
	if (!lane->link)
		return;
	*lane->link = lane->next;
	if (lane->next)
		lane->next->link = lane->link;
	lane->link = NULL;
}

void tcp_lane_free(struct tcp_lane *lane)
{
	unlink_lane(lane);
	if (lane->socket >= 0)
		close(lane->socket);
	free(lane->batches[0].bytes);
	free(lane->batches[1].bytes);
	free(lane->messages);
	free(lane->input);
	free(lane);
}

// Drops what is queued for a lane that goes.
static void forget_events(struct tcp *tcp, const struct tcp_lane *lane)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < tcp->event_count; i++) {
		struct fabric_event event = tcp->events[(tcp->event_first + i) % TCP_EVENTS];

		if (event.lane != &lane->base)
			tcp->events[(tcp->event_first + kept++) % TCP_EVENTS] = event;
	}
	tcp->event_count = kept;
}

static void forget_unsent(struct tcp *tcp, const struct tcp_lane *lane)
{
	struct tcp_lane **link = &tcp->unsent;

	while (*link && *link != lane)
		link = &(*link)->next_unsent;
	if (*link)
		*link = lane->next_unsent;
}

void tcp_disconnect(struct fabric_lane *base)
{
	struct tcp_lane *lane = tcp_lane_of(base);
	struct tcp *tcp = tcp_of(base->fabric);

	// What was flushed is on its way already as far as the owner knows: it leaves before the connection ends.
	tcp_flush(base);
	if (lane->is_sending)
		io_uring_submit(&tcp->ring);
	if (!lane->has_hello)
		tcp->handshakes--;
	lane->is_closed = true;
	forget_unsent(tcp, lane);
	forget_events(tcp, lane);
	if (lane->in_ring == 0) {
		tcp_lane_free(lane);
		return;
	}
	// Its operations end now; the last one frees it (tcp.c).
	shutdown(lane->socket, SHUT_RDWR);
	unlink_lane(lane);
	lane->is_gone = true;
	lane->next = tcp->gone;
	if (lane->next)
		lane->next->link = &lane->next;
	lane->link = &tcp->gone;
	tcp->gone = lane;
}

int tcp_take_hello(struct tcp_lane *lane, const struct tcp_frame *frame)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);
	struct tcp_frame mine = hello_frame(tcp);

	if (frame->type != TCP_HELLO || frame->length != TCP_PROTOCOL_VERSION || frame->rkey < FAR_MESSAGE_SIZE_MIN ||
	        frame->rkey > FAR_MESSAGE_SIZE_MAX || frame->rkey % 8)
		return -EPROTO;
	if (frame->rkey < lane->base.message_size)
		lane->base.message_size = (uint32_t)frame->rkey;
	lane->has_hello = true;
	if (lane->is_client)
		return 0;
	tcp->handshakes--;
	tcp_event(tcp, (struct fabric_event){.kind = FABRIC_ACCEPTED, .lane = &lane->base});
	return tcp_put_frame(lane, &mine, NULL, false, 0);
}

// --- listening ---

static int fail(struct fabric_error *error, const char *what, const struct fabric_address *address, int code, const char *advice)
{
	char text[384];

	snprintf(error->text, sizeof(error->text), "cannot %s %.140s: %s%s", what, fabric_address_format(address, text), strerror(code),
	        advice);
	return -code;
}

static const char *listen_advice(int code)
{
	if (code == EADDRINUSE)
		return ": another program listens there: choose another port with --listen";
	return code == EADDRNOTAVAIL ? ": it is no address of this host" : "";
}

// A server started again takes its own port: the kernel lets go of the last one's io_uring, and of the listener it holds, some time after that process has ended.
static int open_listener_patiently(const struct addrinfo *info)
{
	const struct timespec pause = {.tv_nsec = LISTEN_PAUSE_NS};
	int fd = fabric_open_listener(info);

	for (int i = 0; fd == -EADDRINUSE && i < LISTEN_TRIES; i++) {
		nanosleep(&pause, NULL);
		fd = fabric_open_listener(info);
	}
	return fd;
}

int tcp_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error)
{
	struct tcp *tcp = tcp_of(fabric);
	struct addrinfo *list;
	uint16_t port = 0;
	int fd;
	int result = fabric_resolve(address, AI_PASSIVE, &list, error);

	if (result)
		return result;
	if (tcp->listener_count == sizeof(tcp->listeners) / sizeof(tcp->listeners[0])) {
		freeaddrinfo(list);
		return fail(error, "listen on", address, EMFILE, ": too many listeners of one provider");
	}
	fd = open_listener_patiently(list);
	freeaddrinfo(list);
	if (fd < 0)
		return fail(error, "listen on", address, -fd, listen_advice(-fd));
	result = tcp_open_ring(tcp, true, error);
	if (!result)
		result = fabric_bound_port(fd, &port);
	if (result) {
		close(fd);
		return result;
	}
	if (bound) {
		*bound = *address;
		bound->port = port;
	}
	tcp->listeners[tcp->listener_count] = fd;
	tcp_accept_arm(tcp, tcp->listener_count++);
	return 0;
}

void tcp_accept_arm(struct tcp *tcp, unsigned listener)
{
	struct io_uring_sqe *sqe = tcp_sqe(tcp);

	io_uring_prep_multishot_accept(sqe, tcp->listeners[listener], NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, tcp_accept_tag(listener));
	io_uring_submit(&tcp->ring);
}

static void arm_timer(struct tcp *tcp)
{
	struct io_uring_sqe *sqe;

	if (tcp->has_timer)
		return;
	tcp->timer = (struct __kernel_timespec){.tv_sec = 1};
	sqe = tcp_sqe(tcp);
	io_uring_prep_timeout(sqe, &tcp->timer, 0, 0);
	io_uring_sqe_set_data64(sqe, tcp_tag(NULL, TCP_OP_TIMER));
	tcp->has_timer = true;
}

// Silence must not keep others out: who has said nothing for longest goes first.
static void drop_oldest_handshake(struct tcp *tcp)
{
	struct tcp_lane *oldest = NULL;

	for (struct tcp_lane *lane = tcp->lanes; lane; lane = lane->next)
		if (!lane->has_hello && (!oldest || lane->accepted_ns <= oldest->accepted_ns))
			oldest = lane;
	if (oldest)
		tcp_disconnect(&oldest->base);
}

void tcp_accepted(struct tcp *tcp, unsigned listener, int result, unsigned flags)
{
	if (!tcp->is_closing && !(flags & IORING_CQE_F_MORE))
		tcp_accept_arm(tcp, listener);
	if (result >= 0 && (tcp->is_closing || !tcp_hand_over(tcp, result)))
		tcp_adopt(tcp, result);
}

void tcp_adopt(struct tcp *tcp, int socket)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	struct tcp_lane *lane;

	if (tcp->is_closing) {
		close(socket);
		return;
	}
	if (tcp->handshakes >= TCP_HANDSHAKES)
		drop_oldest_handshake(tcp);
	lane = lane_new(tcp, socket, false);
	if (!lane) {
		close(socket);
		return;
	}
	tcp->handshakes++;
	if (getpeername(socket, (struct sockaddr *)&address, &length) == 0)
		format_peer((struct sockaddr *)&address, length, lane->base.peer);
	tcp_receive_arm(lane);
	arm_timer(tcp);
}

// Connections that have said nothing for too long go.
void tcp_timer(struct tcp *tcp)
{
	uint64_t now_ns = clock_now_ns();
	struct tcp_lane *next;

	tcp->has_timer = false;
	for (struct tcp_lane *lane = tcp->lanes; lane; lane = next) {
		next = lane->next;
		if (!lane->has_hello && now_ns - lane->accepted_ns >= TCP_HANDSHAKE_MS * 1000000ULL)
			tcp_disconnect(&lane->base);
	}
	if (tcp->handshakes > 0)
		arm_timer(tcp);
}

// --- connecting ---

static int wait_for(int fd, short what, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd descriptor = {.fd = fd, .events = what};
		uint64_t now_ns = clock_now_ns();
		int left_ms = now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / 1000000) + 1 : 0;
		int ready = poll(&descriptor, 1, left_ms);

		if (ready > 0)
			return 0;
		if (ready == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int connect_one(const struct addrinfo *info, uint64_t deadline_ns)
{
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t length = sizeof(int);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, info->ai_addr, info->ai_addrlen) < 0) {
		error = -errno;
		if (error == -EINPROGRESS) {
			error = wait_for(fd, POLLOUT, deadline_ns);
			if (!error && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0)
				error = -error;
		}
	}
	if (!error)
		return fd;
	close(fd);
	return error;
}

// Says hello and waits for the other side's.
static int exchange_hellos(struct tcp_lane *lane, uint64_t deadline_ns)
{
	struct tcp_frame hello = hello_frame(tcp_of(lane->base.fabric));
	char *to = (char *)&hello;
	size_t done = 0;

	if (send(lane->socket, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello))
		return errno ? -errno : -EIO;
	while (done < sizeof(hello)) {
		ssize_t got;
		int error = wait_for(lane->socket, POLLIN, deadline_ns);

		if (error)
			return error;
		got = recv(lane->socket, to + done, sizeof(hello) - done, MSG_DONTWAIT);
		if (got == 0)
			return -EPROTO;
		if (got < 0 && errno != EAGAIN)
			return -errno;
		done += got > 0 ? (size_t)got : 0;
	}
	if (tcp_frame_check(&hello, FAR_MESSAGE_SIZE_MAX))
		return -EPROTO;
	return tcp_take_hello(lane, &hello);
}

static const char *connect_advice(int code)
{
	if (code == ECONNREFUSED)
		return ": is far-server running there?";
	if (code == EPROTO)
		return ": what listens there is not a FarFS server, or another version";
	return "";
}

int tcp_connect(
        struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **out, struct fabric_error *error)
{
	uint64_t deadline_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000U;
	struct epoll_event event = {.events = EPOLLIN};
	struct tcp *tcp = tcp_of(fabric);
	struct addrinfo *list;
	struct tcp_lane *lane;
	int result = tcp_open_ring(tcp, false, error);
	int fd = -EHOSTUNREACH;

	if (!result)
		result = fabric_resolve(address, 0, &list, error);
	if (result)
		return result;
	for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
		fd = connect_one(info, deadline_ns);
	freeaddrinfo(list);
	if (fd < 0)
		return fail(error, "connect to", address, -fd, connect_advice(-fd));
	lane = lane_new(tcp, fd, true);
	if (!lane) {
		close(fd);
		return -ENOMEM;
	}
	tcp->handshakes++; // tcp_disconnect takes it back if it comes to nothing
	result = exchange_hellos(lane, deadline_ns);
	event.data.ptr = lane;
	if (!result && epoll_ctl(tcp->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		result = -errno;
	if (result) {
		tcp_disconnect(&lane->base);
		return fail(error, "connect to", address, -result, connect_advice(-result));
	}
	tcp->handshakes--;
	snprintf(lane->base.peer, sizeof(lane->base.peer), "tcp %.60s:%u", address->host, address->port);
	*out = &lane->base;
	return 0;
}
