#include "client/cli/each_key.h"

#include "client/cli/report.h"

error_t each_key_parse(int key, char *argument, struct argp_state *state)
{
	struct operands *keys = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_ARGS:
		operands_take(keys, state);
		return 0;
	case ARGP_KEY_END:
		return keys->count == 0 ? report_usage(state->name, "give the keys") : 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int each_key_call(
        struct cli *cli, const struct operands *keys, int (*call)(struct cli *cli, struct key key, uint64_t argument), uint64_t argument)
{
	int status = CLI_OK;

	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	for (int i = 0; i < keys->count; i++) {
		int error = call(cli, key_of_argument(keys->words[i]), argument);

		if (error)
			status = report_error(error);
	}
	return status;
}
