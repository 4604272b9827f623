// What the proxy asks of Linux that Swift's own import of the C library leaves out.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/types.h>

// EPOLLEXCLUSIVE and EPOLLET are too large for the enumeration that they stand in.
#define CLINUX_EPOLL_EXCLUSIVE 0x10000000u
#define CLINUX_EPOLL_EDGE 0x80000000u

// accept4: the next connection, never blocking, closed on exec.
int clinux_accept(int listener);

// A pipe of about that many bytes, never blocking, closed on exec.
int clinux_pipe(int ends[2], int size);

// splice(2): moves bytes between a pipe and a socket without copying them to this process.
ssize_t clinux_splice(int from, int to, size_t most);
