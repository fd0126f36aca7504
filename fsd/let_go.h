// Files that only the kernel's cache of names keeps. The kernel knows each file that was ever looked at until it wants the memory for something else, and what it knows the mount holds: a server that evicts could not. So where it asks
// for files back, the kernel is told to forget their names; what is not open is then given back by its FORGETs, and what is open stays as it is, and is found again by its name. One thread with a lane of its own; it begins to work, and to connect,
// when the server asks for the first time, and asks once a second from then on.
#ifndef FSD_LET_GO_H
#define FSD_LET_GO_H

#include "fsd/filesystem.h"

struct let_go;

// `fuse` is where the mount's kernel is. NULL: no memory, no descriptor or no thread; the mount works without.
struct let_go *let_go_begin(far_session *session, struct fuse_session *fuse);

// Before the mount's channel ends. NULL does nothing.
void let_go_end(struct let_go *let_go);

#endif
