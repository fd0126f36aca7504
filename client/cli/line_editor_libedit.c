#include <histedit.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "client/cli/line_editor.h"
#include "client/cli/repl_complete.h"
#include "client/cli/repl_history.h"
#include "client/cli/report.h"
#include "client/cli/words.h"
#include "far/cleanup.h"

// By libedit (BSD licence). The terminal is in its own mode only while a line is read: commands find it as it was.

#define SHOWN_MAX 200 // completions in a list

struct line_editor {
	EditLine *edit;
	History *history;
	const char *prompt;
	struct cli *cli;
	bool has_failed; // to write the history: said once
};

static struct line_editor *editor_of(EditLine *edit)
{
	void *editor = NULL;

	el_get(edit, EL_CLIENTDATA, &editor);
	return editor;
}

static char *prompt_of(EditLine *edit)
{
	return (char *)editor_of(edit)->prompt;
}

// --- completion ---

// libedit deletes characters, not bytes.
static size_t count_characters(const char *bytes, size_t length)
{
	size_t characters = 0;

	for (size_t i = 0; i < length; i++)
		characters += ((unsigned char)bytes[i] & 0xc0) != 0x80;
	return characters;
}

// Puts a word in the place of what has been typed of it. A complete one that is no directory gets its quote closed, and a blank.
static unsigned char replace(EditLine *edit, const struct completions *completions, const char *word, bool is_complete)
{
	const LineInfo *info = el_line(edit);
	const char *typed = info->buffer + completions->at;
	CLEANUP(free) char *quoted = words_quote(word, completions->open_quote);
	CLEANUP(free) char *text = NULL;
	char end[3] = {0};
	size_t length = strlen(word);

	if (is_complete && length > 0 && word[length - 1] != '/' && word[length - 1] != '=')
		snprintf(end, sizeof(end), "%.1s ", completions->open_quote ? &completions->open_quote : "");
	if (completions->open_quote == '\0' && end[0])
		end[0] = ' ', end[1] = '\0';
	if (!quoted || asprintf(&text, "%s%s", quoted, end) < 0) {
		text = NULL;
		return CC_ERROR;
	}
	el_deletestr(edit, (int)count_characters(typed, (size_t)(info->cursor - typed)));
	return el_insertstr(edit, text) < 0 ? CC_REFRESH_BEEP : CC_REFRESH;
}

// What is shown of a key or a path: behind the slash that all have in common.
static size_t shown_from(const struct completions *completions)
{
	size_t from = completions->common;

	while (from > 0 && completions->words[0][from - 1] != '/')
		from--;
	return from;
}

static void show_all(const struct completions *completions)
{
	size_t from = shown_from(completions);
	size_t shown = completions->count < SHOWN_MAX ? completions->count : SHOWN_MAX;
	struct winsize size = {.ws_col = 80};
	size_t width = 1;
	size_t columns;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	for (size_t i = 0; i < shown; i++) {
		size_t length = count_characters(completions->words[i] + from, strlen(completions->words[i] + from)) + 2;

		width = length > width ? length : width;
	}
	columns = size.ws_col > width ? size.ws_col / width : 1;
	for (size_t i = 0; i < shown; i++) {
		const char *word = completions->words[i] + from;

		fputs(i % columns ? "" : "\n", stdout);
		fputs(word, stdout);
		printf("%*s", (int)(width - count_characters(word, strlen(word))), "");
	}
	if (shown < completions->count)
		printf("\n... and %zu more", completions->count - shown);
	putchar('\n');
	fflush(stdout);
}

static unsigned char complete(EditLine *edit, int character)
{
	const LineInfo *info = el_line(edit);
	struct line_editor *editor = editor_of(edit);
	CLEANUP(free) struct completions *completions = malloc(sizeof(*completions));
	CLEANUP(free) char *common = NULL;
	unsigned char result = CC_REFRESH_BEEP;

	(void)character;
	if (!completions)
		return CC_ERROR;
	completions_find(editor->cli, info->buffer, (size_t)(info->cursor - info->buffer), completions);
	common = completions->count ? strndup(completions->words[0], completions->common) : NULL;
	if (common && completions->count == 1) {
		result = replace(edit, completions, common, true);
	} else if (common) {
		size_t before = (size_t)(info->cursor - info->buffer);

		result = replace(edit, completions, common, false);
		info = el_line(edit);
		if ((size_t)(info->cursor - info->buffer) == before) {
			show_all(completions);
			result = CC_REDISPLAY;
		}
	}
	completions_free(completions);
	return result;
}

// Ctrl-C: the line is left, a new one begins.
static unsigned char leave_line(EditLine *edit, int character)
{
	const LineInfo *info = el_line(edit);

	(void)character;
	fputs("^C\n", stdout);
	fflush(stdout);
	el_cursor(edit, (int)count_characters(info->cursor, (size_t)(info->lastchar - info->cursor)));
	info = el_line(edit);
	el_deletestr(edit, (int)count_characters(info->buffer, (size_t)(info->lastchar - info->buffer)));
	return CC_REDISPLAY;
}

// libedit gives the terminal back meanwhile (EL_SIGNAL).
static unsigned char suspend(EditLine *edit, int character)
{
	(void)edit;
	(void)character;
	raise(SIGTSTP);
	return CC_REDISPLAY;
}

// --- history ---

static void take_line(void *context, const char *line)
{
	struct line_editor *editor = context;
	HistEvent event;

	if (*line)
		history(editor->history, &event, H_ENTER, line);
}

void line_editor_remember(struct line_editor *editor, const char *line)
{
	int error;

	take_line(editor, line);
	error = repl_history_add(line);
	if (error && !editor->has_failed)
		report_local("cannot write", "the history", -error);
	editor->has_failed |= error != 0;
}

// --- lines ---

const char *line_editor_read(struct line_editor *editor)
{
	const char *line;
	int length;

	el_set(editor->edit, EL_PREP_TERM, 1); // el_gets does so behind the prompt: keys typed at once would be lost
	line = el_gets(editor->edit, &length);

	if (!line || length <= 0) {
		putchar('\n'); // behind the prompt
		return NULL;
	}
	return line;
}

static void set_up(struct line_editor *editor)
{
	EditLine *edit = editor->edit;

	el_set(edit, EL_CLIENTDATA, editor);
	el_set(edit, EL_PROMPT, prompt_of);
	el_set(edit, EL_SIGNAL, 1); // a window that changes its size, and Ctrl-Z
	el_set(edit, EL_HIST, history, editor->history);
	el_set(edit, EL_EDITOR, "emacs");
	// Wide, for the narrow call copies the texts and never frees them.
	el_wset(edit, EL_ADDFN, L"far-complete", L"Complete a command, option, key or file", complete);
	el_wset(edit, EL_ADDFN, L"far-leave-line", L"Begin a new line", leave_line);
	el_wset(edit, EL_ADDFN, L"far-suspend", L"Stop, as other programs do by this key", suspend);
	el_source(edit, NULL); // ~/.editrc
	el_set(edit, EL_BIND, "^I", "far-complete", NULL);
	el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_set(edit, EL_BIND, "^C", "far-leave-line", NULL);
	el_set(edit, EL_BIND, "^Z", "far-suspend", NULL);
	el_set(edit, EL_SETTY, "-d", "-isig", NULL); // so that Ctrl-C comes as a key, not as a signal
}

struct line_editor *line_editor_new(struct cli *cli, const char *prompt)
{
	struct line_editor *editor = calloc(1, sizeof(*editor));
	HistEvent event;

	if (!editor)
		return NULL;
	editor->cli = cli;
	editor->prompt = prompt;
	editor->history = history_init();
	editor->edit = el_init("far", stdin, stdout, stderr);
	if (!editor->history || !editor->edit) {
		line_editor_free(editor);
		return NULL;
	}
	history(editor->history, &event, H_SETSIZE, REPL_HISTORY_LINES);
	history(editor->history, &event, H_SETUNIQUE, 1);
	set_up(editor);
	repl_history_load(take_line, editor);
	return editor;
}

void line_editor_free(struct line_editor *editor)
{
	if (!editor)
		return;
	if (editor->edit)
		el_end(editor->edit);
	if (editor->history)
		history_end(editor->history);
	free(editor);
}
