// Metrics as Prometheus reads them: the text exposition format, version 0.0.4. Any thread may write them out.
#ifndef SERVER_EXPOSITION_H
#define SERVER_EXPOSITION_H

#include <stdio.h>

#include "server/metrics.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

// now_ns: monotonic.
void exposition_write(FILE *to, const struct metrics *metrics, uint64_t now_ns);

// Writes a label's value in its quotation marks: backslashes, quotation marks and line ends are escaped.
void exposition_label(FILE *to, const char *value);

#endif
