#include <errno.h>
#include <string.h>

#include "client/cli/bench_worker.h"
#include "far/cleanup.h"

// What is timed: the calls of libfar, and nothing that could be done before or behind them.

#define RMW_TRIES 1000

far_session *bench_session(const struct worker *worker, enum bench_op op)
{
	bool is_cold = op == BENCH_COLD_GET || (op == BENCH_GET && worker->data->options->is_cold);

	return is_cold ? worker->data->cold_session : worker->data->session;
}

static ssize_t do_get(struct worker *worker, struct bench_slot *slot)
{
	return far_get_into(
	        bench_session(worker, slot->op), slot->name, slot->name_length, slot->buffer, worker->data->sizes->most, 0, NULL, NULL);
}

static ssize_t do_put(struct worker *worker, struct bench_slot *slot)
{
	return far_put(worker->data->session, slot->name, slot->name_length, slot->value, slot->size, NULL);
}

static ssize_t do_rmw(struct worker *worker, struct bench_slot *slot)
{
	far_session *session = worker->data->session;

	for (int try = 0; try < RMW_TRIES; try++) {
		uint64_t version;
		ssize_t got =
		        far_get_into(session, slot->name, slot->name_length, slot->buffer, worker->data->sizes->most, 0, NULL, &version);
		int error =
		        got < 0 ? (int)got : far_cas(session, slot->name, slot->name_length, slot->value, slot->size, version, &version);

		if (!error)
			return got;
		if (error != -ECANCELED)
			return error;
		worker->retries++;
		worker->gets++;
	}
	return -ETIMEDOUT;
}

static ssize_t do_incr(struct worker *worker, struct bench_slot *slot)
{
	int64_t sum;
	int error = far_counter_add(worker->data->session, slot->name, slot->name_length, 1, NULL, &sum);

	return error ? error : (ssize_t)sizeof(sum);
}

static void cleanup_list(far_list **list)
{
	far_list_close(*list);
}

// Values of a scan are overwritten by the next one: they are checked as they come.
static ssize_t get_scanned(struct worker *worker, struct bench_slot *slot, const struct far_list_entry *entry)
{
	const struct bench_data *data = worker->data;
	ssize_t got = far_get_into(data->session, entry->key, entry->key_length, slot->buffer, data->sizes->most, 0, NULL, NULL);
	int64_t number = bench_data_number(data, entry->key, entry->key_length);

	worker->gets++;
	if (got >= 0 && number >= 0 &&
	        !bench_value_is_right(&data->values, (uint64_t)number, NULL, slot->buffer, (size_t)got, BENCH_CHECK_ALL))
		worker->wrong++;
	return got;
}

static ssize_t do_scan(struct worker *worker, struct bench_slot *slot)
{
	const struct bench_data *data = worker->data;
	CLEANUP(list) far_list *list = NULL;
	char prefix[BENCH_NAME_MAX];
	struct far_list_entry entry;
	ssize_t bytes = 0;
	int found = far_list_open(
	        data->session, prefix, (size_t)snprintf(prefix, sizeof(prefix), "%s/", data->folder), 0, data->cursors[slot->key], &list);

	for (uint32_t i = 0; i < slot->scan_count && found >= 0 && (found = far_list_next(list, &entry)) == 1; i++) {
		ssize_t got = get_scanned(worker, slot, &entry);

		if (got < 0)
			return got;
		bytes += got;
	}
	return found < 0 ? found : bytes;
}

static ssize_t do_stat(struct worker *worker, struct bench_slot *slot)
{
	struct far_stat stat;

	return far_stat(worker->data->session, slot->name, slot->name_length, &stat);
}

static ssize_t do_ping(struct worker *worker, struct bench_slot *slot)
{
	(void)slot;
	return far_ping(worker->data->session);
}

bench_call *const bench_calls[BENCH_OPS] = {
        [BENCH_GET] = do_get,
        [BENCH_WARM_GET] = do_get,
        [BENCH_COLD_GET] = do_get,
        [BENCH_PUT] = do_put,
        [BENCH_INSERT] = do_put,
        [BENCH_RMW] = do_rmw,
        [BENCH_INCR] = do_incr,
        [BENCH_SCAN] = do_scan,
        [BENCH_STAT] = do_stat,
        [BENCH_PING] = do_ping,
};
