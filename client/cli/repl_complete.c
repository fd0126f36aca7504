#include "client/cli/repl_complete.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/key.h"
#include "client/cli/utf8.h"
#include "client/cli/words.h"
#include "far/cleanup.h"

// A command is asked for its table of options and what its arguments are called (command_reveal): nothing about single commands is here.

// --- collecting ---

// What a terminal cannot show or a line cannot hold is left out.
static bool can_be_typed(const char *word, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)word[i] < 0x20 || word[i] == 0x7f)
			return false;
	return utf8_is_valid(word, length);
}

// Takes the word if it begins with what has been typed. `end` is put behind it.
static void add(struct completions *completions, const char *typed, const char *word, const char *end)
{
	char *copy;

	if (strncmp(word, typed, strlen(typed)) != 0 || !can_be_typed(word, strlen(word)) || completions->count == COMPLETIONS_MAX)
		return;
	if (asprintf(&copy, "%s%s", word, end) >= 0)
		completions->words[completions->count++] = copy;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_common(struct completions *completions)
{
	const char *first = completions->count ? completions->words[0] : "";

	completions->common = strlen(first);
	for (size_t i = 1; i < completions->count; i++) {
		size_t same = 0;

		while (same < completions->common && completions->words[i][same] == first[same])
			same++;
		completions->common = same;
	}
	while (completions->common > 0 && ((unsigned char)first[completions->common] & 0xc0) == 0x80) // not within a character
		completions->common--;
	if (completions->count > 1)
		qsort(completions->words, completions->count, sizeof(completions->words[0]), compare);
}

// --- of each kind ---

static void add_commands(struct completions *completions, const char *typed)
{
	for (const struct command *command = commands; command->name; command++)
		add(completions, typed, command->name, "");
	add(completions, typed, "exit", "");
}

static void add_options(struct completions *completions, const char *typed, const struct argp_option *options)
{
	for (; options->name; options++) {
		char word[64];

		snprintf(word, sizeof(word), "--%s", options->name);
		add(completions, typed, word, options->arg ? "=" : "");
	}
}

static void cleanup_list(far_list **list)
{
	far_list_close(*list);
}

static void add_keys(struct cli *cli, struct completions *completions, const char *typed)
{
	size_t slashes = strspn(typed, "/");
	CLEANUP(list) far_list *list = NULL;
	struct far_list_entry entry;

	if (far_list_open(cli->session, typed + slashes, strlen(typed + slashes), 0, NULL, &list))
		return;
	while (completions->count < COMPLETIONS_MAX && far_list_next(list, &entry) == 1) {
		CLEANUP(free) char *word = NULL;

		if (asprintf(&word, "%.*s%s", (int)slashes, typed, entry.key) < 0)
			word = NULL;
		if (word)
			add(completions, typed, word, S_ISDIR(entry.stat.mode) ? "/" : "");
	}
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void add_files(struct completions *completions, const char *typed)
{
	const char *slash = strrchr(typed, '/');
	int folder_length = slash ? (int)(slash + 1 - typed) : 0;
	CLEANUP(free) char *folder = strndup(typed, (size_t)folder_length);
	CLEANUP(dir) DIR *dir = folder ? opendir(folder_length ? folder : ".") : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		CLEANUP(free) char *word = NULL;
		struct stat stat_;

		if (entry->d_name[0] == '.' && typed[folder_length] != '.')
			continue;
		if (asprintf(&word, "%s%s", folder, entry->d_name) < 0)
			word = NULL;
		if (word)
			add(completions, typed, word, stat(word, &stat_) == 0 && S_ISDIR(stat_.st_mode) ? "/" : "");
	}
}

// --- which kind ---

// What the help calls the number-th argument, from the first line of how the command is used: "KEY [FILE]", "KEY...".
static const char *name_of_argument(const char *usage, int number, char name[32])
{
	const char *end = usage + strcspn(usage, "\n");
	bool goes_on = false; // and so on with all that follow
	size_t length;

	name[0] = '\0';
	while (usage < end && number >= 0) {
		usage += strspn(usage, "[ ");
		length = strcspn(usage, "] .\n");
		if (length == 0 || length >= 32)
			break;
		memcpy(name, usage, length);
		name[length] = '\0';
		goes_on = usage[length] == '.';
		if (goes_on)
			break;
		usage += length;
		usage += strspn(usage, "] ");
		number--;
	}
	if (number >= 0 && !goes_on)
		name[0] = '\0';
	return name;
}

static void add_argument(struct cli *cli, struct completions *completions, const char *typed, const char *name)
{
	if (strcmp(name, "KEY") == 0 || strcmp(name, "FROM") == 0 || strcmp(name, "TO") == 0)
		add_keys(cli, completions, typed);
	else if (strcmp(name, "FILE") == 0 || strcmp(name, "DIRECTORY") == 0)
		add_files(completions, typed);
	else if (strcmp(name, "COMMAND") == 0)
		add_commands(completions, typed);
}

static void add_of_command(struct cli *cli, struct completions *completions, const struct words *words, const char *typed)
{
	const struct argp *argp = command_reveal(words->words[0]);
	int last = words->is_inside ? words->count - 1 : words->count;
	int number = 0;
	char name[32];

	if (!argp)
		return;
	if (typed[0] == '-' && argp->options)
		add_options(completions, typed, argp->options);
	if (typed[0] == '-')
		add(completions, typed, "--help", "");
	if (typed[0] == '-' || !argp->args_doc)
		return;
	for (int i = 1; i < last; i++)
		number += words->words[i][0] != '-' || words->words[i][1] == '\0';
	add_argument(cli, completions, typed, name_of_argument(argp->args_doc, number, name));
}

void completions_find(struct cli *cli, const char *line, size_t length, struct completions *completions)
{
	struct words words;

	*completions = (struct completions){0};
	if (words_split(line, length, &words) == 0 && !words.is_comment && words.open_quote != '\\') {
		const char *typed = words.is_inside ? words.words[words.count - 1] : "";

		completions->at = words.last_at;
		completions->open_quote = words.open_quote;
		if (words.count == 0 || (words.count == 1 && words.is_inside))
			add_commands(completions, typed);
		else
			add_of_command(cli, completions, &words, typed);
	}
	words_free(&words);
	find_common(completions);
}

void completions_free(struct completions *completions)
{
	for (size_t i = 0; i < completions->count; i++)
		free(completions->words[i]);
	completions->count = 0;
}
