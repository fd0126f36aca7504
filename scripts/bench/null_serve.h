// What the null file systems share: mounting and serving on far-fsd's own channel, telling the kernel the same at INIT.
#ifndef BENCH_NULL_SERVE_H
#define BENCH_NULL_SERVE_H

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

// Serves until the end of the mount or a signal, by rings or the classic way (NULL: by rings where there are any). Returns the program's exit status.
int null_serve(char *program, const char *directory, const char *way, const struct fuse_lowlevel_ops *operations);

#endif
