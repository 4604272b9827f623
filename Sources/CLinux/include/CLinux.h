// What is asked of Linux that Swift's own import of the C library leaves out, or has in several
// modules at once: which of them `struct stat` belongs to depends on what a file imports first.
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

// What is known of a file.
struct clinux_file {
  uint64_t device, inode;
  int64_t size, seconds, nanoseconds;
  uint32_t mode, owner;
};

// stat(2), or lstat(2) where links are not followed.
int clinux_file_named(const char *path, int follows, struct clinux_file *out);

// fstat(2).
int clinux_file_open(int descriptor, struct clinux_file *out);

// A pipe of about that many bytes, never blocking, closed on exec.
int clinux_pipe(int ends[2], int size);

// splice(2): moves bytes between a pipe and a socket without copying them to this process.
ssize_t clinux_splice(int from, int to, size_t most);

// posix_spawn(3): starts a program in "/", in a process group of its own, with default signals and
// no descriptor but these as standard input and as standard output and error. 0, or an errno.
int clinux_spawn(
    const char *program, char *const arguments[], char *const environment[], int input, int output,
    pid_t *child);

// A file that no folder holds (memfd_create(2)), closed on exec.
int clinux_memory_file(const char *name);

// A descriptor that becomes readable when a process ends (pidfd_open(2)); -1 where there is none.
int clinux_watch_process(pid_t process);

// Whether a child has ended. It is not reaped: its number, and that of its group, stay its own.
int clinux_child_ended(pid_t child);

// Sets the two names' files or folders in each other's place at once (renameat2(2)).
int clinux_exchange(const char *one, const char *other);

// From now on a process that the pages of a damaged file end by a signal (SIGSEGV, SIGBUS, or
// SIGABRT of a library that meets a contradiction) says this on standard error and exits with 65.
void clinux_tell_of_damage(const char *text);

// From now on it is begun anew then instead, once, with that variable (NAME=value) in its environment.
void clinux_anew_on_damage(const char *variable);

// From now on it is not.
void clinux_not_anew(void);

// A file that is removed then, since it is not complete; empty for none.
void clinux_unfinished(const char *path);
