#include "server/gather.h"

#define GOES_ON 16U
#define PAUSE_FIRST 16U
#define PAUSE_LAST 4096U
#define TRY 2U // the first requests of a round come alone, and wake the server for the others

bool gather_before_block(struct gather *gather)
{
	if (gather->left > 0) {
		gather->left--;
		return true;
	}
	if (gather->pause < PAUSE_FIRST)
		gather->pause = PAUSE_FIRST;
	if (++gather->blocks < gather->pause)
		return false;
	gather->blocks = 0;
	if (gather->pause < PAUSE_LAST)
		gather->pause *= 2;
	gather->left = TRY;
	return true;
}

void gather_found(struct gather *gather, int requests)
{
	if (requests < 2 || gather->left == 0)
		return;
	gather->left = GOES_ON;
	gather->pause = PAUSE_FIRST;
}
