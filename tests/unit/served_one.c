#include "served_one.h"

struct server *server;
struct served_lane *client;

int served_one_set_up(void **state)
{
	(void)state;
	server = served_open(SERVED_ONE_POOL);
	client = served_join(server);
	return 0;
}

int served_one_tear_down(void **state)
{
	(void)state;
	served_leave(client);
	served_close(server);
	return 0;
}

int served_one_tear_down_sound(void **state)
{
	served_assert_sound(client);
	return served_one_tear_down(state);
}
