#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/doctor.h"
#include "client/cli/json_output.h"
#include "client/cli/report.h"

// The findings: collecting and printing them.

static const struct {
	const char *word;  // on the command line and in JSON
	const char *title; // for people
} groups[DOCTOR_GROUPS] = {
        [DOCTOR_RDMA] = {"rdma", "RDMA"},
        [DOCTOR_FUSE] = {"fuse", "FUSE"},
        [DOCTOR_MEMORY] = {"memory", "Memory"},
        [DOCTOR_NET] = {"net", "Shared memory and TCP"},
        [DOCTOR_SELF_TEST] = {"self-test", "Self-test"},
};

static const char *const statuses[] = {[DOCTOR_OK] = "ok", [DOCTOR_NOTE] = "note", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"};

struct doctor_finding *doctor_add(struct doctor *doctor, enum doctor_status status, const char *name, const char *format, ...)
{
	struct doctor_finding *finding;
	va_list arguments;

	if (doctor->count < DOCTOR_FINDINGS)
		doctor->count++;
	finding = &doctor->findings[doctor->count - 1]; // when it is full, the last one gives way
	*finding = (struct doctor_finding){.group = doctor->group, .status = status};
	snprintf(finding->name, sizeof(finding->name), "%s", name);
	va_start(arguments, format);
	vsnprintf(finding->found, sizeof(finding->found), format, arguments);
	va_end(arguments);
	return finding;
}

void doctor_advise(struct doctor_finding *finding, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(finding->advice, sizeof(finding->advice), format, arguments);
	va_end(arguments);
}

enum doctor_status doctor_rdma_problem(const struct doctor *doctor)
{
	return doctor->is_asked[DOCTOR_RDMA] ? DOCTOR_FAIL : DOCTOR_WARN;
}

bool doctor_is_live(const struct doctor *doctor)
{
	return doctor->root[0] == '\0';
}

// Names and texts come from files and addresses: not as they are onto a terminal.
static void print_text(const char *text)
{
	print_escaped(stdout, text, strlen(text));
}

void doctor_print(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->count; i++) {
		const struct doctor_finding *finding = &doctor->findings[i];

		if (i == 0 || finding->group != finding[-1].group)
			printf("%s%s\n", i == 0 ? "" : "\n", groups[finding->group].title);
		printf("%-4s  ", statuses[finding->status]);
		print_text(finding->name);
		fputs(": ", stdout);
		print_text(finding->found);
		putchar('\n');
		if (finding->advice[0]) {
			fputs("  -> ", stdout);
			print_text(finding->advice);
			putchar('\n');
		}
	}
}

static struct json_object *json_of_finding(const struct doctor_finding *finding)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "group", groups[finding->group].word);
	json_add_text(object, "name", finding->name);
	json_add_text(object, "status", statuses[finding->status]);
	json_add_text(object, "found", finding->found);
	json_add_text(object, "advice", finding->advice);
	if (finding->measure.unit) {
		json_add_text(object, "unit", finding->measure.unit);
		json_add_double(object, "measured", finding->measure.measured);
		if (finding->measure.expected > 0) {
			json_add_double(object, "expected", finding->measure.expected);
			json_add_double(object, "ratio", finding->measure.ratio);
		}
	}
	return object;
}

void doctor_print_json(const struct doctor *doctor)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < doctor->count; i++)
		json_object_array_add(array, json_of_finding(&doctor->findings[i]));
	json_print(array);
}

int doctor_exit_status(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->count; i++)
		if (doctor->findings[i].status == DOCTOR_FAIL)
			return CLI_FAILURE;
	return CLI_OK;
}
