/* The functions of libc.so.6 that compiled networks may call. Built into a stand-in for that library,
 * so that linking a network needs no libc of its target; the versions are in the .map files. */
.text
.irp name, __libc_start_main, calloc, clock_gettime, close, dlclose, dlerror, dlopen, dlsym, dprintf, __errno_location, free, getenv, getpid, lseek, malloc, memcmp, memcpy, memmove, memset, open, posix_memalign, pthread_attr_destroy, pthread_attr_init, pthread_attr_setdetachstate, pthread_create, pthread_mutex_lock, pthread_mutex_unlock, pthread_sigmask, qsort, read, realloc, rename, sched_getcpu, sigfillset, snprintf, strcmp, strlen, strncmp, strncpy, strstr, strtol, strtoll, syscall, unlink, vsnprintf, write, abort
.globl \name
.type \name, %function
\name:
.endr
.section .note.GNU-stack, "", %progbits
