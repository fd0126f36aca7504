// libFuzzer: arbitrary bytes as the stream of a tcp lane, in pieces of arbitrary size. The parser and the responder must neither read nor write outside of what is registered,
// and what they hand to the owner must be within bounds.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/tcp.h"

#define MEMORY 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tcp *tcp;
static struct tcp_lane *lane;
static struct fabric_region *region;
static _Alignas(64) char memory[MEMORY];

static void set_up(void)
{
	struct fabric_memory registered = {memory, sizeof(memory), -1, 0};

	tcp = calloc(1, sizeof(*tcp));
	lane = calloc(1, sizeof(*lane));
	tcp->base.options = (struct fabric_options){.message_size = FAR_MESSAGE_SIZE_MIN, .depth = FAR_LANE_DEPTH};
	lane->input = malloc(TCP_INPUT);
	lane->messages = malloc((size_t)TCP_MESSAGES * FAR_MESSAGE_SIZE_MIN);
	lane->batches[0].bytes = malloc(TCP_OUTPUT);
	lane->batches[1].bytes = malloc(TCP_OUTPUT);
	tcp_add_region(&tcp->base, &registered, FABRIC_REMOTE_READ | FABRIC_REMOTE_WRITE | FABRIC_REMOTE_ATOMIC, 0, &region);
	region->rkey = 0; // slot 0: the fuzzer finds it
}

static void begin_lane(bool has_hello)
{
	struct tcp_lane fresh = {
	        .base = {.fabric = &tcp->base, .message_size = FAR_MESSAGE_SIZE_MIN}, .socket = -1, .has_hello = has_hello};

	fresh.input = lane->input;
	fresh.messages = lane->messages;
	fresh.batches[0].bytes = lane->batches[0].bytes;
	fresh.batches[1].bytes = lane->batches[1].bytes;
	*lane = fresh;
	tcp->event_count = 0;
	tcp->handshakes = has_hello ? 0 : 1;
	region->sealed = 64;
}

// What the owner and the kernel would do: messages are looked at and released, output leaves.
static void take_all(void)
{
	while (tcp->event_count > 0) {
		struct fabric_event event = tcp->events[tcp->event_first];
		unsigned sum = 0;

		tcp->event_first = (tcp->event_first + 1) % TCP_EVENTS;
		tcp->event_count--;
		if (event.kind != FABRIC_RECEIVED)
			continue;
		assert(event.length > 0 && event.length <= lane->base.message_size);
		for (uint32_t i = 0; i < event.length; i++)
			sum += ((const uint8_t *)event.message)[i];
		*(volatile unsigned *)memory = sum;
		tcp_receive_release(&lane->base, event.message);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct tcp_batch *batch = &lane->batches[i];
		unsigned sum = 0;

		for (uint32_t piece = 0; piece < batch->piece_count; piece++)
			for (size_t byte = 0; byte < batch->pieces[piece].iov_len; byte++)
				sum += ((const uint8_t *)batch->pieces[piece].iov_base)[byte];
		*(volatile unsigned *)memory = sum;
		batch->used = 0;
		batch->piece_count = 0;
		batch->live = 0;
		batch->done_count = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 1;

	if (!tcp)
		set_up();
	if (size < 2)
		return 0;
	begin_lane(data[0] & 1);
	while (at < size && !lane->is_closed) {
		size_t part = 1 + (data[0] >> 1) * 16U;

		if (part > size - at)
			part = size - at;
		if (part > TCP_INPUT - lane->input_end)
			break;
		memcpy(lane->input + lane->input_end, data + at, part);
		lane->input_end += (uint32_t)part;
		at += part;
		for (int round = 0; round < 4; round++) {
			tcp_parse(lane);
			take_all();
		}
	}
	return 0;
}
