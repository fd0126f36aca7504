#include "client/cli/report.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/utf8.h"

// Keys and file names are bytes of others: on a terminal they must not be able to move the cursor, and in a message not to begin a second line.

// U+0080..U+009F are control characters too.
static bool is_shown_as_it_is(const char *bytes, size_t length)
{
	unsigned char first = (unsigned char)bytes[0];

	if (length == 1)
		return first >= 0x20 && first != 0x7f && first != '\\';
	return length > 2 || (length == 2 && (first != 0xc2 || (unsigned char)bytes[1] >= 0xa0));
}

void print_escaped(FILE *to, const char *bytes, size_t length)
{
	while (length > 0) {
		size_t character = utf8_length(bytes, length);
		size_t step = character ? character : 1;

		if (is_shown_as_it_is(bytes, character))
			fwrite(bytes, 1, step, to);
		else
			for (size_t i = 0; i < step; i++)
				fprintf(to, "\\x%02x", (unsigned char)bytes[i]);
		bytes += step;
		length -= step;
	}
}

void print_key(FILE *to, const char *bytes, size_t length)
{
	static int is_terminal = -1;

	if (is_terminal < 0)
		is_terminal = isatty(fileno(to));
	if (is_terminal)
		print_escaped(to, bytes, length);
	else
		fwrite(bytes, 1, length, to);
}

static void print_line(const char *program, const char *format, va_list arguments)
{
	char text[8192]; // two keys at their longest

	vsnprintf(text, sizeof(text), format, arguments);
	fprintf(stderr, "%s: ", program);
	print_escaped(stderr, text, strlen(text));
	fputc('\n', stderr);
}

int report(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line("far", format, arguments);
	va_end(arguments);
	return CLI_FAILURE;
}

int report_usage(const char *program, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line(program, format, arguments);
	va_end(arguments);
	return EINVAL;
}

int report_error(int error)
{
	const char *text = far_last_error();

	report("%s", text[0] ? text : far_strerror(error));
	if (error == -ENOENT)
		return CLI_NOT_FOUND;
	return error == -ECANCELED ? CLI_OTHER_VERSION : CLI_FAILURE;
}

int report_local(const char *what, const char *name, int error_number)
{
	return report("%s %s: %s", what, name, strerror(error_number));
}

int report_output(int error_number)
{
	if (error_number == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	return report_local("cannot write to", "standard output", error_number);
}

int finish_output(void)
{
	if (!ferror(stdout) && fflush(stdout) == 0)
		return CLI_OK;
	return report_output(errno);
}
