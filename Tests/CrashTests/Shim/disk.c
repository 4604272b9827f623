// Preloaded into a program that writes a log: stands between it and its disk.
//
// DISK_FOLDER  the log's directory; nothing outside of it is touched
// DISK_TRACE   a file that gets every request, in order, and what was written to standard output
// DISK_FAIL    "KIND FIRST COUNT ERRNO": from the FIRST request of that kind on, COUNT of them fail;
//              KIND is w (writes and allocations), d (pages that a sync must follow), s (syncs)
//              or a (any)
//
// DISK_STALL   a file: while it is there, requests wait
//
// A request in the trace: kind, file (0: data.mdb, 1: votes), offset, length (8 bytes each), then
// the bytes, if it has any. One lock makes the order of the trace the order of what happened.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, DURABLE_WRITE, SYNC, ALLOCATE, TRUNCATE, OUTPUT };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static int trace = -1;
static char fail_kind;
static long fail_first, fail_count, requests;
static int fail_errno;
static const char *stall;

__attribute__((constructor)) static void begin(void) {
  folder = getenv("DISK_FOLDER");
  const char *path = getenv("DISK_TRACE");
  if (path) trace = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  stall = getenv("DISK_STALL");
  const char *fail = getenv("DISK_FAIL");
  if (fail) sscanf(fail, "%c %ld %ld %d", &fail_kind, &fail_first, &fail_count, &fail_errno);
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

// Which of the files it is; -1 if none.
static int file_of(int fd) {
  char link[64], path[4096];
  if (!folder) return -1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return -1;
  path[size] = 0;
  size_t length = strlen(folder);
  if (strncmp(path, folder, length) || path[length] != '/') return -1;
  if (!strcmp(path + length + 1, "data.mdb")) return 0;
  if (!strcmp(path + length + 1, "votes")) return 1;
  return -1;
}

static void put(const void *bytes, size_t size) {
  while (size > 0) {
    ssize_t count = syscall(SYS_write, trace, bytes, size);
    if (count <= 0) abort();
    bytes = (const char *)bytes + count;
    size -= count;
  }
}

static void record(int kind, int file, off_t offset, const struct iovec *parts, int count) {
  if (trace < 0) return;
  uint64_t head[4] = {kind, file, offset, 0};
  for (int i = 0; i < count; i++) head[3] += parts[i].iov_len;
  put(head, sizeof head);
  for (int i = 0; i < count; i++) put(parts[i].iov_base, parts[i].iov_len);
}

// As long as the disk does not move.
static void wait_for_disk(void) {
  while (stall && access(stall, F_OK) == 0) usleep(5000);
}

// Whether this request is one that fails.
static int fails(char kind) {
  if (!fail_kind || (fail_kind != 'a' && fail_kind != kind)) return 0;
  requests++;
  return requests >= fail_first && requests < fail_first + fail_count;
}

static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t offset) {
  REAL(pwritev);
  int file = file_of(fd);
  if (file < 0) return real(fd, parts, count, offset);
  wait_for_disk();
  pthread_mutex_lock(&lock);
  ssize_t done = -1;
  int error = fail_errno;
  int durable = fcntl(fd, F_GETFL) & O_DSYNC;
  if (!fails(fail_kind == 'd' && file == 0 && !durable ? 'd' : 'w')) {
    record(durable ? DURABLE_WRITE : WRITE, file, offset, parts, count);
    done = real(fd, parts, count, offset);
    error = errno;
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return write_parts(fd, parts, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
  struct iovec part = {(void *)bytes, size};
  return write_parts(fd, &part, 1, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset) {
  return pwrite(fd, bytes, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev);
  if (file_of(fd) < 0) return real(fd, parts, count);
  off_t offset = lseek(fd, 0, SEEK_CUR);
  ssize_t done = write_parts(fd, parts, count, offset);
  if (done > 0) lseek(fd, offset + done, SEEK_SET);
  return done;
}

ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(write);
  if (fd == STDOUT_FILENO && trace >= 0) {
    struct iovec part = {(void *)bytes, size};
    pthread_mutex_lock(&lock);
    record(OUTPUT, 0, 0, &part, 1);
    pthread_mutex_unlock(&lock);
  } else if (file_of(fd) >= 0) {
    struct iovec part = {(void *)bytes, size};
    return writev(fd, &part, 1);
  }
  return real(fd, bytes, size);
}

// What was asked for is durable once the call has returned, so it is recorded then.
static int sync_file(int fd, int (*real)(int)) {
  int file = file_of(fd);
  if (file < 0) return real(fd);
  wait_for_disk();
  pthread_mutex_lock(&lock);
  int done = -1, error = fail_errno;
  if (!fails('s')) {
    done = real(fd);
    error = errno;
    if (done == 0) record(SYNC, file, 0, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

int fsync(int fd) {
  REAL(fsync);
  return sync_file(fd, real);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return sync_file(fd, real);
}

int posix_fallocate(int fd, off_t offset, off_t size) {
  REAL(posix_fallocate);
  int file = file_of(fd);
  if (file < 0) return real(fd, offset, size);
  pthread_mutex_lock(&lock);
  int done = fail_errno;
  if (!fails('w')) {
    record(ALLOCATE, file, offset + size, NULL, 0);
    done = real(fd, offset, size);
  }
  pthread_mutex_unlock(&lock);
  return done;
}

int posix_fallocate64(int fd, off_t offset, off_t size) {
  return posix_fallocate(fd, offset, size);
}

int ftruncate(int fd, off_t size) {
  REAL(ftruncate);
  int file = file_of(fd);
  if (file < 0) return real(fd, size);
  pthread_mutex_lock(&lock);
  int done = -1, error = fail_errno;
  if (!fails('w')) {
    record(TRUNCATE, file, size, NULL, 0);
    done = real(fd, size);
    error = errno;
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }
