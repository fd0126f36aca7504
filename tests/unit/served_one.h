// What most tests of requests begin and end with: a server (served.h) with one client.
#ifndef TESTS_SERVED_ONE_H
#define TESTS_SERVED_ONE_H

#include "served.h"

#define SERVED_ONE_POOL (8U << 20)

extern struct server *server;
extern struct served_lane *client;

int served_one_set_up(void **state);
int served_one_tear_down(void **state);

// Whatever was done, the structures and the accounts fit together.
int served_one_tear_down_sound(void **state);

#endif
