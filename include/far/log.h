// One line an event on stderr, journal-friendly: `<level> message key=value ...`. Implemented in fabric/log.c.
// Daemons log; libraries log at debug only. Thread-safe.
#ifndef FAR_LOG_H
#define FAR_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

// Sets the least important level that is still written. Starts at LOG_LEVEL_WARNING.
void log_set_level(enum log_level level);

// "error", "warning", "info" or "debug" to a level. Returns 0, or -EINVAL.
int log_parse_level(const char *text, enum log_level *level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
