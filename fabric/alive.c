#include "fabric/alive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

// By keepalive alone. TCP_USER_TIMEOUT would bound the wait for what the host has not acknowledged, too, but it also ends connections to programs that take nothing for so long: they may go on. What was on its way when the
// host went keeps the kernel sending it again, up to net.ipv4.tcp_retries2 (some 15 minutes); until then it asks nothing.

#define IDLE_S 10
#define ASK_S 5
#define TIMES 3

void fabric_keep_alive(int fd)
{
	const int on = 1, idle = IDLE_S, ask = ASK_S, times = TIMES;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &ask, sizeof(ask));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}
