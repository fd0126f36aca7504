// Which open files of this mount have been used to lock, and by whom. The kernel tells when a process closes a file (FLUSH with its lock owner) and when a file is closed for good
// (RELEASE, with the owner of flock locks only); this is what turns that into unlocking what was locked, and nothing else: a close of a file without locks costs no word with the server.
//
// It also remembers in which of the server's sessions a lock was got. A session that ended took its locks with it, and what was protected by them may have been changed by others: the owner is
// refused (EIO) until it has closed the file, or unlocked all of it.
//
// Any thread; a mutex inside, which nobody takes while no file has been used to lock.
#ifndef FSD_LOCK_HOLDERS_H
#define FSD_LOCK_HOLDERS_H

#include <stdbool.h>
#include <stdint.h>

struct lock_holders;

struct lock_holder {
	uint64_t ino;
	uint64_t owner; // as the server knows it
	uint64_t file;  // the open file (fuse_file_info.fh)
	bool is_flock;
};

// NULL: no memory.
struct lock_holders *lock_holders_new(void);
void lock_holders_free(struct lock_holders *holders);

// Before it asks for a lock: remembers it, so that a close from now on unlocks; waits while the owner is being unlocked (lock_holders_release). `epoch`: of the session now. -EIO: it has lost locks; -ENOLCK: no memory.
int lock_holders_note(struct lock_holders *holders, const struct lock_holder *holder, uint64_t epoch);

// What it is told: it has got a lock (error 0), in the session of this epoch, or not. -EIO: it has lost others, which goes before any other error; -ENOLCK: closed meanwhile, and there is no
// memory to know it again.
int lock_holders_result(struct lock_holders *holders, const struct lock_holder *holder, int error, uint64_t epoch);

// It has unlocked all: forgets it, by whatever open file.
void lock_holders_unlock(struct lock_holders *holders, const struct lock_holder *holder);

// A process closes the file. True: it has to unlock its record locks of it, and is forgotten.
bool lock_holders_flush(struct lock_holders *holders, uint64_t ino, uint64_t owner, uint64_t file);

// The open file is closed for good. True: *owner has record locks by it alone, so they are the open file's own (F_OFD_SETLK): unlock them, and ask again. Until then others wait for it
// (lock_holders_is_ending), and so does lock_holders_note for the same owner, which may be another open file by now. False: nothing more to unlock but flock locks; forget it after that.
bool lock_holders_release(struct lock_holders *holders, uint64_t ino, uint64_t file, uint64_t *owner);
void lock_holders_forget(struct lock_holders *holders, uint64_t ino, uint64_t file);

// Whether a lock may be in the way that belongs to an open file which is being closed: the kernel tells of that end a moment after close() has returned.
bool lock_holders_is_ending(struct lock_holders *holders, const struct lock_holder *holder);

// For reads and writes, by the open file: whether locks got by it are lost. Costs a load or two unless some are.
bool lock_holders_has_lost(struct lock_holders *holders, uint64_t ino, uint64_t file, uint64_t epoch);

#endif
