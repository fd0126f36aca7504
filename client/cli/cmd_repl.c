#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/interrupt.h"
#include "client/cli/line_editor.h"
#include "client/cli/report.h"
#include "client/cli/words.h"
#include "far/cleanup.h"

// far repl: commands from a terminal or a script, over one session. Each runs with a copy of `struct cli`, so that one that names another server gets a session of its
// own, which ends with it.

#define PROMPT "far> "
#define END (-2) // no exit status: the user wants to leave

struct repl {
	struct cli *cli;
	bool keeps_going;
	unsigned line; // its number
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct repl *repl = state->input;

	switch (key) {
	case 'k':
		repl->keeps_going = true;
		return 0;
	case ARGP_KEY_ARG:
		return report_usage(state->name, "%s: there are no arguments; commands are read from standard input", argument);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// --- one line ---

static int run_words(struct repl *repl, struct words *words)
{
	struct cli cli = *repl->cli;
	int status;
	int output;

	if (strcmp(words->words[0], "exit") == 0)
		return words->count == 1 ? END : (report("exit: there are no arguments"), CLI_USAGE);
	if (strcmp(words->words[0], "repl") == 0) {
		report("repl: you are in it; `exit' leaves");
		return CLI_USAGE;
	}
	status = command_run(&cli, words->count, words->words);
	output = finish_output();
	if (cli.session != repl->cli->session)
		far_close(cli.session);
	return status == CLI_OK ? output : status;
}

// Returns the exit status of the command, or END.
static int run_line(struct repl *repl, const char *line, size_t length)
{
	struct words words;
	int status = CLI_OK;
	int error = words_split(line, length, &words);

	if (error) {
		status = report_local("cannot read", "the line", -error);
	} else if (memchr(line, '\0', length)) {
		report("there is a zero byte in the line");
		status = CLI_USAGE;
	} else if (words.open_quote) {
		report("%s", words.open_quote == '\\' ? "there is nothing behind the last backslash" : "a quote is not closed");
		status = CLI_USAGE;
	} else if (words.count > 0) {
		status = run_words(repl, &words);
	}
	words_free(&words);
	return status;
}

// --- many ---

static void greet(const struct repl *repl)
{
	struct far_statistics statistics;

	far_statistics(repl->cli->session, &statistics);
	printf("%s (%s). `help' lists the commands, Ctrl-D leaves.\n", statistics.address, statistics.chosen_because);
}

static int run_terminal(struct repl *repl)
{
	struct line_editor *editor = line_editor_new(repl->cli, PROMPT);
	const char *line;
	int status = CLI_OK;

	if (!editor)
		return report("repl: this terminal cannot be edited on: look at $TERM");
	greet(repl);
	interrupt_catch(); // Ctrl-C ends a command, not the program
	while (status != END && (line = line_editor_read(editor)) != NULL) {
		CLEANUP(free) char *copy = strndup(line, strcspn(line, "\r\n"));

		if (!copy) {
			report_local("cannot read", "the line", ENOMEM);
			continue;
		}
		if (copy[strspn(copy, " \t")])
			line_editor_remember(editor, copy);
		interrupt_rearm();
		status = run_line(repl, copy, strlen(copy));
	}
	interrupt_release();
	line_editor_free(editor);
	return CLI_OK;
}

// Byte by byte, so that a command that reads standard input finds there what follows its line, as in a shell's script.
static int run_script(struct repl *repl)
{
	CLEANUP(free) char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int last = CLI_OK;

	setvbuf(stdin, NULL, _IONBF, 0);
	while ((length = getline(&line, &room, stdin)) >= 0) {
		int status;

		repl->line++;
		if (length > 0 && line[length - 1] == '\n')
			length--;
		status = run_line(repl, line, (size_t)length);
		if (status == END)
			return last;
		if (status == CLI_OK)
			continue;
		last = status;
		if (repl->keeps_going)
			continue;
		report("repl: line %u failed, the rest is left out; --keep-going would go on", repl->line);
		return last;
	}
	return ferror(stdin) ? report_local("cannot read", "standard input", errno) : last;
}

int cmd_repl(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"keep-going", 'k', NULL, 0, "Of a script: go on behind a command that failed", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .doc = "Read commands of far, a line each, and run them over one session. On a terminal lines can be edited, completed by "
	               "the "
	               "tab key, and called back. Words are quoted as in a shell."};
	struct repl repl = {.cli = cli};
	int status;

	status = command_parse(cli, &argp, argc, argv, &repl);
	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return run_script(&repl);
	setlocale(LC_CTYPE, "");
	return run_terminal(&repl);
}
