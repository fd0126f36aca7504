// A line of `far repl` as words, by the rules of a shell's quotes: blanks part words; '...' is taken as it is; in "..." a backslash quotes \, ", $ and `; elsewhere any
// byte; # begins a comment where a word could begin. Nothing is expanded.
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {
	char **words; // count of them, and NULL
	int count;
	char *bytes; // of all words
	// How the line ends: what is completed.
	size_t last_at;  // where in the line the last word begins; its length if none has begun
	char open_quote; // ' or " that is not closed, \ that quotes nothing, or 0
	bool is_inside;  // of the last word: no blank behind it
	bool is_comment; // the line ends in one
};

// Splits `length` bytes. A quote may be left open: see open_quote. Returns 0 or -ENOMEM; words_free in any case.
int words_split(const char *line, size_t length, struct words *words);
void words_free(struct words *words);

// The word as it is to be written: within quotes of this kind that are left open, or, if 0, by backslashes where needed. In new memory; NULL if there is none.
char *words_quote(const char *word, char open_quote);

#endif
