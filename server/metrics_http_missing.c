#include <errno.h>
#include <stdio.h>

#include "server/metrics_http.h"

// Of a build without libmicrohttpd.

int metrics_http_start(const struct fabric_address *address, const struct metrics *metrics, struct metrics_http **http,
        struct fabric_address *bound, struct fabric_error *error)
{
	(void)address;
	(void)metrics;
	(void)http;
	(void)bound;
	snprintf(error->text, sizeof(error->text), "the metrics endpoint is not built in: build with -Dmetrics=enabled (libmicrohttpd)");
	return -EPROTONOSUPPORT;
}

void metrics_http_stop(struct metrics_http *http)
{
	(void)http;
}
