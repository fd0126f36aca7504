// Clean-up by scope: `CLEANUP(free) char *text = ...;` frees text when the block is left, however it is left.
#ifndef FAR_CLEANUP_H
#define FAR_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(how) __attribute__((cleanup(cleanup_##how)))

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
