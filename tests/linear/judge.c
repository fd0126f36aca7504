#include "tests/linear/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/linear/frontier.h"

// Goes through invocations and responses in the order of time; at the same nanosecond invocations come first, so that those operations count as concurrent. The history is refused at
// the first response that leaves no configuration (frontier.c).

#define SHRINK_MAX 2000U // operations beyond which single ones are not tried

static int by_invocation(const void *left, const void *right)
{
	const struct history_op *a = left, *b = right;

	if (a->invoked_ns != b->invoked_ns)
		return a->invoked_ns < b->invoked_ns ? -1 : 1;
	return a->responded_ns < b->responded_ns ? -1 : a->responded_ns > b->responded_ns;
}

struct response {
	uint64_t at_ns;
	size_t op;
};

static int by_time(const void *left, const void *right)
{
	const struct response *a = left, *b = right;

	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns ? -1 : 1;
	return a->op < b->op ? -1 : a->op > b->op;
}

static void *must(void *memory)
{
	if (!memory) {
		fprintf(stderr, "check: no memory\n");
		abort();
	}
	return memory;
}

// One run over a history, or over its end from `begins_ns` on.
struct run {
	const struct history_op *ops; // sorted by invocation
	size_t count;
	uint64_t begins_ns;
	uint64_t ends_ns; // responses behind this are not looked at: those operations are under way
	struct frontier *frontier;
	struct response *responses; // in the order of time
	size_t response_count;
	int *slots; // by operation
	size_t most;
};

static void run_init(struct run *run)
{
	run->responses = must(malloc((run->count + 1) * sizeof(run->responses[0])));
	run->slots = must(malloc((run->count + 1) * sizeof(run->slots[0])));
	for (size_t i = 0; i < run->count; i++)
		if (run->ops[i].outcome != HISTORY_UNKNOWN && run->ops[i].responded_ns <= run->ends_ns)
			run->responses[run->response_count++] = (struct response){run->ops[i].responded_ns, i};
	qsort(run->responses, run->response_count, sizeof(run->responses[0]), by_time);
}

static void run_fini(struct run *run)
{
	frontier_free(run->frontier);
	free(run->responses);
	free(run->slots);
}

static struct verdict run_through(struct run *run)
{
	size_t next = 0;

	for (size_t i = 0; i < run->response_count; i++) {
		const struct response *response = &run->responses[i];
		long left;

		for (; next < run->count && run->ops[next].invoked_ns <= response->at_ns; next++) {
			run->slots[next] = frontier_invoke(run->frontier, &run->ops[next], run->ops[next].invoked_ns < run->begins_ns);
			if (run->slots[next] < 0)
				return (struct verdict){.kind = VERDICT_UNDECIDED, .at = next};
		}
		left = frontier_respond(run->frontier, run->slots[response->op]);
		if (left <= 0)
			return (struct verdict){.kind = left < 0 ? VERDICT_UNDECIDED : VERDICT_REFUSED, .at = response->op};
		if ((size_t)left > run->most)
			run->most = (size_t)left;
	}
	return (struct verdict){.kind = VERDICT_LINEARIZABLE};
}

// A torn get is judged by itself and left out of the order.
static bool find_torn(const struct history_op *ops, size_t count, struct verdict *verdict)
{
	for (size_t i = 0; i < count; i++) {
		if (model_is_possible(&ops[i]) && ops[i].outcome != HISTORY_TORN)
			continue;
		*verdict = (struct verdict){.kind = ops[i].outcome == HISTORY_TORN ? VERDICT_TORN : VERDICT_BAD_INPUT, .at = i};
		return true;
	}
	return false;
}

struct verdict judge(struct history_op *ops, size_t count)
{
	struct run run = {.ops = ops, .count = count, .ends_ns = UINT64_MAX};
	struct verdict verdict;

	qsort(ops, count, sizeof(ops[0]), by_invocation);
	if (find_torn(ops, count, &verdict))
		return verdict;
	run.frontier = frontier_new((struct key_state){0});
	run_init(&run);
	verdict = run_through(&run);
	verdict.configurations = run.most;
	run_fini(&run);
	return verdict;
}

// --- what a violation can do without ---

// The end of a history, up to the violation.
struct window {
	const struct history_op *ops; // the whole history
	size_t count;
	const struct response *responses;
	size_t response_count;
	struct history_op *end;
	size_t end_count;
	uint64_t begins_ns;
	uint64_t ends_ns;
};

// Whether the end is refused though nothing is known of the state in which it begins, and operations invoked before begins_ns may have happened before.
static bool is_refused(const struct window *window, size_t count)
{
	struct run run = {.ops = window->end, .count = count, .begins_ns = window->begins_ns, .ends_ns = window->ends_ns};
	struct verdict verdict;

	run.frontier = frontier_new((struct key_state){.value = HISTORY_ANY, .version = HISTORY_ANY});
	run_init(&run);
	verdict = run_through(&run);
	run_fini(&run);
	return verdict.kind == VERDICT_REFUSED;
}

// Copies the operations that end at begins_ns or later (or never).
static size_t take_end(const struct history_op *ops, size_t count, uint64_t begins_ns, struct history_op *end)
{
	size_t taken = 0;

	for (size_t i = 0; i < count; i++)
		if (ops[i].responded_ns >= begins_ns || ops[i].outcome == HISTORY_UNKNOWN)
			end[taken++] = ops[i];
	return taken;
}

// Whether the last `last` responses, and what was under way meanwhile, are refused by themselves. If a longer end of a history is linearizable then so is a shorter one: what
// was invoked before it may have happened before it. So the shortest refused end can be found by halving.
static bool is_end_refused(struct window *window, size_t last)
{
	// Right behind the last response that is left out: so that few operations are from before.
	window->begins_ns = last >= window->response_count ? 0 : window->responses[window->response_count - last - 1].at_ns + 1;
	window->end_count = take_end(window->ops, window->count, window->begins_ns, window->end);
	return is_refused(window, window->end_count);
}

static bool find_shortest_end(struct window *window)
{
	size_t refused = 1, accepted = 0;

	while (!is_end_refused(window, refused)) {
		if (refused >= window->response_count)
			return false; // only what was there at first makes it impossible
		accepted = refused;
		refused *= 2;
	}
	while (refused - accepted > 1) {
		size_t middle = accepted + (refused - accepted) / 2;

		if (is_end_refused(window, middle))
			refused = middle;
		else
			accepted = middle;
	}
	return is_end_refused(window, refused);
}

// Takes out each read without which the rest is refused all the same.
static void drop_reads(struct window *window)
{
	for (size_t i = window->end_count; i-- > 0 && window->end_count <= SHRINK_MAX;) {
		struct history_op op = window->end[i];

		if (!model_is_read(&op))
			continue;
		memmove(&window->end[i], &window->end[i + 1], (window->end_count - i - 1) * sizeof(op));
		if (is_refused(window, window->end_count - 1)) {
			window->end_count--;
			continue;
		}
		memmove(&window->end[i + 1], &window->end[i], (window->end_count - i - 1) * sizeof(op));
		window->end[i] = op;
	}
}

// Operations that were under way at the violation keep their place, without a response.
static size_t cut_behind(struct history_op *ops, size_t count, uint64_t ends_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < count && ops[i].invoked_ns <= ends_ns; i++)
		kept = i + 1;
	return kept;
}

size_t judge_shrink(struct history_op *ops, size_t count, size_t at)
{
	struct run run = {.ops = ops, .ends_ns = ops[at].responded_ns};
	struct window window = {.ops = ops, .ends_ns = ops[at].responded_ns};

	run.count = window.count = cut_behind(ops, count, ops[at].responded_ns);
	run_init(&run);
	window.responses = run.responses;
	window.response_count = run.response_count;
	window.end = must(malloc(window.count * sizeof(ops[0])));
	if (find_shortest_end(&window)) {
		drop_reads(&window);
		memcpy(ops, window.end, window.end_count * sizeof(ops[0]));
	} else {
		window.end_count = window.count; // all of it matters
	}
	free(window.end);
	run_fini(&run);
	return window.end_count;
}
