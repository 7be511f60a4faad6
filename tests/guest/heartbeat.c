/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heartbeat TTY PERIOD_MS: number a line every few ms for the host to stamp.
 *
 * A line is "beat done wanted" in hex: its own number, and the generator's
 * counts.  The guest's clock stops while the guest does, so it says nothing
 * about an outage; the host's clock does.  Real-time priority keeps the beat
 * steady beside a busy guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "status.h"

static const struct status *map_status(void)
{
    int fd = open(STATUS_PATH, O_RDWR | O_CREAT, 0600);
    void *p;

    if (fd < 0 || ftruncate(fd, 4096) < 0) {
        perror("heartbeat: " STATUS_PATH);
        exit(1);
    }
    p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        perror("heartbeat: mmap");
        exit(1);
    }
    return p;
}

static int open_tty(const char *path)
{
    struct termios t;
    int fd = open(path, O_WRONLY | O_NOCTTY);

    if (fd < 0 || tcgetattr(fd, &t) < 0) {
        fprintf(stderr, "heartbeat: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    cfmakeraw(&t);
    cfsetspeed(&t, B115200);
    tcsetattr(fd, TCSANOW, &t);
    return fd;
}

static long ns_between(struct timespec a, struct timespec b)
{
    return (b.tv_sec - a.tv_sec) * 1000000000L + (b.tv_nsec - a.tv_nsec);
}

int main(int argc, char **argv)
{
    struct sched_param priority = { .sched_priority = 50 };
    const struct status *status = map_status();
    long period_ns = (argc > 2 ? atol(argv[2]) : 10) * 1000000L;
    struct timespec next, now;
    uint64_t beat;
    char line[64];
    int fd;

    if (argc < 2 || period_ns <= 0) {
        fputs("Usage: heartbeat TTY [PERIOD_MS]\n", stderr);
        return 2;
    }
    fd = open_tty(argv[1]);
    sched_setscheduler(0, SCHED_FIFO, &priority);
    mlockall(MCL_CURRENT);
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (beat = 0;; beat++) {
        int n = snprintf(line, sizeof(line), "%" PRIx64 " %" PRIx64 " %" PRIx64
                         "\n", beat, status->done_writes, status->wanted_writes);

        if (write(fd, line, (size_t)n) < 0) {
            perror("heartbeat: write");
            return 1;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        do {
            next.tv_nsec += period_ns;
            if (next.tv_nsec >= 1000000000L) {
                next.tv_nsec -= 1000000000L;
                next.tv_sec++;
            }
        } while (ns_between(now, next) <= 0);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}
