// eviction_traces: hit ratios of the server's eviction policy (server/eviction_policy.c, the code that runs there) beside FIFO and LRU, which live here only. Each trace is requests for keys; a request for a key that is
// not in the cache is a miss, and puts it there. All objects count alike. The last column is what becomes of the policy if clients remember where a value is and read it one-sidedly, so that of a key's requests only
// the first after a put or a recall is seen; that client remembers every key, which is the worst case.
//
// usage: eviction_traces [REQUESTS]
// Of each trace (default 2000000 requests); the first tenth is not counted. Prints the table of docs/benchmarks-eviction.md. The same each time: nothing is random but by a seed.
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/random.h"
#include "client/cli/zipf.h"
#include "server/eviction_policy.h"

#define NONE UINT32_MAX
#define KEYS 200000U // most traces choose among so many

// --- traces: what the next key is ---

struct trace {
	const char *name;
	const char *what;
	uint32_t (*next)(struct trace *trace);
	double theta;
	uint32_t keys;  // sizes of caches are told as parts of this
	uint32_t limit; // all keys are below, new ones too; 0: `keys`
	// While it runs:
	struct zipf zipf;
	uint64_t random;
	uint64_t turn;
	uint32_t newest; // of traces that add keys
	uint32_t waiting[64], waiting_count;
};

static uint32_t zipf_key(struct trace *trace)
{
	return (uint32_t)zipf_draw(&trace->zipf, &trace->random);
}

// A quarter of the requests are scans of 2,000 keys that nobody asks for again.
static uint32_t with_scans(struct trace *trace)
{
	if (trace->turn / 2000 % 4 == 3)
		return trace->newest < trace->limit - 1 ? trace->newest++ : trace->newest;
	return zipf_key(trace);
}

// Each fourth request is one of a round through as many other keys, again and again.
static uint32_t with_loop(struct trace *trace)
{
	if (trace->turn % 4 == 3)
		return trace->keys + (uint32_t)(trace->turn / 4 % trace->keys);
	return zipf_key(trace);
}

// Which keys are popular moves on slowly: a hundredth of them each hundred thousand requests.
static uint32_t drifting(struct trace *trace)
{
	return (zipf_key(trace) + (uint32_t)(trace->turn * trace->keys / 10000000U)) % trace->keys;
}

// It changes altogether each half million requests.
static uint32_t leaping(struct trace *trace)
{
	return (uint32_t)((zipf_key(trace) + trace->turn / 500000 * 7919U * 13U) % trace->keys);
}

// YCSB's "latest" (B. Cooper et al., SoCC 2010), workload D: a request in twenty adds a key, the others read it by how new it is.
static uint32_t latest(struct trace *trace)
{
	uint32_t age;

	if (random_below(&trace->random, 20) == 0 && trace->newest < trace->limit - 1)
		return trace->newest++;
	age = zipf_key(trace);
	return age < trace->newest ? trace->newest - 1 - age : 0;
}

// YCSB's "hotspot": four of five requests go to a fifth of the keys.
static uint32_t hotspot(struct trace *trace)
{
	uint32_t hot = trace->keys / 5;

	if (random_below(&trace->random, 5) < 4)
		return (uint32_t)random_below(&trace->random, hot);
	return hot + (uint32_t)random_below(&trace->random, trace->keys - hot);
}

static uint32_t uniform(struct trace *trace)
{
	return (uint32_t)random_below(&trace->random, trace->keys);
}

// --- TPC-C ---
// Rows that New-Order (of 92 transactions 45), Payment (43) and Delivery (4) ask for, by revision 5.11, clauses 2.4, 2.5 and 2.7, keys by its NURand (2.1.6): items, stock and customers of
// four warehouses, and orders, which are written once and read once by Delivery.

#define WAREHOUSES 4U
#define ITEMS 100000U
#define CUSTOMERS 30000U // of a warehouse
#define TPCC_KEYS (ITEMS + WAREHOUSES * (ITEMS + CUSTOMERS))

static uint32_t nurand(struct trace *trace, uint32_t a, uint32_t count)
{
	uint64_t spread = random_below(&trace->random, a + 1) | random_below(&trace->random, count);

	return (uint32_t)((spread + a / 3) % count);
}

static void ask(struct trace *trace, uint32_t key)
{
	trace->waiting[trace->waiting_count++] = key;
}

static uint32_t customer(struct trace *trace, uint32_t warehouse)
{
	uint32_t district = (uint32_t)random_below(&trace->random, 10);

	return ITEMS + WAREHOUSES * ITEMS + warehouse * CUSTOMERS + district * 3000 + nurand(trace, 1023, 3000);
}

static void new_order(struct trace *trace, uint32_t warehouse)
{
	uint64_t lines = 5 + random_below(&trace->random, 11);

	ask(trace, customer(trace, warehouse));
	for (uint64_t i = 0; i < lines; i++) {
		uint32_t item = nurand(trace, 8191, ITEMS);

		ask(trace, item);
		ask(trace, ITEMS + warehouse * ITEMS + item);
	}
	if (trace->newest < trace->limit - 1)
		ask(trace, trace->newest++);
}

static uint32_t tpcc(struct trace *trace)
{
	uint32_t warehouse = (uint32_t)random_below(&trace->random, WAREHOUSES);
	uint64_t kind = random_below(&trace->random, 92);

	if (trace->waiting_count > 0)
		return trace->waiting[--trace->waiting_count];
	if (kind < 45)
		new_order(trace, warehouse);
	else if (kind < 88 || trace->newest < TPCC_KEYS + 9000)
		ask(trace, customer(trace, warehouse));
	else // of ten districts the oldest order that is not delivered: some 900 are under way in each
		for (uint32_t i = 0; i < 10; i++)
			ask(trace, trace->newest - 9000 + i);
	return trace->waiting[--trace->waiting_count];
}

static struct trace traces[] = {
        {.name = "Zipf 0.6", .what = "few keys stand out", .next = zipf_key, .theta = 0.6, .keys = KEYS},
        {.name = "Zipf 0.8", .what = "", .next = zipf_key, .theta = 0.8, .keys = KEYS},
        {.name = "Zipf 0.99", .what = "YCSB's", .next = zipf_key, .theta = 0.99, .keys = KEYS},
        {.name = "Zipf 1.2", .what = "some keys are nearly all", .next = zipf_key, .theta = 1.2, .keys = KEYS},
        {.name = "scans",
                .what = "Zipf 0.99, and runs of 2,000 keys that are asked for once, a quarter of all",
                .next = with_scans,
                .theta = 0.99,
                .keys = KEYS,
                .limit = 20 * KEYS},
        {.name = "loop",
                .what = "Zipf 0.99, and between them a round through as many other keys, a quarter of all",
                .next = with_loop,
                .theta = 0.99,
                .keys = KEYS,
                .limit = 2 * KEYS},
        {.name = "drift", .what = "Zipf 0.99, whose ranks move by a key each 50 requests", .next = drifting, .theta = 0.99, .keys = KEYS},
        {.name = "leaps", .what = "Zipf 0.99, with other ranks each 500,000 requests", .next = leaping, .theta = 0.99, .keys = KEYS},
        {.name = "latest",
                .what = "YCSB D: new keys, read by how new they are",
                .next = latest,
                .theta = 0.99,
                .keys = KEYS,
                .limit = 4 * KEYS},
        {.name = "hotspot", .what = "YCSB: 80 % of the requests for 20 % of the keys", .next = hotspot, .keys = KEYS},
        {.name = "uniform", .what = "no key stands out", .next = uniform, .keys = KEYS},
        {.name = "TPC-C",
                .what = "rows of items, stock, customers and orders, 4 warehouses",
                .next = tpcc,
                .keys = TPCC_KEYS,
                .limit = 4 * TPCC_KEYS},
};

static uint32_t limit_of(const struct trace *trace)
{
	return trace->limit ? trace->limit : trace->keys;
}

static void trace_begin(struct trace *trace)
{
	zipf_init(&trace->zipf, trace->keys, trace->theta);
	trace->random = 1;
	trace->turn = 0;
	trace->newest = trace->next == latest ? trace->keys : trace->keys + 1;
	trace->waiting_count = 0;
}

// --- policies ---

// What is known of a key.
struct item {
	uint32_t next, previous; // LRU
	uint8_t state;           // of the server's policy
	bool is_cached;
	bool is_located; // a client knows where it is, and asks no more
};

struct cache {
	struct item *items; // by key
	uint32_t room, used;
	uint32_t newest, oldest; // LRU
	uint32_t *ring;          // FIFO: keys
	uint32_t ring_at;
	struct eviction_policy *policy;
	bool is_located; // reads of what is located are not seen
};

static bool fifo(struct cache *cache, uint32_t key)
{
	if (cache->items[key].is_cached)
		return true;
	if (cache->used == cache->room)
		cache->items[cache->ring[cache->ring_at]].is_cached = false;
	else
		cache->used++;
	cache->ring[cache->ring_at] = key;
	cache->ring_at = (cache->ring_at + 1) % cache->room;
	cache->items[key].is_cached = true;
	return false;
}

static void unlink_item(struct cache *cache, uint32_t key)
{
	struct item *item = &cache->items[key];

	*(item->next == NONE ? &cache->oldest : &cache->items[item->next].previous) = item->previous;
	*(item->previous == NONE ? &cache->newest : &cache->items[item->previous].next) = item->next;
}

static void push_front(struct cache *cache, uint32_t key)
{
	cache->items[key].next = cache->newest;
	cache->items[key].previous = NONE;
	*(cache->newest == NONE ? &cache->oldest : &cache->items[cache->newest].previous) = key;
	cache->newest = key;
}

static bool lru(struct cache *cache, uint32_t key)
{
	bool is_hit = cache->items[key].is_cached;

	if (is_hit) {
		unlink_item(cache, key);
	} else if (cache->used == cache->room) {
		cache->items[cache->oldest].is_cached = false;
		unlink_item(cache, cache->oldest);
	} else {
		cache->used++;
	}
	cache->items[key].is_cached = true;
	push_front(cache, key);
	return is_hit;
}

static uint8_t *item_state(void *context, uint64_t id)
{
	const struct cache *cache = context;

	return cache->items[id].is_cached ? &cache->items[id].state : NULL;
}

static void item_recall(void *context, uint64_t id)
{
	((struct cache *)context)->items[id].is_located = false;
}

static uint32_t item_hash(void *context, uint64_t id)
{
	(void)context;
	return (uint32_t)random_mix(id);
}

static void item_expect(void *context, uint64_t id, enum eviction_step step)
{
	(void)step;
	__builtin_prefetch(&((struct cache *)context)->items[id]);
}

static bool chosen(struct cache *cache, uint32_t key)
{
	struct item *item = &cache->items[key];
	uint64_t victim;

	if (item->is_cached) {
		if (!item->is_located)
			eviction_policy_use(&item->state);
		item->is_located = cache->is_located;
		return true;
	}
	if (eviction_policy_reserve(cache->policy))
		exit(1);
	if (cache->used == cache->room && eviction_policy_take(cache->policy, false, &victim)) {
		eviction_policy_remember(cache->policy, victim);
		cache->items[victim].is_cached = false;
		cache->used--;
	}
	*item = (struct item){.is_cached = true, .is_located = cache->is_located};
	eviction_policy_add(cache->policy, key);
	cache->used++;
	return false;
}

static const struct {
	const char *name;
	bool (*ask)(struct cache *cache, uint32_t key);
	bool is_located;
} policies[] = {
        {"FIFO", fifo, false},
        {"LRU", lru, false},
        {"S3-FIFO", chosen, false},
        {"read one-sidedly", chosen, true},
};

#define POLICIES (sizeof(policies) / sizeof(policies[0]))

static double hit_ratio(struct trace *trace, uint32_t room, size_t policy, uint64_t requests)
{
	struct cache cache = {.room = room, .newest = NONE, .oldest = NONE, .is_located = policies[policy].is_located};
	const struct eviction_items items = {&cache, item_state, item_recall, item_hash, item_expect};
	uint64_t counted = requests - requests / 10, hits = 0;

	cache.items = calloc(limit_of(trace), sizeof(cache.items[0]));
	cache.ring = calloc(room, sizeof(cache.ring[0]));
	if (!cache.items || !cache.ring || eviction_policy_new(&items, limit_of(trace), &cache.policy)) {
		fprintf(stderr, "eviction_traces: %s\n", strerror(ENOMEM));
		exit(1);
	}
	trace_begin(trace);
	for (; trace->turn < requests; trace->turn++)
		hits += policies[policy].ask(&cache, trace->next(trace)) && trace->turn >= requests / 10;
	eviction_policy_free(cache.policy);
	free(cache.ring);
	free(cache.items);
	return (double)hits / (double)counted;
}

// One row. Returns whether the server's policy is at least as good as LRU, to the digits printed.
static bool print_row(struct trace *trace, uint32_t room, const char *part, uint64_t requests)
{
	double ratios[POLICIES];

	printf("| %s | %s |", trace->name, part);
	for (size_t i = 0; i < POLICIES; i++) {
		ratios[i] = floor(hit_ratio(trace, room, i, requests) * 10000 + 0.5) / 100;
		printf(" %.2f |", ratios[i]);
	}
	printf(" %+.2f |\n", ratios[2] - ratios[1]);
	fflush(stdout);
	return ratios[2] >= ratios[1];
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t divisor;
	} sizes[] = {{"0.1 %", 1000}, {"1 %", 100}, {"10 %", 10}, {"25 %", 4}};
	uint64_t requests = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
	unsigned rows = 0, good = 0;

	if (argc > 2 || requests < 1000) {
		fprintf(stderr, "usage: eviction_traces [REQUESTS], 1000 at least\n");
		return 2;
	}
	printf("| trace | cache | FIFO | LRU | S3-FIFO | S3-FIFO, read one-sidedly | S3-FIFO over LRU |\n|---|--:|--:|--:|--:|--:|--:|\n");
	for (size_t t = 0; t < sizeof(traces) / sizeof(traces[0]); t++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++, rows++)
			good += print_row(&traces[t], traces[t].keys / sizes[s].divisor, sizes[s].name, requests);
	printf("\nAt least as good as LRU in %u of %u.\n\n", good, rows);
	for (size_t t = 0; t < sizeof(traces) / sizeof(traces[0]); t++)
		if (traces[t].what[0])
			printf("- %s: %s.\n", traces[t].name, traces[t].what);
	return 0;
}
