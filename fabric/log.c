#include "far/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A line is put together here and leaves by one write(2): lines of threads and processes that share stderr do not mix.
// Under systemd ($JOURNAL_STREAM) the line begins with the priority that the journal reads and takes off.

#define LOG_LINE_MAX 1024

static const struct {
	const char *name;
	char priority; // of syslog(3)
} log_levels[] = {
        [LOG_LEVEL_ERROR] = {"error", '3'},
        [LOG_LEVEL_WARNING] = {"warning", '4'},
        [LOG_LEVEL_INFO] = {"info", '6'},
        [LOG_LEVEL_DEBUG] = {"debug", '7'},
};

#define LOG_LEVELS (sizeof(log_levels) / sizeof(log_levels[0]))

static atomic_uint log_limit = LOG_LEVEL_WARNING;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_limit, level, memory_order_relaxed); // a level change orders nothing else
}

int log_parse_level(const char *text, enum log_level *level)
{
	for (unsigned i = 0; i < LOG_LEVELS; i++) {
		if (strcmp(text, log_levels[i].name) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_write(enum log_level level, const char *format, ...)
{
	int saved_errno = errno;
	char line[LOG_LINE_MAX];
	size_t length = 0;
	va_list arguments;
	int printed;

	if (level > atomic_load_explicit(&log_limit, memory_order_relaxed))
		return;
	if (getenv("JOURNAL_STREAM"))
		length += (size_t)snprintf(line, sizeof(line), "<%c>", log_levels[level].priority);
	length += (size_t)snprintf(line + length, sizeof(line) - length, "%s ", log_levels[level].name);
	va_start(arguments, format);
	printed = vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);
	va_end(arguments);
	if (printed > 0)
		length += (size_t)printed;
	if (length > sizeof(line) - 2) // cut: the end mark keeps its place
		length = sizeof(line) - 2;
	for (size_t i = 0; i < length; i++) // one line an event, whatever a name contains
		if (line[i] == '\n')
			line[i] = ' ';
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0) {
		// Nowhere left to report it.
	}
	errno = saved_errno;
}
