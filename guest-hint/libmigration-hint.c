/*
 * The library behind migration-hint.h.
 *
 * One connection to the daemon a process, made when it is first needed.  The
 * kernel closes it when the process ends, however that happens, and so the
 * daemon knows.  Whether the process is inside is computed under a lock and
 * compared with what was told last.  A process that changes its mind faster than
 * the daemon reads waits for it, but not for long: then the connection ends,
 * since a message left out could leave a tag set for ever.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "hint-local.h"
#include "migration-hint.h"

#define EXPORT __attribute__((visibility("default")))
/* A daemon that is not there is looked for once a second at most. */
#define RETRY_NS INT64_C(1000000000)
/* A daemon that does not read is waited for so long, once in that second. */
#define FULL_WAIT_MS 50

/* Open tags of threads that are no workers. */
static atomic_int depth;
/* No attempt to connect before that; INT64_MIN: connected, or never tried. */
static _Atomic int64_t retry_ns = INT64_MIN;
/* Joined or entered, and not closed. */
static atomic_bool counts;

static __thread bool worker __attribute__((tls_model("initial-exec")));
static __thread int worker_depth __attribute__((tls_model("initial-exec")));

/* All below is the lock's. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int workers, workers_inside;
static int fd = -1;
enum { NOTHING, OUTSIDE, INSIDE };
static int told;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t worker_key;

static int64_t now_ns(void)
{
    struct timespec t;

    /* Good to some ms, and without a system call. */
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&lock);
}

/*
 * A child is a process of its own that has said nothing yet.  Were it to keep
 * the connection, its parent's death would not close it.
 */
static void after_fork_child(void)
{
    if (fd >= 0) {
        close(fd);
    }
    fd = -1;
    told = NOTHING;
    counts = false;
    workers = workers_inside = 0;
    worker = false;
    worker_depth = 0;
    atomic_store(&depth, 0);
    atomic_store(&retry_ns, INT64_MIN);
    pthread_mutex_init(&lock, NULL);
}

static void worker_ends(void *unused)
{
    migration_hint_worker_end();
}

static void set_up(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
    pthread_key_create(&worker_key, worker_ends);
}

static void disconnect(void)
{
    if (fd >= 0) {
        close(fd);
    }
    fd = -1;
    told = NOTHING;
    atomic_store(&retry_ns, now_ns() + RETRY_NS);
}

static void connect_daemon(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    const char *path = secure_getenv("MIGRATION_HINT_SOCKET");
    int saved = errno;

    if (fd >= 0 || now_ns() < atomic_load(&retry_ns)) {
        return;
    }
    path = path ? path : HINT_SOCKET;
    if (strlen(path) < sizeof(addr.sun_path)) {
        memcpy(addr.sun_path, path, strlen(path) + 1);
        /* Not blocking: a daemon that hangs must not hang us. */
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    told = NOTHING;
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        disconnect();
    } else {
        atomic_store(&retry_ns, INT64_MIN);
    }
    errno = saved;
}

static bool is_inside(void)
{
    return atomic_load(&depth) > 0 ||
           (workers > 0 && workers_inside == workers);
}

static bool send_message(const char *text)
{
    struct pollfd p = { fd, POLLOUT, 0 };

    if (send(fd, text, strlen(text), MSG_NOSIGNAL) >= 0) {
        return true;
    }
    return errno == EAGAIN && poll(&p, 1, FULL_WAIT_MS) == 1 &&
           send(fd, text, strlen(text), MSG_NOSIGNAL) >= 0;
}

/* Tells where the process is, if that is news.  Called with the lock. */
static void tell(const char *tag)
{
    int is = is_inside() ? INSIDE : OUTSIDE;
    int tries, saved = errno;
    char text[HINT_MESSAGE_MAX];
    bool again;

    /* The second time for a daemon that was started anew meanwhile. */
    for (tries = 0; tries < 2 && counts; tries++) {
        connect_daemon();
        if (fd < 0 || told == is) {
            break;
        }
        if (is == INSIDE && tag && hint_name_valid(tag)) {
            snprintf(text, sizeof(text), "enter tag=%s", tag);
        } else {
            strcpy(text, is == INSIDE ? "enter" : "leave");
        }
        if (send_message(text)) {
            told = is;
            break;
        }
        again = errno == EPIPE || errno == ECONNRESET;
        disconnect();
        if (!again) {
            break;
        }
        atomic_store(&retry_ns, INT64_MIN);
    }
    errno = saved;
}

static void transition(const char *tag)
{
    int64_t retry = atomic_load_explicit(&retry_ns, memory_order_relaxed);

    /* The way of a machine without a daemon: no lock, no system call. */
    if (retry != INT64_MIN && now_ns() < retry) {
        counts = true;
        return;
    }
    pthread_once(&once, set_up);
    pthread_mutex_lock(&lock);
    counts = true;
    tell(tag);
    pthread_mutex_unlock(&lock);
}

EXPORT void migration_hint_enter(const char *tag)
{
    if (worker) {
        if (worker_depth++ == 0) {
            pthread_mutex_lock(&lock);
            workers_inside++;
            counts = true;
            tell(tag);
            pthread_mutex_unlock(&lock);
        }
    } else if (atomic_fetch_add(&depth, 1) == 0) {
        transition(tag);
    }
}

EXPORT void migration_hint_leave(void)
{
    int n;

    if (worker) {
        if (worker_depth > 0 && --worker_depth == 0) {
            pthread_mutex_lock(&lock);
            workers_inside--;
            tell(NULL);
            pthread_mutex_unlock(&lock);
        }
        return;
    }
    n = atomic_load_explicit(&depth, memory_order_relaxed);
    do {
        if (n <= 0) {
            return;
        }
    } while (!atomic_compare_exchange_weak(&depth, &n, n - 1));
    if (n == 1) {
        transition(NULL);
    }
}

EXPORT void migration_hint_join(void)
{
    transition(NULL);
}

EXPORT void migration_hint_close(void)
{
    pthread_mutex_lock(&lock);
    counts = false;
    if (fd >= 0) {
        disconnect();
        atomic_store(&retry_ns, INT64_MIN);
    }
    pthread_mutex_unlock(&lock);
}

EXPORT void migration_hint_worker_begin(void)
{
    if (worker) {
        return;
    }
    pthread_once(&once, set_up);
    /* Any value but NULL: the destructor runs when the thread ends. */
    pthread_setspecific(worker_key, &worker_key);
    pthread_mutex_lock(&lock);
    worker = true;
    worker_depth = 0;
    workers++;
    counts = true;
    tell(NULL);
    pthread_mutex_unlock(&lock);
}

EXPORT void migration_hint_worker_end(void)
{
    if (!worker) {
        return;
    }
    pthread_mutex_lock(&lock);
    worker = false;
    workers--;
    workers_inside -= worker_depth > 0;
    worker_depth = 0;
    tell(NULL);
    pthread_mutex_unlock(&lock);
}

EXPORT void migration_hint_query(struct migration_hint_status *status)
{
    int saved = errno;
    char byte;

    pthread_once(&once, set_up);
    pthread_mutex_lock(&lock);
    /* A daemon that went away, or refused us, has closed its end. */
    if (fd >= 0 && recv(fd, &byte, 1, MSG_PEEK) >= 0) {
        disconnect();
        atomic_store(&retry_ns, INT64_MIN);
    }
    if (counts) {
        tell(NULL);
    } else {
        connect_daemon();
    }
    status->connected = fd >= 0;
    status->inside = is_inside();
    status->depth = worker ? worker_depth : atomic_load(&depth);
    pthread_mutex_unlock(&lock);
    errno = saved;
}
