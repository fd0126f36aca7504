// Uploads: nameless objects that a session fills and holds, until their bytes become the value of something else. Writer thread only.
#ifndef SERVER_UPLOAD_H
#define SERVER_UPLOAD_H

#include "server/request.h"

// The upload of this id that the request's session holds, or NULL.
struct far_record *upload_find(const struct request *request, uint64_t id);

// Its value has become another's: the upload ends.
void upload_use_up(struct request *request, struct far_record *upload, uint64_t id);

#endif
