#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <time.h>

#include "fsd/cached_contents.h"
#include "fsd/channel.h"
#include "fsd/filesystem.h"
#include "fsd/together.h"

// Open files. Opening and closing need no word with the server, but where locks were got: the kernel holds what it has open by the lookup count. Every write is at the server
// when it is acknowledged, so flush and fsync have nothing left to do (libfuse answers fsync ENOSYS, and the kernel no longer asks); it lasts as long as the server's memory does, as on a tmpfs.
//
// A mount that is alone answers open and flush ENOSYS: the kernel opens and closes by itself from then on, keeping what it has cached.

#define READ_PIECES 64

void ops_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	if (filesystem_of(request)->is_alone) {
		filesystem_reply(request, -ENOSYS);
		return;
	}
	file->fh = filesystem_next_file();
	filesystem_set_open_flags(file);
	file->keep_cache = cached_contents_open(ino, far_lane_epoch(filesystem_lane()));
	file->noflush = filesystem_of(request)->are_records_local; // a close ends no lock of ours then
	fuse_reply_open(request, file);
}

void ops_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	filesystem_release_locks(filesystem_of(request), ino, file);
	filesystem_reply(request, 0);
}

void ops_flush(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	const struct filesystem *filesystem = filesystem_of(request);

	filesystem_flush_locks(filesystem, ino, file);
	filesystem_reply(request, filesystem->is_alone ? -ENOSYS : 0);
}

void filesystem_reply_read(fuse_req_t request, fuse_ino_t ino, const struct fuse_file_info *file, ssize_t got, const char *bytes)
{
	const struct filesystem *filesystem = filesystem_of(request);

	if (got >= 0 && filesystem_has_lost_locks(filesystem, ino, file))
		got = -EIO;
	if (got < 0) {
		filesystem_reply(request, (int)got);
		return;
	}
	fuse_reply_buf(request, bytes, (size_t)got);
	filesystem_touch(filesystem, ino, file->flags);
}

// Where the pool is mapped the reply is copied from it straight into the kernel; elsewhere it passes through the thread's buffer, behind the page that holds
// the request.
void ops_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	const struct filesystem *filesystem = filesystem_of(request);
	struct far_lane *lane = filesystem_lane();
	char *buffer = channel_place();
	struct iovec pieces[READ_PIECES];
	int mapped = far_read_mapped(lane, ino, size, (uint64_t)offset, pieces, READ_PIECES);

	if (mapped > 0) {
		bool was_lost = filesystem_has_lost_locks(filesystem, ino, file);

		if (was_lost)
			filesystem_reply(request, -EIO);
		else
			fuse_reply_iov(request, pieces, mapped);
		far_read_mapped_end(lane);
		if (!was_lost)
			filesystem_touch(filesystem, ino, file->flags);
		return;
	}
	if (mapped == 0) {
		fuse_reply_buf(request, NULL, 0);
		filesystem_touch(filesystem, ino, file->flags);
		return;
	}
	if (mapped != -EOPNOTSUPP) {
		filesystem_reply(request, mapped);
		return;
	}
	if (size > CHANNEL_BUFFER - CHANNEL_PAGE)
		size = CHANNEL_BUFFER - CHANNEL_PAGE;
	if (together_read(request, ino, size, offset, file))
		return;
	filesystem_reply_read(request, ino, file, far_read(filesystem_lane(), ino, buffer, size, (uint64_t)offset), buffer);
}

// Whoever may not keep set-uid bits clears them by writing: the kernel says who, or else has done so itself but for what passes its cache.
static unsigned kill_flag(fuse_req_t request, const struct fuse_file_info *file)
{
	const struct fuse_write_in *in = (const struct fuse_write_in *)(channel_request() + 1);
	bool is_killing;

	if (channel_has_agreed(FUSE_HANDLE_KILLPRIV_V2))
		is_killing = in->write_flags & FUSE_WRITE_KILL_SUIDGID;
	else
		is_killing = (filesystem_is_log(file) || file->flags & O_DIRECT) && filesystem_kills_suidgid(request);
	return is_killing ? FAR_WRITE_KILL_SUIDGID : 0;
}

#define PREDECESSOR_NS 100000L // between two looks
#define PREDECESSOR_TRIES 10000

// A large asynchronous append past the cache comes as several requests at once. Each has the offset that it is to have behind those before it, which other threads are at: they go first. If that never
// comes about, another mount has cut the file.
static void await_predecessors(fuse_ino_t ino, off_t offset)
{
	const struct timespec nap = {.tv_nsec = PREDECESSOR_NS};
	struct far_attr attr;

	for (int i = 0; i < PREDECESSOR_TRIES; i++) {
		if (far_getattr(filesystem_lane(), ino, &attr) || (off_t)attr.size >= offset)
			return;
		nanosleep(&nap, NULL);
	}
}

// Pages written back from a mapping: the kernel takes all of them for written unless it is told of an error, so what was short goes on until there is one.
static ssize_t finish_pages(const struct far_write *write)
{
	ssize_t done = write->result;

	while (done >= 0 && (size_t)done < write->length) {
		ssize_t written = far_write(filesystem_lane(), write->id, (const char *)write->buffer + done, write->length - (size_t)done,
		        write->offset + (uint64_t)done, 0);

		done = written < 0 ? written : done + written;
	}
	return done;
}

// The session may have ended since the write began, which it found out.
void filesystem_reply_written(fuse_req_t request, const struct fuse_file_info *file, const struct far_write *write)
{
	const struct filesystem *filesystem = filesystem_of(request);
	ssize_t written = file->writepage ? finish_pages(write) : write->result;

	if (written >= 0 && filesystem_has_lost_locks(filesystem, write->id, file))
		written = -EIO;
	if (written < 0) {
		filesystem_reply(request, (int)written);
		return;
	}
	access_times_see_written(filesystem->access_times, write->id);
	fuse_reply_write(request, (size_t)written);
}

void ops_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, struct fuse_file_info *file)
{
	// The kernel's idea of the end of file may be older than another mount's append; pages written back from a mapping have their place, though.
	unsigned flags = file->flags & O_APPEND && !file->writepage ? FAR_WRITE_APPEND : 0;
	bool was_lost = filesystem_has_lost_locks(filesystem_of(request), ino, file);
	struct far_write write = {.id = ino, .buffer = bytes, .length = size, .offset = (uint64_t)offset};

	flags |= kill_flag(request, file);
	if (!flags && !was_lost && together_write(request, ino, bytes, size, offset, file))
		return;
	if (flags == FAR_WRITE_APPEND && file->flags & O_DIRECT && !was_lost && together_append(request, ino, bytes, size, offset, file))
		return;
	if (flags & FAR_WRITE_APPEND && file->flags & O_DIRECT && !was_lost)
		await_predecessors(ino, offset);
	write.result = was_lost ? -EIO : far_write(filesystem_lane(), ino, bytes, size, (uint64_t)offset, flags);
	if (flags & FAR_WRITE_KILL_SUIDGID)
		filesystem_settle_written(request, ino);
	filesystem_reply_written(request, file, &write);
}
