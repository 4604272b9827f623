#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int clinux_accept(int listener) {
  return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int filled(int result, const struct stat *info, struct clinux_file *out) {
  if (result != 0) return result;
  out->device = info->st_dev;
  out->inode = info->st_ino;
  out->size = info->st_size;
  out->seconds = info->st_mtim.tv_sec;
  out->nanoseconds = info->st_mtim.tv_nsec;
  out->mode = info->st_mode;
  out->owner = info->st_uid;
  return 0;
}

int clinux_file_named(const char *path, int follows, struct clinux_file *out) {
  struct stat info;
  return filled(follows ? stat(path, &info) : lstat(path, &info), &info, out);
}

int clinux_file_open(int descriptor, struct clinux_file *out) {
  struct stat info;
  return filled(fstat(descriptor, &info), &info, out);
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
