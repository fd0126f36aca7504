#include "server/server.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "far/clock.h"
#include "server/eviction.h"
#include "server/expiry.h"
#include "server/metrics.h"
#include "server/object.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/session.h"
#include "server/space.h"
#include "server/watchers.h"

static int make_root(struct server *server)
{
	uint64_t offset = space_new_record(server, FAR_ROOT_ID, (struct far_span){"", 0}, 0);

	if (!offset)
		return -ENOSPC;
	server->root = record_at(server->pool, offset);
	server->root->mode = S_IFDIR | 0755;
	server->root->uid = geteuid();
	server->root->gid = getegid();
	server->root->nlink = 2;
	server->root->btime_ns = server_now(server);
	server->root->atime_ns = server->root->mtime_ns = server->root->ctime_ns = server->root->btime_ns;
	atomic_store_explicit(&server->root->version, 1, memory_order_relaxed);
	record_publish(server->root, FAR_RECORD_LIVE);
	atomic_store_explicit(&pool_header(server->pool)->root, offset, memory_order_release);
	return 0;
}

// A grant takes a bounded share of the pool: a few lanes with their first grants must not fill a small one.
static uint32_t grant_pages(uint64_t pool_bytes)
{
	uint64_t bytes = pool_bytes / 64;

	if (bytes > FAR_GRANT_SIZE)
		bytes = FAR_GRANT_SIZE;
	if (bytes < 64 << 10)
		bytes = 64 << 10;
	return (uint32_t)(bytes >> FAR_PAGE_SHIFT);
}

int server_open(const struct server_options *options, struct server **out, char *reason)
{
	struct server *server = calloc(1, sizeof(*server));
	struct reclaim_readers readers = {server, session_read_sections, session_is_section_over};
	int error = -ENOMEM;

	if (!server)
		return -ENOMEM;
	reason[0] = '\0';
	error = writer_init(&server->writer);
	if (error) {
		free(server);
		return error;
	}
	server->monotonic_ns = clock_now_ns;
	error = pool_open(&options->pool, &server->pool, reason);
	if (error)
		goto fail;
	server->zeros = mmap(NULL, SERVER_ZEROS_LENGTH, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (server->zeros == MAP_FAILED) {
		error = -errno;
		goto fail;
	}
	error = metrics_new(&server->metrics);
	if (!error)
		error = reclaim_new(server->pool, &readers, &server->reclaim);
	if (!error)
		error = index_new(server->pool, &server->index);
	if (!error)
		error = expiry_new(server, &server->expiry);
	if (!error && options->is_evicting)
		error = eviction_new(server);
	if (!error)
		error = watchers_new(&server->watchers);
	if (!error)
		error = make_root(server);
	if (!error)
		error = space_keep_reserve(server);
	if (error)
		goto fail;
	server->started_ns = clock_now_ns();
	server->grant_pages = grant_pages(pool_length(server->pool));
	server->message_size = options->message_size;
	server->eager_limit = options->eager_limit;
	server->probing = options->probing;
	if (server->eviction && server->probing == LOAD_PROBING_AUTO) // who finds a key by itself is not seen to use it
		server->probing = LOAD_PROBING_NEVER;
	server->locks.finished = session_waits_ended;
	*out = server;
	return 0;
fail:
	if (!reason[0])
		snprintf(reason, 256, "the pool's structures could not be set up");
	server_close(server);
	return error;
}

void server_close(struct server *server)
{
	if (!server)
		return;
	session_free_all(server);
	id_table_fini(&server->locks.files);
	id_table_fini(&server->links);
	id_table_fini(&server->windows);
	watchers_free(server->watchers);
	quota_free_all(server);
	eviction_free(server->eviction);
	expiry_free(server->expiry);
	if (server->index)
		index_free(server->index);
	if (server->reclaim)
		reclaim_free(server->reclaim);
	if (server->zeros && server->zeros != MAP_FAILED)
		munmap((void *)(uintptr_t)server->zeros, SERVER_ZEROS_LENGTH);
	if (server->pool)
		pool_close(server->pool);
	free(server->metrics);
	writer_fini(&server->writer);
	free(server);
}

int64_t server_now(struct server *server)
{
	struct timespec now;

	if (server->now_ns == 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		server->now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	}
	return server->now_ns;
}

void server_begin(struct server *server)
{
	server->now_ns = 0;
	server->monotonic_now_ns = 0;
	eviction_begin(server->eviction);
}

void server_set_busy(struct server *server, bool is_busy)
{
	uint32_t busy = is_busy ? ++server->busy_loops : --server->busy_loops;
	enum far_probing probing = busy == 0                                ? FAR_PROBING_NONE
	                           : server->probing == LOAD_PROBING_ALWAYS ? FAR_PROBING_ALL
	                                                                    : FAR_PROBING_FREE;

	if (server_probing(server) != probing)
		atomic_store_explicit(&pool_header(server->pool)->probing, probing, memory_order_relaxed);
}

enum far_probing server_probing(const struct server *server)
{
	return (enum far_probing)atomic_load_explicit(&pool_header(server->pool)->probing, memory_order_relaxed);
}

bool server_settle(struct server *server)
{
	bool is_waiting = reclaim_run(server->reclaim);

	if (server->reserve_page == 0) // nothing is evicted for it before a request needs it
		server->reserve_page = pool_pages_alloc(server->pool, SPACE_RESERVE_PAGES);
	return is_waiting;
}
