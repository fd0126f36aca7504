#include "server/metrics_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "far/clock.h"
#include "far/log.h"
#include "server/exposition.h"

#define CONNECTIONS_MAX 32U // scrapers: a few; the rest wait
#define CONNECTION_SECONDS 10U
#define CONNECTION_BYTES 16384U // of one request's header

struct metrics_http {
	const struct metrics *metrics;
	struct MHD_Daemon *daemon;
};

// Answers with `length` bytes, which are malloc's and become the library's.
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, char *text, size_t length)
{
	struct MHD_Response *response = text ? MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE) : NULL;
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO; // ends the connection
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return answer(connection, status, "text/plain; charset=utf-8", strdup(text), strlen(text));
}

static enum MHD_Result answer_metrics(const struct metrics_http *http, struct MHD_Connection *connection)
{
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		return MHD_NO;
	exposition_write(to, http->metrics, clock_now_ns());
	if (fclose(to)) {
		free(text);
		return MHD_NO;
	}
	return answer(connection, MHD_HTTP_OK, EXPOSITION_TYPE, text, length);
}

static enum MHD_Result answer_health(const struct metrics_http *http, struct MHD_Connection *connection)
{
	uint64_t age_ns = metrics_age_ns(http->metrics, clock_now_ns());
	char text[96];

	if (age_ns < METRICS_STUCK_NS)
		return answer_text(connection, MHD_HTTP_OK, "ok\n");
	snprintf(text, sizeof(text), "the server's loop has not turned for %.1f s\n", (double)age_ns * 1e-9);
	return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
        const char *upload, size_t *upload_length, void **request)
{
	static const char seen;
	const struct metrics_http *http = context;

	(void)version;
	(void)upload;
	if (!*request) { // the first call of a request: only its header is there
		*request = (void *)(uintptr_t)&seen;
		return MHD_YES;
	}
	if (*upload_length > 0) { // a body that nobody asked for
		*upload_length = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(path, "/metrics") == 0)
		return answer_metrics(http, connection);
	if (strcmp(path, "/healthz") == 0)
		return answer_health(http, connection);
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "there are /metrics and /healthz\n");
}

// What peers do wrong is theirs; it is told to who debugs.
static void take_log(void *context, const char *format, va_list arguments)
{
	char text[256];

	(void)context;
	vsnprintf(text, sizeof(text), format, arguments);
	log_debug("metrics endpoint: %s", text);
}

static struct MHD_Daemon *start_daemon(struct metrics_http *http, int fd)
{
	sigset_t all, before;
	struct MHD_Daemon *daemon;

	// Its thread takes no signals: they are the main thread's descriptor's.
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, http,
	        MHD_OPTION_EXTERNAL_LOGGER, take_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
	        MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
	        MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

int metrics_http_start(const struct fabric_address *address, const struct metrics *metrics, struct metrics_http **out,
        struct fabric_address *bound, struct fabric_error *error)
{
	struct metrics_http *http;
	int fd = fabric_listen_stream(address, bound, error);

	if (fd < 0)
		return fd;
	http = calloc(1, sizeof(*http));
	if (http) {
		http->metrics = metrics;
		http->daemon = start_daemon(http, fd);
	}
	if (!http || !http->daemon) {
		free(http);
		close(fd);
		snprintf(error->text, sizeof(error->text),
		        "the metrics endpoint could not be started: no memory, threads or descriptors left");
		return -ENOMEM;
	}
	*out = http;
	return 0;
}

void metrics_http_stop(struct metrics_http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon); // closes the socket, too
	free(http);
}
