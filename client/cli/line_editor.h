// Lines from a terminal, with editing, history and completion if the program was built with libedit (line_editor_libedit.c), else without (line_editor_plain.c).
#ifndef CLI_LINE_EDITOR_H
#define CLI_LINE_EDITOR_H

#include "client/cli/command.h"

struct line_editor;

// `cli`, whose session answers for keys, is borrowed. NULL without memory or without a terminal that can be edited on.
struct line_editor *line_editor_new(struct cli *cli, const char *prompt);
void line_editor_free(struct line_editor *editor);

// The next line, its end included; valid until the next call. NULL at the end of input.
const char *line_editor_read(struct line_editor *editor);

// Remembers a line, now and for later runs.
void line_editor_remember(struct line_editor *editor, const char *line);

#endif
