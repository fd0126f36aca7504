#include "client/cli/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

// --- reading ---

static int digits_parse(const char *text, const char **end, uint64_t *number)
{
	char *behind;

	if (text[0] < '0' || text[0] > '9') // strtoull would take blanks and signs
		return -EINVAL;
	errno = 0;
	*number = strtoull(text, &behind, 10);
	*end = behind;
	return errno ? -EINVAL : 0;
}

int number_parse(const char *text, uint64_t *number)
{
	const char *end;

	return digits_parse(text, &end, number) || *end ? -EINVAL : 0;
}

int integer_parse(const char *text, int64_t *number)
{
	bool is_negative = text[0] == '-';
	uint64_t size;

	if (number_parse(text + is_negative, &size) || size > (uint64_t)INT64_MAX + is_negative)
		return -EINVAL;
	*number = is_negative ? (int64_t)(0 - size) : (int64_t)size;
	return 0;
}

int size_parse(const char *text, uint64_t *size)
{
	static const char units[] = "kmgt";
	const char *end;
	const char *unit;
	unsigned shift;

	if (digits_parse(text, &end, size))
		return -EINVAL;
	if (*end == '\0')
		return 0;
	unit = strchr(units, *end | 0x20);
	if (!unit || !*unit || end[1])
		return -EINVAL;
	shift = 10 * (unsigned)(unit - units + 1);
	if (*size > UINT64_MAX >> shift)
		return -EINVAL;
	*size <<= shift;
	return 0;
}

int seconds_parse(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	if (end == text || *end || !isfinite(*seconds) || *seconds < 0 || *seconds > 1e6)
		return -EINVAL;
	return 0;
}

int duration_parse(const char *text, uint64_t *duration_ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
	char *end;
	double number = strtod(text, &end);

	if (end == text || !(*text == '.' || isdigit((unsigned char)*text)) || !isfinite(number) || number <= 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		number = ceil(number * units[i].ms - 1e-6);
		if (number > 9e15) // more than any time to live, and exact as a double
			return -EINVAL;
		*duration_ms = number < 1 ? 1 : (uint64_t)number;
		return 0;
	}
	return -EINVAL;
}

// --- writing ---

char *size_format(uint64_t size, bool is_for_people, char text[32])
{
	static const char units[] = "BKMGTPE";
	double number = (double)size;
	unsigned unit = 0;

	if (!is_for_people || size < 1024) {
		snprintf(text, 32, "%llu", (unsigned long long)size);
		return text;
	}
	while (number >= 1023.5) {
		number /= 1024;
		unit++;
	}
	snprintf(text, 32, "%.*f%c", number < 9.95 ? 1 : 0, number, units[unit]);
	return text;
}

char *time_format(int64_t time_ns, bool is_full, char text[64])
{
	long nanoseconds = (long)(time_ns % 1000000000);
	time_t seconds = (time_t)(time_ns / 1000000000);
	struct tm parts;
	size_t length;

	if (nanoseconds < 0) { // before 1970
		nanoseconds += 1000000000;
		seconds--;
	}
	if (!localtime_r(&seconds, &parts)) {
		snprintf(text, 64, "%lld", (long long)seconds);
		return text;
	}
	length = strftime(text, 64, "%Y-%m-%d %H:%M:%S", &parts);
	if (is_full) {
		length += (size_t)snprintf(text + length, 64 - length, ".%09ld ", nanoseconds);
		strftime(text + length, 64 - length, "%z", &parts);
	}
	return text;
}

static const struct {
	uint32_t type;
	char letter;
	const char *name;
} types[] = {
        {S_IFREG, '-', "file"},
        {S_IFDIR, 'd', "directory"},
        {S_IFLNK, 'l', "symlink"},
        {S_IFIFO, 'p', "fifo"},
        {S_IFSOCK, 's', "socket"},
        {S_IFCHR, 'c', "character-device"},
        {S_IFBLK, 'b', "block-device"},
};

const char *type_of_mode(uint32_t mode)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if ((mode & S_IFMT) == types[i].type)
			return types[i].name;
	return "unknown";
}

char *mode_format(uint32_t mode, char text[11])
{
	static const char letters[] = "rwxrwxrwx";
	static const struct {
		uint32_t bit;
		int at;
		char with, without; // with and without the execute bit
	} special[] = {{S_ISUID, 3, 's', 'S'}, {S_ISGID, 6, 's', 'S'}, {S_ISVTX, 9, 't', 'T'}};

	text[0] = '?';
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if ((mode & S_IFMT) == types[i].type)
			text[0] = types[i].letter;
	for (int i = 0; i < 9; i++)
		text[1 + i] = mode & (0400U >> i) ? letters[i] : '-';
	for (size_t i = 0; i < 3; i++)
		if (mode & special[i].bit)
			text[special[i].at] = text[special[i].at] == 'x' ? special[i].with : special[i].without;
	text[10] = '\0';
	return text;
}
