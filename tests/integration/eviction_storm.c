// eviction_storm: puts and gets keys of a server that evicts, as fast as it can; sizes from a few bytes to some hundred thousand, so that all ways of storing take memory from each other. A put must succeed; a get must find the whole
// bytes of one put of that key, or no such key.
//
// usage: eviction_storm ADDRESS OPERATIONS SEED [FOLDER]
// FOLDER: a mount of the server; then the keys are written and read as files there. Exit status 0: nothing was wrong.
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "far.h"

#define KEYS 2000U
#define SIZE_MAX_BYTES (256U << 10)

static far_session *session;
static const char *folder;
static uint64_t words[SIZE_MAX_BYTES / 8], got[SIZE_MAX_BYTES / 8 + 1];
static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1d;
}

static void die(const char *what, const char *key, const char *why)
{
	fprintf(stderr, "eviction_storm: %s: %s: %s\n", what, key, why);
	exit(1);
}

// Whole words: of each the first says which put it is of, and all others follow from it, the key and their place.
static void fill(unsigned key, size_t count)
{
	words[0] = next_random();
	for (size_t i = 1; i < count; i++)
		words[i] = (words[0] + key) * (2 * i + 1);
}

static bool is_whole(unsigned key, size_t length)
{
	bool is_right = length > 0 && length % 8 == 0;

	for (size_t i = 1; i < length / 8 && is_right; i++)
		is_right = got[i] == (got[0] + key) * (2 * i + 1);
	return is_right;
}

static size_t choose_words(void)
{
	static const size_t most[] = {8, 100, 100, 500, 1000, 10000, SIZE_MAX_BYTES / 8};

	return 1 + next_random() % most[next_random() % (sizeof(most) / sizeof(most[0]))];
}

// A file in place of another: who has that open goes on reading it.
static void write_file(const char *path, size_t length)
{
	char temporary[300];
	int fd;

	snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	fd = open(temporary, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (fd < 0 || write(fd, words, length) != (ssize_t)length || rename(temporary, path) || close(fd))
		die("write", path, strerror(errno));
}

// Its length, or 0: there is none.
static size_t read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t length = 0;
	ssize_t part = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	while (fd >= 0 && length < sizeof(got) && (part = read(fd, (char *)got + length, sizeof(got) - length)) > 0)
		length += (size_t)part;
	if (fd < 0 || part < 0 || close(fd))
		die("read", path, strerror(errno));
	return length;
}

static void put(unsigned number, const char *key)
{
	size_t count = choose_words();

	fill(number, count);
	if (folder)
		write_file(key, count * 8);
	else if (far_put(session, key, strlen(key), words, count * 8, NULL))
		die("put", key, far_last_error());
}

static bool get(unsigned number, const char *key)
{
	ssize_t length = folder ? (ssize_t)read_file(key) : far_get_into(session, key, strlen(key), got, sizeof(got), 0, NULL, NULL);

	if (length == -ENOENT || (folder && length == 0))
		return false;
	if (length < 0)
		die("get", key, far_last_error());
	if (!is_whole(number, (size_t)length))
		die("get", key, "bytes that nobody has put");
	return true;
}

int main(int argc, char **argv)
{
	unsigned long operations = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long found = 0, gets = 0;

	if (argc < 4)
		return 2;
	random_state = strtoull(argv[3], NULL, 10) * 2 + 1;
	folder = argc > 4 ? argv[4] : NULL;
	if (far_connect(argv[1], NULL, &session))
		die("connect", argv[1], far_last_error());
	for (unsigned long i = 0; i < operations; i++) {
		unsigned number = (unsigned)(next_random() % KEYS);
		char key[256];

		if (next_random() % 2) // some are hot
			number %= 50;
		if (folder) // the kernel knows them, and what it knows stays
			number %= 100;
		snprintf(key, sizeof(key), "%s%sstorm%s%u", folder ? folder : "", folder ? "/" : "", folder ? "-" : "/", number);
		if (next_random() % 2) {
			put(number, key);
		} else {
			gets++;
			found += get(number, key);
		}
	}
	printf("%lu of %lu gets found their key\n", found, gets);
	far_close(session);
	return 0;
}
