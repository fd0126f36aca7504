#include "fsd/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "fsd/channel.h"
#include "fsd/opcode_names.h"

// Counters only grow; whoever wants to know what something costs reads them before and after.

static void write_requests(FILE *to)
{
	uint64_t counts[CHANNEL_OPCODES], all = 0;

	channel_counts(counts);
	for (unsigned opcode = 0; opcode < CHANNEL_OPCODES; opcode++)
		all += counts[opcode];
	fprintf(to, "messages %" PRIu64 "\n", all);
	for (unsigned opcode = 0; opcode < CHANNEL_OPCODES; opcode++)
		if (counts[opcode])
			fprintf(to, "messages.%s %" PRIu64 "\n", opcode_name(opcode), counts[opcode]);
}

static void write_server(FILE *to, const struct far_statistics *statistics)
{
	fprintf(to, "requests %" PRIu64 "\n", statistics->requests);
	fprintf(to, "one_sided %" PRIu64 "\n", statistics->one_sided);
	fprintf(to, "one_sided_retries %" PRIu64 "\n", statistics->one_sided_retries);
	fprintf(to, "remote_reads %" PRIu64 "\n", statistics->remote_reads);
	fprintf(to, "remote_writes %" PRIu64 "\n", statistics->remote_writes);
	fprintf(to, "bytes_read %" PRIu64 "\n", statistics->bytes_read);
	fprintf(to, "bytes_written %" PRIu64 "\n", statistics->bytes_written);
	fprintf(to, "reconnects %" PRIu64 "\n", statistics->reconnects);
}

ssize_t status_write(const struct filesystem *filesystem, char *text, size_t room)
{
	struct far_statistics statistics;
	int error = far_statistics(filesystem->session, &statistics);
	FILE *to = error ? NULL : fmemopen(text, room, "w");
	long length;

	if (!to)
		return error ? error : -errno;
	fprintf(to, "server %s\nprovider %s\nchannel %s\n", statistics.address, statistics.provider, channel_name());
	write_requests(to);
	write_server(to, &statistics);
	length = ftell(to);
	fclose(to);
	return length < 0 || (size_t)length >= room ? -ENOSPC : length;
}
