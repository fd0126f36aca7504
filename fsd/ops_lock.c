#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "fsd/filesystem.h"
#include "fsd/lock_holders.h"
#include "fsd/lock_waits.h"

// Advisory locks, kept by the server for all mounts. Record locks belong to a process (the kernel's number of its descriptor table), locks by F_OFD_SETLK and flock locks to an open file. F_OFD_SETLK
// comes here as F_SETLK with another kind of owner: that it is one shows when the open file ends before its owner has closed it (lock_holders.h).

static uint64_t owner_of(const struct fuse_file_info *file)
{
	return file->lock_owner ? file->lock_owner : 1; // the server knows no owner 0
}

// Of flock locks: the open file by our number. The kernel's may be another file's again before its RELEASE has come.
static uint64_t flock_owner_of(const struct fuse_file_info *file)
{
	return file->fh;
}

static struct lock_holder holder_of(fuse_ino_t ino, const struct fuse_file_info *file, bool is_flock)
{
	uint64_t owner = is_flock ? flock_owner_of(file) : owner_of(file);

	return (struct lock_holder){.ino = ino, .owner = owner, .file = file->fh, .is_flock = is_flock};
}

static struct far_lock record_of(fuse_ino_t ino, const struct fuse_file_info *file, const struct flock *range)
{
	return (struct far_lock){
	        .id = ino,
	        .owner = owner_of(file),
	        .start = (uint64_t)range->l_start,
	        .end = range->l_len ? (uint64_t)range->l_start + (uint64_t)range->l_len - 1 : FAR_LOCK_END,
	        .pid = (uint32_t)range->l_pid,
	        .is_exclusive = range->l_type == F_WRLCK,
	};
}

static void unlock(fuse_req_t request, const struct far_lock *lock, const struct lock_holder *holder)
{
	struct lock_holders *holders = filesystem_of(request)->lock_holders;

	if (lock->start == 0 && lock->end == FAR_LOCK_END)
		lock_holders_unlock(holders, holder);
	filesystem_reply(request, far_lock_clear(filesystem_lane(), lock));
}

// What is refused only because of an open file that is being closed is had in a moment: asked for once more, with patience.
static void try_lock(fuse_req_t request, struct lock_wait *wait)
{
	const struct filesystem *filesystem = filesystem_of(request);
	struct far_lane *lane = filesystem_lane();
	bool is_ending = lock_holders_is_ending(filesystem->lock_holders, &wait->holder); // before: then it may have ended
	int error = far_lock_set(lane, &wait->lock);

	if (error == -EAGAIN && is_ending) {
		wait->is_trial = true;
		lock_waits_ask(filesystem->lock_waits, lane, wait);
		return;
	}
	filesystem_reply(request, lock_holders_result(filesystem->lock_holders, &wait->holder, error, far_lane_epoch(lane)));
}

static void lock(fuse_req_t request, struct lock_wait *wait, bool is_waiting)
{
	const struct filesystem *filesystem = filesystem_of(request);
	int error = lock_holders_note(filesystem->lock_holders, &wait->holder, far_session_epoch(filesystem->session));

	if (error)
		filesystem_reply(request, error);
	else if (is_waiting)
		lock_waits_ask(filesystem->lock_waits, filesystem_lane(), wait);
	else
		try_lock(request, wait);
}

void ops_getlk(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file, struct flock *range)
{
	struct far_lock wanted = record_of(ino, file, range), found;
	struct flock answer = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	int taken = far_lock_test(filesystem_lane(), &wanted, &found);

	if (taken < 0) {
		filesystem_reply(request, taken);
		return;
	}
	if (taken) {
		answer.l_type = found.is_exclusive ? F_WRLCK : F_RDLCK;
		answer.l_start = (off_t)found.start;
		answer.l_len = found.end == FAR_LOCK_END ? 0 : (off_t)(found.end - found.start + 1);
		answer.l_pid = (pid_t)found.pid;
	}
	fuse_reply_lock(request, &answer);
}

void ops_setlk(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file, struct flock *range, int is_waiting)
{
	struct lock_wait wait = {.request = request, .lock = record_of(ino, file, range), .holder = holder_of(ino, file, false)};

	if (range->l_type == F_UNLCK)
		unlock(request, &wait.lock, &wait.holder);
	else
		lock(request, &wait, is_waiting);
}

void ops_flock(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file, int how)
{
	struct lock_wait wait = {.request = request, .holder = holder_of(ino, file, true)};

	wait.lock = (struct far_lock){.id = ino, .owner = flock_owner_of(file), .end = FAR_LOCK_END, .is_flock = true};
	wait.lock.is_exclusive = (how & ~LOCK_NB) == LOCK_EX;
	if ((how & ~LOCK_NB) == LOCK_UN)
		unlock(request, &wait.lock, &wait.holder);
	else
		lock(request, &wait, !(how & LOCK_NB));
}

// --- closing ---

static int unlock_all(fuse_ino_t ino, uint64_t owner, bool is_flock)
{
	struct far_lock whole = {.id = ino, .owner = owner, .end = FAR_LOCK_END, .is_flock = is_flock};

	return far_lock_clear(filesystem_lane(), &whole);
}

// Locks of a server that cannot be reached are gone, or will be with the session: that is no error of close().
void filesystem_flush_locks(const struct filesystem *filesystem, fuse_ino_t ino, const struct fuse_file_info *file)
{
	if (lock_holders_flush(filesystem->lock_holders, ino, owner_of(file), file->fh))
		unlock_all(ino, owner_of(file), false);
}

void filesystem_release_locks(const struct filesystem *filesystem, fuse_ino_t ino, const struct fuse_file_info *file)
{
	uint64_t owner = 0;

	while (lock_holders_release(filesystem->lock_holders, ino, file->fh, &owner))
		unlock_all(ino, owner, false);
	if (file->flock_release)
		unlock_all(ino, flock_owner_of(file), true);
	lock_holders_forget(filesystem->lock_holders, ino, file->fh);
}

bool filesystem_has_lost_locks(const struct filesystem *filesystem, fuse_ino_t ino, const struct fuse_file_info *file)
{
	return lock_holders_has_lost(filesystem->lock_holders, ino, file->fh, far_session_epoch(filesystem->session));
}
