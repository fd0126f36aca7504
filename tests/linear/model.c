#include "tests/linear/model.h"

// Absence has version 0. What a put or compare-and-swap leaves is one more than what it found; where it found nothing, above all that the key has had. A renamed object brings the
// version that it has.

static bool agree(uint64_t *known, uint64_t observed)
{
	if (observed == HISTORY_ANY)
		return true;
	if (*known == HISTORY_ANY)
		*known = observed;
	return *known == observed;
}

static bool is_absent(struct key_state *state)
{
	return agree(&state->version, 0) && agree(&state->value, 0);
}

// An absent key's value is 0, which no value is called: asking for a version above 0 is asking for a value.
static bool is_present(struct key_state *state, uint64_t value, uint64_t version)
{
	if (state->version == 0 || version == 0)
		return false;
	return agree(&state->version, version) && agree(&state->value, value);
}

static bool is_version(struct key_state *state, uint64_t version)
{
	return version == 0 ? is_absent(state) : is_present(state, HISTORY_ANY, version);
}

static bool stores(struct key_state *state, uint64_t value, uint64_t version)
{
	state->value = value;
	state->version = version;
	return true;
}

// The object leaves the key.
static bool replaces(struct key_state *state, uint64_t value, uint64_t version)
{
	if (state->version != HISTORY_ANY && state->version > state->last)
		state->last = state->version;
	return stores(state, value, version);
}

static bool removes(struct key_state *state)
{
	return replaces(state, 0, 0);
}

static bool is_next(struct key_state *state, uint64_t version)
{
	if (state->version != 0 && version > 1 && is_present(state, HISTORY_ANY, version - 1))
		return true;
	return version > state->last && is_absent(state);
}

static bool apply_put(const struct history_op *op, struct key_state *state)
{
	if (op->outcome == HISTORY_UNKNOWN)
		return stores(state, op->value, state->version == HISTORY_ANY || state->version == 0 ? HISTORY_ANY : state->version + 1);
	return is_next(state, op->version) && stores(state, op->value, op->version);
}

static bool apply_cas(const struct history_op *op, struct key_state *state)
{
	if (op->outcome == HISTORY_REFUSED)
		return op->version != op->expected && is_version(state, op->version);
	if (!is_version(state, op->expected))
		return false;
	if (op->outcome == HISTORY_OK)
		return is_next(state, op->version) && stores(state, op->value, op->version);
	return stores(state, op->value, op->expected ? op->expected + 1 : HISTORY_ANY);
}

static bool apply_delete(const struct history_op *op, struct key_state *state)
{
	if (op->outcome == HISTORY_ABSENT)
		return is_absent(state);
	if (op->outcome == HISTORY_UNKNOWN)
		return removes(state);
	return is_present(state, HISTORY_ANY, HISTORY_ANY) && removes(state);
}

static bool apply_delete_version(const struct history_op *op, struct key_state *state)
{
	if (op->outcome == HISTORY_ABSENT)
		return is_absent(state);
	if (op->outcome == HISTORY_REFUSED)
		return op->version != op->expected && is_present(state, HISTORY_ANY, op->version);
	return is_present(state, HISTORY_ANY, op->expected) && removes(state);
}

static bool apply_rename_out(const struct history_op *op, struct key_state *state)
{
	if (op->outcome == HISTORY_ABSENT)
		return is_absent(state);
	if (op->outcome == HISTORY_UNKNOWN)
		return removes(state);
	return is_present(state, op->value, op->version) && removes(state);
}

bool model_apply(const struct history_op *op, struct key_state *state)
{
	switch (op->kind) {
	case HISTORY_PUT:
		return apply_put(op, state);
	case HISTORY_CAS:
		return apply_cas(op, state);
	case HISTORY_DELETE:
		return apply_delete(op, state);
	case HISTORY_DELETE_VERSION:
		return apply_delete_version(op, state);
	case HISTORY_RENAME_IN:
		return replaces(state, op->value, op->version);
	case HISTORY_RENAME_OUT:
		return apply_rename_out(op, state);
	case HISTORY_STAT:
		return op->outcome == HISTORY_ABSENT ? is_absent(state) : is_present(state, HISTORY_ANY, op->version);
	default:
		return op->outcome == HISTORY_ABSENT ? is_absent(state) : is_present(state, op->value, op->version);
	}
}

#define OUTCOME(outcome) (1U << (outcome))

bool model_is_possible(const struct history_op *op)
{
	static const unsigned outcomes[HISTORY_KINDS] = {
	        [HISTORY_GET] = OUTCOME(HISTORY_OK) | OUTCOME(HISTORY_ABSENT) | OUTCOME(HISTORY_TORN),
	        [HISTORY_STAT] = OUTCOME(HISTORY_OK) | OUTCOME(HISTORY_ABSENT),
	        [HISTORY_PUT] = OUTCOME(HISTORY_OK) | OUTCOME(HISTORY_UNKNOWN),
	        [HISTORY_CAS] = OUTCOME(HISTORY_OK) | OUTCOME(HISTORY_REFUSED) | OUTCOME(HISTORY_UNKNOWN),
	        [HISTORY_DELETE] = OUTCOME(HISTORY_OK) | OUTCOME(HISTORY_ABSENT) | OUTCOME(HISTORY_UNKNOWN),
	        [HISTORY_DELETE_VERSION] =
	                OUTCOME(HISTORY_OK) | OUTCOME(HISTORY_ABSENT) | OUTCOME(HISTORY_REFUSED) | OUTCOME(HISTORY_UNKNOWN),
	        [HISTORY_RENAME_IN] = OUTCOME(HISTORY_OK) | OUTCOME(HISTORY_UNKNOWN),
	        [HISTORY_RENAME_OUT] = OUTCOME(HISTORY_OK) | OUTCOME(HISTORY_ABSENT) | OUTCOME(HISTORY_UNKNOWN),
	};

	if (op->kind >= HISTORY_KINDS || op->outcome >= HISTORY_OUTCOMES || !(outcomes[op->kind] & OUTCOME(op->outcome)))
		return false;
	return op->invoked_ns <= op->responded_ns && (!model_writes(op) || (op->value != 0 && op->value != HISTORY_ANY));
}

bool model_is_read(const struct history_op *op)
{
	return op->kind == HISTORY_GET || op->kind == HISTORY_STAT || op->outcome == HISTORY_ABSENT || op->outcome == HISTORY_REFUSED;
}

bool model_writes(const struct history_op *op)
{
	bool is_store = op->kind == HISTORY_PUT || op->kind == HISTORY_CAS || op->kind == HISTORY_RENAME_IN;

	return is_store && op->outcome != HISTORY_REFUSED;
}
