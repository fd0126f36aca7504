/* Stores a value under a key and fetches it: example [ADDRESS [KEY [VALUE]]]. Build: cc example.c $(pkg-config --cflags --libs libfar) */
#include <far.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	const char *key = argc > 2 ? argv[2] : "greetings/world", *text = argc > 3 ? argv[3] : "Hello, far memory!";
	far_session *session = NULL;
	void *value = NULL;
	uint64_t version;
	size_t length;
	int error = far_connect(argc > 1 ? argv[1] : "localhost", NULL, &session);

	error = error ? error : far_put(session, key, strlen(key), text, strlen(text), NULL);
	error = error ? error : far_get(session, key, strlen(key), &value, &length, &version);
	if (error)
		fprintf(stderr, "%s\n", far_last_error());
	else
		printf("%s: %s (%zu bytes, version %llu)\n", key, (char *)value, length, (unsigned long long)version);
	free(value);
	far_close(session);
	return error != 0;
}
