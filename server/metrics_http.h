// The metrics endpoint: HTTP by libmicrohttpd, on a thread of its own that only reads what metrics.h lets any thread read. /metrics for Prometheus, /healthz.
// metrics_http_missing.c stands in for it where the library is not built in.
#ifndef SERVER_METRICS_HTTP_H
#define SERVER_METRICS_HTTP_H

#include "fabric/fabric.h"
#include "server/metrics.h"

struct metrics_http;

// Listens there, and answers from now on until metrics_http_stop. *bound gets the address with the port chosen. An errno with the text of what is wrong.
int metrics_http_start(const struct fabric_address *address, const struct metrics *metrics, struct metrics_http **http,
        struct fabric_address *bound, struct fabric_error *error);

// metrics_http_stop(NULL) does nothing.
void metrics_http_stop(struct metrics_http *http);

#endif
