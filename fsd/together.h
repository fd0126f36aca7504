// Reads and writes that came together travel together: where the channel takes many requests at once, those that the server's memory is far for are begun one behind the other and waited for once.
#ifndef FSD_TOGETHER_H
#define FSD_TOGETHER_H

#include "fsd/filesystem.h"

// True: it is put off until together_finish. False: there is nothing to travel with, so it is to be done now.
bool together_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, const struct fuse_file_info *file);
bool together_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, const struct fuse_file_info *file);

// A large asynchronous append past the cache comes as several requests at once, in any order by a ring: each is done when those before it are. False: this channel brings them one by one to each thread, so the caller
// may wait.
bool together_append(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, const struct fuse_file_info *file);

// Does and answers what the calling thread has put off (channel_hooks.finish).
void together_finish(void);

#endif
