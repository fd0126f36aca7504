// Messages on stderr: one line each, control bytes of names and keys escaped, with the exit status that belongs to a failure.
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stddef.h>
#include <stdio.h>

// Says why a call of libfar failed. Returns the exit status for the code.
int report_error(int error);

// Says that something of this machine failed: `far: what name: text of error_number`. Returns CLI_FAILURE.
int report_local(const char *what, const char *name, int error_number);

// Says anything else. Returns CLI_FAILURE.
int report(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Says what is wrong with the arguments of `program` ("far ls"), and what they must be. Returns EINVAL, which an argp parser returns at once: command_parse makes CLI_USAGE of it.
int report_usage(const char *program, const char *format, ...) __attribute__((format(printf, 2, 3), warn_unused_result));

// Writes bytes with control bytes, backslashes and what is not UTF-8 as \xNN.
void print_escaped(FILE *to, const char *bytes, size_t length);

// Writes a key for people on a terminal (escaped) or for programs (as it is).
void print_key(FILE *to, const char *bytes, size_t length);

// Ends standard output. Returns CLI_OK, or CLI_FAILURE if something could not be written; a reader that has gone ends the program as SIGPIPE would.
int finish_output(void);

// The same for a write that failed just now.
int report_output(int error_number);

#endif
