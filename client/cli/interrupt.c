#include "client/cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "far/clock.h"

static const int signals[] = {SIGINT, SIGTERM};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static volatile sig_atomic_t is_noted;
static struct sigaction before[SIGNALS];
static unsigned depth;

#define SAME_NS 300000000U // what timeout(1) sends comes twice, to the process and to its group

static volatile uint64_t noted_at_ns;

// A second one does what it did before.
static void note(int signal_number)
{
	if (!is_noted) {
		noted_at_ns = clock_now_ns();
		is_noted = 1;
	} else if (clock_now_ns() - noted_at_ns > SAME_NS) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
	}
}

void interrupt_rearm(void)
{
	struct sigaction action = {.sa_handler = note};

	is_noted = 0;
	for (size_t i = 0; i < SIGNALS; i++)
		if (before[i].sa_handler != SIG_IGN) // nohup's stays
			sigaction(signals[i], &action, NULL);
}

void interrupt_catch(void)
{
	if (depth++ > 0)
		return;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], NULL, &before[i]);
	interrupt_rearm();
}

void interrupt_release(void)
{
	if (--depth > 0)
		return;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
}

bool interrupt_is_noted(void)
{
	return is_noted;
}
