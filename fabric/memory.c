#include "fabric/fabric.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "far/limits.h"

// Memory that any provider can register: a memfd, so that shm can pass it to the peer, sealed against shrinking, because a peer that maps it
// must not be killed by a page that went away.

int fabric_memory_new(size_t length, struct fabric_memory *memory)
{
	size_t whole = (length + FAR_PAGE_SIZE - 1) & ~(size_t)(FAR_PAGE_SIZE - 1);
	void *base = MAP_FAILED;
	int error;
	int fd;

	if (length == 0 || whole < length)
		return -EINVAL;
	fd = memfd_create("farfs-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)whole) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		goto fail;
	base = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	*memory = (struct fabric_memory){.base = base, .length = whole, .fd = fd};
	return 0;
fail:
	error = -errno;
	close(fd);
	return error;
}

void fabric_memory_free(struct fabric_memory *memory)
{
	if (!memory->base)
		return;
	munmap(memory->base, memory->length);
	close(memory->fd);
	*memory = (struct fabric_memory){.fd = -1};
}
