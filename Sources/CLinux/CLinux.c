#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

int clinux_spawn(
    const char *program, char *const arguments[], char *const environment[], int input, int output,
    pid_t *child) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t signals;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return code;
  code = posix_spawnattr_init(&attributes);
  if (code != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return code;
  }
  code = posix_spawn_file_actions_adddup2(&actions, input, 0);
  if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, output, 1);
  if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, output, 2);
  if (code == 0) code = posix_spawn_file_actions_addchdir_np(&actions, "/");
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  // All of ours are closed on exec; those of libraries may not be.
  if (code == 0) code = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#endif
  sigemptyset(&signals);
  if (code == 0) code = posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  if (code == 0) code = posix_spawnattr_setsigdefault(&attributes, &signals);
  if (code == 0) code = posix_spawnattr_setpgroup(&attributes, 0);
  if (code == 0) {
    code = posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  if (code == 0) code = posix_spawn(child, program, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

int clinux_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int clinux_watch_process(pid_t process) {
#ifdef SYS_pidfd_open
  return (int)syscall(SYS_pidfd_open, process, 0);
#else
  errno = ENOSYS;
  return -1;
#endif
}

int clinux_child_ended(pid_t child) {
  siginfo_t info;
  info.si_pid = 0;
  int result = waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
  return (result == 0 && info.si_pid == child) || (result != 0 && errno == ECHILD);
}

int clinux_exchange(const char *one, const char *other) {
  return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
}

static char damage[4096];
static char unfinished[4096];
static char **anew_arguments;
static char **anew_environment;

static void tell_of_damage(int signal) {
  (void)signal;
  // Only what may be called whatever was interrupted.
  if (anew_arguments != NULL) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve("/proc/self/exe", anew_arguments, anew_environment);
  }
  ssize_t written = write(STDERR_FILENO, damage, strlen(damage));
  (void)written;
  if (unfinished[0] != 0) unlink(unfinished);
  _exit(65);
}

void clinux_tell_of_damage(const char *text) {
  struct sigaction action = {.sa_handler = tell_of_damage};
  strncpy(damage, text, sizeof damage - 1);
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGABRT, &action, NULL);
}

void clinux_anew_on_damage(const char *variable) {
  static char text[1 << 17];
  int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t size = file < 0 ? 0 : read(file, text, sizeof text);
  if (file >= 0) close(file);
  // A longer one is cut: then there is no second try.
  if (size <= 0 || size == sizeof text) return;
  size_t words = 0, variables = 0;
  for (ssize_t place = 0; place < size; place++) words += text[place] == 0;
  while (environ[variables] != NULL) variables++;
  char **arguments = calloc(words + 1, sizeof *arguments);
  anew_environment = calloc(variables + 2, sizeof *anew_environment);
  if (arguments == NULL || anew_environment == NULL) return;
  char *word = text;
  for (size_t number = 0; number < words; number++) {
    arguments[number] = word;
    word += strlen(word) + 1;
  }
  memcpy(anew_environment, environ, variables * sizeof *environ);
  anew_environment[variables] = strdup(variable);
  if (anew_environment[variables] != NULL) anew_arguments = arguments;
}

void clinux_not_anew(void) { anew_arguments = NULL; }

void clinux_unfinished(const char *path) { strncpy(unfinished, path, sizeof unfinished - 1); }
