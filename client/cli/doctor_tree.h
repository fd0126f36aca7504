// The machine's files as the doctor's checks read them, all below doctor->root. Paths have no slash at their beginning.
#ifndef CLI_DOCTOR_TREE_H
#define CLI_DOCTOR_TREE_H

#include <dirent.h>

#include "client/cli/doctor.h"

// Reads the beginning of a file, without blanks and line ends at its end. Returns 0, or a negative errno with an empty text.
int doctor_read(const struct doctor *doctor, char text[DOCTOR_TEXT], const char *format, ...) __attribute__((format(printf, 3, 4)));

// Reads a whole number. Returns 0, -EINVAL if it is none, or another negative errno.
int doctor_read_number(const struct doctor *doctor, int64_t *number, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Reads what follows `name` and a colon or blanks at the beginning of a line of the file. Returns 0, -ENOENT if there is no such line or file.
int doctor_read_field(const struct doctor *doctor, const char *path, const char *name, char text[DOCTOR_TEXT]);

bool doctor_exists(const struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Opens for reading and writing, and closes again. Returns 0 or a negative errno.
int doctor_try_open(const struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The names in a folder, sorted as people count: 2 before 10. `count` is 0 if there is no such folder.
struct doctor_names {
	struct dirent **entries;
	int count;
};

void doctor_list(const struct doctor *doctor, struct doctor_names *names, const char *format, ...) __attribute__((format(printf, 3, 4)));

// For CLEANUP(doctor_names).
void cleanup_doctor_names(struct doctor_names *names);

// Writes the whole path of a file. Returns `path`.
char *doctor_path(const struct doctor *doctor, char path[4096], const char *format, ...) __attribute__((format(printf, 3, 4)));

// True if the kernel has the module, loaded or built in.
bool doctor_has_module(const struct doctor *doctor, const char *name);

#endif
