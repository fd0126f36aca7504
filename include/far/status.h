// Wire status to and from errno: the one table.
#ifndef FAR_STATUS_H
#define FAR_STATUS_H

#include <errno.h>

#include "far/wire.h"

static const int far_status_errno[FAR_STATUS_LIMIT] = {
        [FAR_STATUS_OK] = 0,
        [FAR_STATUS_NOT_FOUND] = ENOENT,
        [FAR_STATUS_EXISTS] = EEXIST,
        [FAR_STATUS_NOT_DIRECTORY] = ENOTDIR,
        [FAR_STATUS_IS_DIRECTORY] = EISDIR,
        [FAR_STATUS_NOT_EMPTY] = ENOTEMPTY,
        [FAR_STATUS_NO_SPACE] = ENOSPC,
        [FAR_STATUS_TOO_BIG] = EFBIG,
        [FAR_STATUS_NAME_TOO_LONG] = ENAMETOOLONG,
        [FAR_STATUS_INVALID] = EINVAL,
        [FAR_STATUS_VERSION] = ECANCELED,
        [FAR_STATUS_STALE] = ESTALE,
        [FAR_STATUS_TOO_MANY_LINKS] = EMLINK,
        [FAR_STATUS_LOOP] = ELOOP,
        [FAR_STATUS_NOT_SUPPORTED] = EOPNOTSUPP,
        [FAR_STATUS_NOT_PERMITTED] = EPERM,
        [FAR_STATUS_PROTOCOL] = EPROTO,
        [FAR_STATUS_WIRE_VERSION] = EPROTONOSUPPORT,
        [FAR_STATUS_TOO_MANY] = EMFILE,
        [FAR_STATUS_NO_SESSION] = ENOTCONN,
        [FAR_STATUS_NO_MEMORY] = ENOMEM,
        [FAR_STATUS_CROSS_DEVICE] = EXDEV,
        [FAR_STATUS_NO_DATA] = ENODATA,
        [FAR_STATUS_TOO_LONG] = E2BIG,
        [FAR_STATUS_LOCKED] = EAGAIN,
        [FAR_STATUS_DEADLOCK] = EDEADLK,
        [FAR_STATUS_NO_LOCKS] = ENOLCK,
        [FAR_STATUS_RESTART] = ERESTART,
        [FAR_STATUS_OVERFLOW] = EOVERFLOW,
        [FAR_STATUS_QUOTA] = EDQUOT,
};

// Negative errno of a status from the wire; -EPROTO for one that does not exist.
static inline int far_status_to_error(unsigned status)
{
	return status < FAR_STATUS_LIMIT ? -far_status_errno[status] : -EPROTO;
}

// Status of a negative errno (or 0); errors without a status of their own become FAR_STATUS_INVALID.
static inline unsigned far_status_of_error(int error)
{
	for (unsigned status = 0; status < FAR_STATUS_LIMIT; status++)
		if (far_status_errno[status] == -error)
			return status;
	return FAR_STATUS_INVALID;
}

#endif
