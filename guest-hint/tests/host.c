/*
 * The hypervisor's end, for tests/run: the engine's own parser on a terminal.
 *
 * Standard input and output are the wire.  Each line that comes, and where the
 * guest is taken to be after it, goes to standard error.  SIGUSR1 asks the
 * guest to state what it has, as the start of a migration does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "guest-hint-channel.h"
#include "guest-hint-gate.h"

static volatile sig_atomic_t asked;

static void on_signal(int signal)
{
    asked = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void tell(MigHintState *s, const char *line, size_t len)
{
    MigHintWhy why;
    MigHintWhere where = mig_hint_state_where(s, now_ns(), &why);

    fprintf(stderr, "%s\t%s\t%.*s\n", mig_hint_where_name(where),
            mig_hint_why_name(why), (int)len, line);
}

static void answer(MigHintChannel *ch)
{
    char buf[MIG_HINT_OUTPUT_MAX];
    size_t n = mig_hint_channel_take(ch, buf, sizeof(buf)), at = 0;

    while (at < n) {
        ssize_t done = write(STDOUT_FILENO, buf + at, n - at);

        if (done <= 0) {
            return;
        }
        at += done;
    }
}

/* For the check of the documents. */
static int print_tables(const char *which)
{
    int i;

    if (strcmp(which, "--reasons") == 0) {
        for (i = 0; i < MIG_HINT_REASON__MAX; i++) {
            printf("%s\t%s\n", mig_hint_reason_name(i),
                   mig_hint_reason_text(i));
        }
    } else {
        for (i = MIG_HINT_OK + 1; i < MIG_HINT_ERROR__MAX; i++) {
            puts(mig_hint_error_name(i));
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_signal };
    static MigHintState state;
    static MigHintChannel ch;
    static char line[4096];
    size_t len = 0;
    char c;

    if (argc > 1) {
        return print_tables(argv[1]);
    }
    sigaction(SIGUSR1, &action, NULL);
    mig_hint_state_init(&state);
    mig_hint_channel_init(&ch, &state);
    mig_hint_channel_open(&ch, now_ns());
    answer(&ch);
    for (;;) {
        struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
        int n = poll(&p, 1, 200);

        if (asked) {
            asked = 0;
            mig_hint_channel_query(&ch, now_ns());
        } else if (n == 0) {
            tell(&state, "", 0);
        } else if (n > 0) {
            if (read(STDIN_FILENO, &c, 1) <= 0) {
                if (errno == EINTR) {
                    continue;
                }
                return 0;
            }
            mig_hint_channel_feed(&ch, &c, 1, now_ns());
            if (c == '\n') {
                tell(&state, line, len);
                len = 0;
            } else if (len < sizeof(line)) {
                line[len++] = c;
            }
        }
        answer(&ch);
    }
}
