// The calling thread's last error text.
#ifndef CLIENT_ERROR_H
#define CLIENT_ERROR_H

// Remembers what failed, with which value and what to do; returns `error`.
int error_set(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The same for a call on a key that the server refused: the text is made from the code.
int error_of_key(int error, const char *call, const void *key, unsigned long key_length);

#endif
