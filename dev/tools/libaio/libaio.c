/*
 * The three calls of libaio that mysqld makes, straight to the kernel.
 *
 * MySQL's Linux builds are linked against libaio.so.1. Many machines do not have it, newer Debian and Ubuntu ship it
 * under another name (libaio.so.1t64), and installing it takes root. The library is only a thin wrapper over system
 * calls, so `dev/tools/setup.py` compiles this one where the system has none. As in libaio, errors are returned as -errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

int io_setup(int events, aio_context_t *context) { return result(syscall(SYS_io_setup, events, context)); }

int io_destroy(aio_context_t context) { return result(syscall(SYS_io_destroy, context)); }

int io_submit(aio_context_t context, long count, struct iocb **blocks) {
    return result(syscall(SYS_io_submit, context, count, blocks));
}

int io_getevents(aio_context_t context, long least, long most, struct io_event *events, struct timespec *timeout) {
    return result(syscall(SYS_io_getevents, context, least, most, events, timeout));
}
