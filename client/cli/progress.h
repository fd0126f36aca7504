// A progress line on stderr for transfers that take long: bytes, rate, time left. Shown only on a terminal, and only after the first second.
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on;
	bool is_shown;  // there is a line to wipe away
	uint64_t total; // bytes to come, 0 = unknown
	uint64_t done;
	uint64_t items; // files finished
	uint64_t started_ns;
	uint64_t shown_ns;
};

// `is_wanted` false, or no terminal: nothing is ever shown.
void progress_begin(struct progress *progress, bool is_wanted, uint64_t total);
void progress_add(struct progress *progress, uint64_t bytes);

// Wipes the line away, so that something else can be written; the next progress_add shows it again.
void progress_hide(struct progress *progress);

#endif
