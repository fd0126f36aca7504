// A bell by which one I/O thread is told that another has something for its lanes to send: notices, which arise from what others do. Rung and heard by the writer (writer.h) only; it wakes by a descriptor
// that stays readable until it is heard, so no ring is lost between the last look and the sleep. An I/O thread that is alone has none.
#ifndef SERVER_BELL_H
#define SERVER_BELL_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

struct bell {
	int fd; // an eventfd, -1: nobody else is there to ring it
	bool has_rung;
};

static inline void bell_ring(struct bell *bell)
{
	const uint64_t one = 1;

	if (bell->fd < 0 || bell->has_rung)
		return;
	bell->has_rung = write(bell->fd, &one, sizeof(one)) == sizeof(one);
}

static inline void bell_hear(struct bell *bell)
{
	uint64_t rings;

	if (bell->has_rung)
		bell->has_rung = read(bell->fd, &rings, sizeof(rings)) != sizeof(rings);
}

#endif
