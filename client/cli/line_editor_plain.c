#include <stdio.h>
#include <stdlib.h>

#include "client/cli/line_editor.h"

// What the terminal itself can do: erase and kill.

struct line_editor {
	const char *prompt;
	char *line;
	size_t room;
};

struct line_editor *line_editor_new(struct cli *cli, const char *prompt)
{
	struct line_editor *editor = calloc(1, sizeof(*editor));

	(void)cli;
	if (editor)
		editor->prompt = prompt;
	return editor;
}

void line_editor_free(struct line_editor *editor)
{
	if (!editor)
		return;
	free(editor->line);
	free(editor);
}

const char *line_editor_read(struct line_editor *editor)
{
	fputs(editor->prompt, stdout);
	fflush(stdout);
	return getline(&editor->line, &editor->room, stdin) < 0 ? NULL : editor->line;
}

void line_editor_remember(struct line_editor *editor, const char *line)
{
	(void)editor;
	(void)line;
}
