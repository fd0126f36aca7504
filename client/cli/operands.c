#include "client/cli/operands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/report.h"

void operands_take(struct operands *operands, const struct argp_state *state)
{
	operands->words = state->argv + state->next;
	operands->count = state->argc - state->next;
}

error_t operands_take_pair(const struct argp_state *state, const char *word, const char **first, const char **second)
{
	if (state->arg_num >= 2)
		return report_usage(state->name, "%s: one argument too many", word);
	*(state->arg_num == 0 ? first : second) = word;
	return 0;
}

int operand_open(const char *file, int *opened)
{
	*opened = -1;
	if (strcmp(file, "-") == 0)
		return STDIN_FILENO;
	*opened = open(file, O_RDONLY | O_CLOEXEC);
	if (*opened < 0)
		report_local("cannot read", file, errno);
	return *opened;
}
