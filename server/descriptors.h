// How many connections the process may have open: each lane of each session is one descriptor.
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

// Raises the limit of open descriptors to the hard one. Warns if that is too low for as many lanes as the server admits; it serves fewer then.
void descriptors_raise_limit(void);

#endif
