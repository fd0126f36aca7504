// What a check of the server's structures can find: the kinds, by number on the wire and by name for people and programs. New ones go to the end.
#ifndef FAR_CHECK_H
#define FAR_CHECK_H

#include <stddef.h>

enum far_check_kind {
	FAR_CHECK_RECORD = 1, // a record's own fields: id, state, type, room
	FAR_CHECK_NAME,       // a name that cannot be, or a hash that is not the name's
	FAR_CHECK_PARENT,     // the directory that an object says it is in is none
	FAR_CHECK_INDEX,      // the index does not lead to an object by its name, or leads to none
	FAR_CHECK_ENTRY,      // an object is not in its directory's tree, or the tree leads elsewhere
	FAR_CHECK_TREE,       // a node of a directory's tree
	FAR_CHECK_CYCLE,      // a directory below itself
	FAR_CHECK_NLINK,      // a link count
	FAR_CHECK_LINK,       // the chain of an object's further names
	FAR_CHECK_SIZE,       // a directory's or a value's size
	FAR_CHECK_ORPHAN,     // an object without a name that no session holds
	FAR_CHECK_HOLD,       // holds of sessions against holds of objects
	FAR_CHECK_WINDOW,     // a write window
	FAR_CHECK_VALUE,      // the kind of a value, the order or sums of its extents
	FAR_CHECK_CHECKSUM,   // an inline value's
	FAR_CHECK_TAIL,       // bytes behind a value's end that are not zero
	FAR_CHECK_OUTSIDE,    // something leads to where nothing of its kind is
	FAR_CHECK_TWICE,      // memory with two owners
	FAR_CHECK_FREED,      // memory in use that is free
	FAR_CHECK_LEAK,       // memory handed out that nobody owns
	FAR_CHECK_SLAB,       // a slab's own figures and chain
	FAR_CHECK_SPACE,      // free-space accounting
	FAR_CHECK_COUNT,      // counts of names and objects
	FAR_CHECK_ATTRIBUTE,  // an extended attribute, or the list of them
	FAR_CHECK_DEADLINE,   // the deadline of an object, or the table of them
	FAR_CHECK_EVICTION,   // an object's place in the queues of eviction
	FAR_CHECK_QUOTA,      // what a quota has on account, or the table of them
	FAR_CHECK_LIMIT,
};

static inline const char *far_check_name(unsigned kind)
{
	static const char *const names[FAR_CHECK_LIMIT] = {
	        [FAR_CHECK_RECORD] = "record",
	        [FAR_CHECK_NAME] = "name",
	        [FAR_CHECK_PARENT] = "parent",
	        [FAR_CHECK_INDEX] = "index",
	        [FAR_CHECK_ENTRY] = "entry",
	        [FAR_CHECK_TREE] = "tree",
	        [FAR_CHECK_CYCLE] = "cycle",
	        [FAR_CHECK_NLINK] = "nlink",
	        [FAR_CHECK_LINK] = "link",
	        [FAR_CHECK_SIZE] = "size",
	        [FAR_CHECK_ORPHAN] = "orphan",
	        [FAR_CHECK_HOLD] = "hold",
	        [FAR_CHECK_WINDOW] = "window",
	        [FAR_CHECK_VALUE] = "value",
	        [FAR_CHECK_CHECKSUM] = "checksum",
	        [FAR_CHECK_TAIL] = "tail",
	        [FAR_CHECK_OUTSIDE] = "outside",
	        [FAR_CHECK_TWICE] = "twice",
	        [FAR_CHECK_FREED] = "freed",
	        [FAR_CHECK_LEAK] = "leak",
	        [FAR_CHECK_SLAB] = "slab",
	        [FAR_CHECK_SPACE] = "space",
	        [FAR_CHECK_COUNT] = "count",
	        [FAR_CHECK_ATTRIBUTE] = "attribute",
	        [FAR_CHECK_DEADLINE] = "deadline",
	        [FAR_CHECK_EVICTION] = "eviction",
	        [FAR_CHECK_QUOTA] = "quota",
	};

	return kind < FAR_CHECK_LIMIT && names[kind] ? names[kind] : "unknown";
}

#endif
