#include "client/cli/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"
#define QUOTED_ALONE " \t'\"\\#$&;|<>()*?[]!`~{}" // what people quote in a shell stays quoted here

struct splitting {
	struct words *words;
	const char *line;
	size_t length;
	size_t at;
	char *to; // in words->bytes
};

// Inside of quotes. Stops behind the closing one, or at the end.
static void take_quoted(struct splitting *splitting, char quote)
{
	splitting->words->open_quote = quote;
	while (splitting->at < splitting->length) {
		char byte = splitting->line[splitting->at++];

		if (byte == quote) {
			splitting->words->open_quote = '\0';
			return;
		}
		if (byte == '\\' && quote == '"' && splitting->at < splitting->length && strchr("\\\"$`", splitting->line[splitting->at]))
			byte = splitting->line[splitting->at++];
		*splitting->to++ = byte;
	}
}

// From its first byte to a blank or the end.
static void take_word(struct splitting *splitting)
{
	struct words *words = splitting->words;

	words->last_at = splitting->at;
	words->words[words->count++] = splitting->to;
	while (splitting->at < splitting->length && !strchr(BLANKS, splitting->line[splitting->at])) {
		char byte = splitting->line[splitting->at++];

		if (byte == '\'' || byte == '"')
			take_quoted(splitting, byte);
		else if (byte != '\\')
			*splitting->to++ = byte;
		else if (splitting->at < splitting->length)
			*splitting->to++ = splitting->line[splitting->at++];
		else
			words->open_quote = '\\';
	}
	*splitting->to++ = '\0';
	words->is_inside = splitting->at == splitting->length;
}

int words_split(const char *line, size_t length, struct words *words)
{
	struct splitting splitting = {.words = words, .line = line, .length = length};

	*words = (struct words){.last_at = length};
	words->words = calloc(length / 2 + 2, sizeof(words->words[0]));
	words->bytes = malloc(2 * length + 1);
	splitting.to = words->bytes;
	if (!words->words || !words->bytes)
		return -ENOMEM;
	for (;;) {
		while (splitting.at < length && strchr(BLANKS, line[splitting.at]))
			splitting.at++;
		words->is_comment = splitting.at < length && line[splitting.at] == '#';
		if (splitting.at == length || words->is_comment)
			break;
		take_word(&splitting);
	}
	if (!words->is_inside)
		words->last_at = length;
	return 0;
}

void words_free(struct words *words)
{
	free(words->words);
	free(words->bytes);
	*words = (struct words){0};
}

static char *add_quoted(char *to, char byte, char open_quote)
{
	if (open_quote == '\'' && byte == '\'')
		return stpcpy(to, "'\\''");
	if (open_quote == '"' ? strchr("\\\"$`", byte) != NULL : open_quote != '\'' && strchr(QUOTED_ALONE, byte) != NULL)
		*to++ = '\\';
	*to++ = byte;
	return to;
}

char *words_quote(const char *word, char open_quote)
{
	char *quoted = malloc(4 * strlen(word) + 2);
	char *to = quoted;

	if (!quoted)
		return NULL;
	if (open_quote == '\'' || open_quote == '"')
		*to++ = open_quote;
	while (*word)
		to = add_quoted(to, *word++, open_quote);
	*to = '\0';
	return quoted;
}
