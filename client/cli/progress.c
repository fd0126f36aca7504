#include "client/cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/number.h"
#include "far/clock.h"

#define FIRST_NS 1000000000U // what is done sooner needs no line
#define EVERY_NS 100000000U

void progress_begin(struct progress *progress, bool is_wanted, uint64_t total)
{
	*progress = (struct progress){.is_on = is_wanted && isatty(STDERR_FILENO), .total = total};
	if (!progress->is_on)
		return;
	progress->started_ns = clock_now_ns();
	progress->shown_ns = progress->started_ns + FIRST_NS - EVERY_NS;
}

static void format_left(const struct progress *progress, double per_second, char text[48])
{
	uint64_t seconds;

	text[0] = '\0';
	if (progress->total <= progress->done || per_second < 1)
		return;
	seconds = (uint64_t)((double)(progress->total - progress->done) / per_second);
	if (seconds >= 3600)
		snprintf(text, 48, "  %llu:%02u:%02u left", (unsigned long long)(seconds / 3600), (unsigned)(seconds / 60 % 60),
		        (unsigned)(seconds % 60));
	else
		snprintf(text, 48, "  %u:%02u left", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
}

static void show(struct progress *progress, uint64_t now)
{
	double per_second = (double)progress->done * 1e9 / (double)(now - progress->started_ns);
	char done[32];
	char total[32];
	char rate[32];
	char left[48];

	size_format(progress->done, true, done);
	size_format((uint64_t)per_second, true, rate);
	format_left(progress, per_second, left);
	if (progress->total > 0) {
		uint64_t percent =
		        progress->done >= progress->total ? 100 : (uint64_t)(100.0 * (double)progress->done / (double)progress->total);

		size_format(progress->total, true, total);
		fprintf(stderr, "\r%3u%%  %s of %s", (unsigned)percent, done, total);
	} else {
		fprintf(stderr, "\r%s", done);
	}
	if (progress->items > 0)
		fprintf(stderr, "  %llu files", (unsigned long long)progress->items);
	fprintf(stderr, "  %s/s%s\033[K", rate, left);
	fflush(stderr);
	progress->is_shown = true;
}

void progress_add(struct progress *progress, uint64_t bytes)
{
	uint64_t now;

	progress->done += bytes;
	if (!progress->is_on)
		return;
	now = clock_now_ns();
	if (now - progress->shown_ns < EVERY_NS || now < progress->shown_ns)
		return;
	progress->shown_ns = now;
	show(progress, now);
}

void progress_hide(struct progress *progress)
{
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
	progress->is_shown = false;
}
