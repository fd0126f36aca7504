// Requests that are on their way together: each stands for some of a caller's items, and its reply is taken in the order in which they left (get_many.c, put_many.c).
#ifndef CLIENT_MANY_H
#define CLIENT_MANY_H

#include "client/call.h"

// Some of a caller's items, one behind the other.
struct many_part {
	size_t first, end;
	uint64_t sent_ns;
	uint64_t tag;
};

// Gets the reply to a part's request. reply->message NULL: none came, for the reason `error`; the request may have been carried out.
typedef void many_take(void *context, const struct many_part *part, int error, const struct reply *reply);

#define MANY_OWED 32U // at most so many on their way: the server works on the first meanwhile
struct many {
	struct far_lane *lane;
	many_take *take;
	void *context;
	struct many_part owed[MANY_OWED];
	unsigned first, count;
	int lost; // the connection ended with this errno
};

// Why a lane that was connected is not: -EPROTO, its server made no sense, and would make none if it were asked again; else -EIO.
static inline int many_reason(const struct far_lane *lane)
{
	return lane->was_senseless ? -EPROTO : -EIO;
}

// Makes sure of a connection. 0 or a negative errno.
int many_begin(struct many *many);

// Sends a part's request, taking replies where there is no room otherwise. 0; or a negative errno: it was not sent. -ENAMETOOLONG: by itself it is longer than a message.
int many_send(struct many *many, const struct call *call, struct many_part part);

// As many_send without waiting for replies: 1; 0: there is no room while replies are owed; or a negative errno.
int many_try(struct many *many, const struct call *call, struct many_part part);

// Takes the oldest reply that is owed (count > 0); all of them.
void many_take_next(struct many *many);
void many_finish(struct many *many);

#endif
