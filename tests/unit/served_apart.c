#include "served_apart.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "far/log.h"
#include "server/loop.h"
#include "testing.h"

static void must(bool is_right, const char *what, const char *why)
{
	if (is_right)
		return;
	fprintf(stderr, "served_apart: %s: %s\n", what, why);
	_exit(1);
}

void served_apart_listens(const struct fabric_address *bound, int ready)
{
	char text[384] = "";

	fabric_address_format(bound, text);
	must(write(ready, text, sizeof(text)) == sizeof(text), "ready", "nobody reads");
	close(ready);
}

// far-server's own loop, with one I/O thread that never stops by itself.
static void serve(const struct served_apart *apart, const struct fabric_address *address, int ready)
{
	struct server_options options = {
	        .pool = {.length = apart->pool_bytes, .hugepages = POOL_HUGEPAGES_NEVER, .is_shared = true},
	        .message_size = FAR_MESSAGE_SIZE_DEFAULT,
	};
	struct fabric_error error = {""};
	struct fabric_address bound;
	struct server *server;
	char reason[256] = "";
	struct loop *loop;

	must(server_open(&options, &server, reason) == 0, "pool", reason);
	must(loop_new(server, 0, &loop) == 0, "loop", "no memory");
	must(loop_listen(loop, address, &bound, &error) == 0, apart->address, error.text);
	served_apart_listens(&bound, ready);
	loop_run(loop, eventfd(0, EFD_CLOEXEC));
}

static _Noreturn void run(const struct served_apart *apart, int ready)
{
	struct fabric_error error = {""};
	struct fabric_address address;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	must(fabric_address_parse(apart->address, &address, &error) == 0, apart->address, error.text);
	apart->serve(apart, &address, ready);
	_exit(1);
}

void served_apart_start_again(struct served_apart *apart)
{
	char text[384];
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	apart->pid = fork();
	assert_true(apart->pid >= 0);
	if (apart->pid == 0) {
		close(ready[0]);
		run(apart, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], text, sizeof(text)), sizeof(text));
	close(ready[0]);
	strcpy(apart->address, text); // with the port that was chosen
}

static void start(struct served_apart *apart, const char *provider)
{
	assert_non_null(mkdtemp(apart->folder));
	if (strcmp(provider, "shm") == 0)
		snprintf(apart->address, sizeof(apart->address), "shm://%s/server.sock", apart->folder);
	else
		snprintf(apart->address, sizeof(apart->address), "%s://127.0.0.1:0", provider);
	served_apart_start_again(apart);
}

#define FOLDER "/tmp/farfs-apart-XXXXXX"

void served_apart_start(struct served_apart *apart, const char *provider, uint64_t pool_bytes)
{
	*apart = (struct served_apart){.serve = serve, .pool_bytes = pool_bytes, .folder = FOLDER};
	start(apart, provider);
}

void served_apart_start_by(struct served_apart *apart, const char *provider, served_apart_serve *by)
{
	*apart = (struct served_apart){.serve = by, .folder = FOLDER};
	start(apart, provider);
}

void served_apart_hold(struct served_apart *apart)
{
	int status;

	assert_int_equal(kill(apart->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(apart->pid, &status, WUNTRACED), apart->pid);
	assert_true(WIFSTOPPED(status));
}

void served_apart_go_on(struct served_apart *apart)
{
	assert_int_equal(kill(apart->pid, SIGCONT), 0);
}

void served_apart_kill(struct served_apart *apart)
{
	if (apart->pid <= 0)
		return;
	kill(apart->pid, SIGKILL);
	waitpid(apart->pid, NULL, 0);
	apart->pid = 0;
}

void served_apart_end(struct served_apart *apart)
{
	served_apart_kill(apart);
	if (strncmp(apart->address, "shm://", 6) == 0)
		unlink(apart->address + 6);
	rmdir(apart->folder);
}
