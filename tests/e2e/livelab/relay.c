/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relay LISTEN CONNECT BYTES_PER_S: a slow wire between two Unix sockets.
 *
 * All connections share one token bucket in the forward direction (from who
 * connects to us, to CONNECT); the way back is free.  Buffers are kept small,
 * a few ms of the link, because what a buffer swallows at the end of a
 * migration would be missing from the downtime.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 64
#define CHUNK_BYTES 16384
/* The bucket holds this much time's worth: less than a scheduling delay would
 * lose bandwidth, more would let a burst through. */
#define BUCKET_S 0.004
#define SOCKET_BUFFER_BYTES 65536

struct way {
    int from, to;
    size_t held, sent;
    char data[CHUNK_BYTES];
};

static struct way ways[2 * MAX_CONNECTIONS];   /* even: forward, odd: back */
static int n_ways;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(a.sun_path)) {
        errno = ENAMETOOLONG;
        die(path);
    }
    strcpy(a.sun_path, path);
    return a;
}

static void small_buffers(int fd)
{
    int bytes = SOCKET_BUFFER_BYTES;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void accept_one(int listener, const char *target)
{
    struct sockaddr_un a = address(target);
    int in = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int out;

    if (in < 0) {
        return;
    }
    out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (n_ways == 2 * MAX_CONNECTIONS || out < 0 ||
        connect(out, (struct sockaddr *)&a, sizeof(a)) < 0) {
        fprintf(stderr, "relay: cannot reach %s: %s\n", target, strerror(errno));
        close(in);
        close(out);
        return;
    }
    small_buffers(in);
    small_buffers(out);
    ways[n_ways++] = (struct way) { .from = in, .to = out };
    ways[n_ways++] = (struct way) { .from = out, .to = in };
}

static void end_way(struct way *w)
{
    /* Half-close: the other direction may still have something to say. */
    shutdown(w->to, SHUT_WR);
    w->from = -1;
}

/* Move what can be moved; returns the bytes taken in. */
static size_t pump(struct way *w, size_t allowance)
{
    size_t taken = 0;
    ssize_t n;

    if (w->from < 0) {
        return 0;
    }
    if (w->held == w->sent && allowance) {
        n = read(w->from, w->data, allowance < CHUNK_BYTES ? allowance : CHUNK_BYTES);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            end_way(w);
            return 0;
        }
        if (n > 0) {
            taken = w->held = (size_t)n;
            w->sent = 0;
        }
    }
    if (w->held > w->sent) {
        n = send(w->to, w->data + w->sent, w->held - w->sent, MSG_NOSIGNAL);
        if (n > 0) {
            w->sent += (size_t)n;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            end_way(w);
            shutdown(ways[(w - ways) ^ 1].to, SHUT_RDWR);
        }
    }
    return taken;
}

int main(int argc, char **argv)
{
    struct pollfd polls[1 + 2 * MAX_CONNECTIONS];
    double rate, tokens = 0, last_s;
    struct sockaddr_un a;
    int listener, i;

    if (argc != 4 || (rate = atof(argv[3])) <= 0) {
        fputs("Usage: relay LISTEN CONNECT BYTES_PER_S\n", stderr);
        return 2;
    }
    a = address(argv[1]);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(listener, 16) < 0) {
        die(argv[1]);
    }
    small_buffers(listener);
    puts("ready");
    fflush(stdout);
    last_s = now_s();
    for (;;) {
        struct timespec nap = { 0 };
        int hungry = 0;
        double s;

        polls[0] = (struct pollfd) { .fd = listener, .events = POLLIN };
        for (i = 0; i < n_ways; i++) {
            struct way *w = &ways[i];

            polls[i + 1] = (struct pollfd) { .fd = -1 };
            if (w->from < 0) {
                continue;
            }
            if (w->held > w->sent) {
                polls[i + 1] = (struct pollfd) { .fd = w->to, .events = POLLOUT };
            } else if (i % 2 || tokens >= CHUNK_BYTES) {
                polls[i + 1] = (struct pollfd) { .fd = w->from, .events = POLLIN };
            } else {
                hungry = 1;
            }
        }
        /* Somebody waits for tokens: sleep until a chunk's worth is there. */
        nap.tv_nsec = (long)((CHUNK_BYTES - tokens) / rate * 1e9);
        if (nap.tv_nsec >= 1000000000L || nap.tv_nsec < 0) {
            nap.tv_nsec = 10000000L;
        }
        if (ppoll(polls, 1 + (nfds_t)n_ways, hungry ? &nap : NULL, NULL) < 0 &&
            errno != EINTR) {
            die("poll");
        }
        s = now_s();
        tokens += (s - last_s) * rate;
        last_s = s;
        if (tokens > rate * BUCKET_S + CHUNK_BYTES) {
            tokens = rate * BUCKET_S + CHUNK_BYTES;
        }
        if (polls[0].revents) {
            accept_one(listener, argv[2]);
        }
        for (i = 0; i < n_ways; i++) {
            if (i % 2) {
                pump(&ways[i], CHUNK_BYTES);
            } else {
                tokens -= (double)pump(&ways[i], tokens >= CHUNK_BYTES ? CHUNK_BYTES : 0);
            }
        }
    }
}
