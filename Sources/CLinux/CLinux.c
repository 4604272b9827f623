#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_accept(int listener) {
  return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int clinux_pipe(int ends[2], int size) {
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return -1;
  // A smaller pipe than asked for still carries.
  (void)fcntl(ends[1], F_SETPIPE_SZ, size);
  return 0;
}

ssize_t clinux_splice(int from, int to, size_t most) {
  return splice(from, NULL, to, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}
