// The ends of peers that go without a word: a host that lost its power or its network sends no end of a connection.
#ifndef FABRIC_ALIVE_H
#define FABRIC_ALIVE_H

// Has the kernel ask the peer's host from time to time whether the connection is still there, while nothing else goes over it. It is closed with -ETIMEDOUT some 25 s after the host has gone. A program that has stopped
// is no such case: its host answers.
void fabric_keep_alive(int fd);

#endif
