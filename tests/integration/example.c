/* Stores a value under a key and fetches it. cc example.c $(pkg-config --cflags --libs libfar) && ./a.out ADDRESS */
#include <far.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	far_session *session = NULL;
	void *value = NULL;
	uint64_t version;
	size_t length;
	int error = far_connect(argc > 1 ? argv[1] : "localhost", NULL, &session);

	error = error ? error : far_put(session, "hello/world", 11, "far memory", 10, NULL);
	error = error ? error : far_get(session, "hello/world", 11, &value, &length, &version);
	if (error)
		fprintf(stderr, "%s\n", far_last_error());
	else
		printf("%.*s version %llu\n", (int)length, (char *)value, (unsigned long long)version);
	free(value);
	far_close(session);
	return error != 0;
}
