// What the kernel speaks over /dev/fuse and older headers of it do not know: values and layouts of include/uapi/linux/fuse.h, protocols 7.39 (Linux 6.6) and 7.42 (Linux 6.14).
#ifndef FSD_FUSE_KERNEL_H
#define FSD_FUSE_KERNEL_H

#include <assert.h>
#include <linux/fuse.h>
#include <stdint.h>

#if FUSE_KERNEL_MINOR_VERSION < 39

enum { FUSE_STATX = 52 };

#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36)

struct fuse_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct fuse_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t spare0[1];
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct fuse_sx_time atime;
	struct fuse_sx_time btime;
	struct fuse_sx_time ctime;
	struct fuse_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t spare2[14];
};

struct fuse_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fuse_statx stat;
};

#endif

// Of `unique`: it is the INTERRUPT of the request without this bit.
#define FUSE_INT_REQ_BIT 1U

#if FUSE_KERNEL_MINOR_VERSION < 42

// FUSE over io_uring: protocol 7.42 (Linux 6.14).
#define FUSE_OVER_IO_URING (1ULL << 41)

struct fuse_uring_ent_in_out {
	uint64_t flags;
	uint64_t commit_id; // names the request when its answer is given back
	uint32_t payload_sz;
	uint32_t padding;
	uint64_t reserved;
};

// In an entry's first part: fuse_in_header or fuse_out_header, the operation's own struct, and sizes.
struct fuse_uring_req_header {
	char in_out[128];
	char op_in[128];
	struct fuse_uring_ent_in_out ring_ent_in_out;
};

enum fuse_uring_cmd { FUSE_IO_URING_CMD_INVALID = 0, FUSE_IO_URING_CMD_REGISTER = 1, FUSE_IO_URING_CMD_COMMIT_AND_FETCH = 2 };

// In the command area of a submission.
struct fuse_uring_cmd_req {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t qid;
	uint8_t padding[6];
};

#endif

static_assert(sizeof(struct fuse_uring_req_header) == 288, "the kernel's");
static_assert(sizeof(struct fuse_statx) == 256, "the kernel's");
static_assert(sizeof(struct fuse_statx_out) == 288, "the kernel's");

#endif
