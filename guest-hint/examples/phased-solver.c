/*
 * A solver that works in phases, and says in which of them it can be moved.
 *
 * It sweeps over a grid, in memory, as an iterative solver does: write-heavy,
 * all of the grid is dirtied again and again.  Then it looks at the result
 * (norms, a checksum): the grid is read, and hardly anything is written.  The
 * second phase is the one that is tagged.  How much work was done is counted,
 * so that runs with and without a migration can be compared.  And whether its
 * memory came through unharmed: the grid follows from the amount of work alone,
 * so its digest at the end is that of any other run that did as much (--replay).
 *
 * Usage: phased-solver [--mib N] [--stride N] [--heavy-ms N] [--light-ms N]
 *                      [--seconds N] [--no-hints] [--quiet] [--progress FILE]
 *        phased-solver [--mib N] [--stride N] --replay PAGES
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "migration-hint.h"

#define CELLS_A_PAGE (4096 / sizeof(double))
/* Between two looks at the clock. */
#define PAGES_A_STEP 64

typedef struct Solver {
    double *grid;
    size_t cells, at;
    size_t stride;              /* 8: one cell a cache line, a coarser grid */
    int64_t sweeps;             /* of the whole grid, in heavy phases */
    int64_t pages;              /* written */
    double sum;
} Solver;

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
    stop = 1;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Gauss-Seidel in one dimension: each cell of so many from its neighbours. */
static void relax(Solver *s, size_t cells)
{
    double *grid = s->grid;
    size_t i, at = s->at, stride = s->stride;

    for (i = 0; i < cells; i += stride) {
        size_t left = (at ? at : s->cells) - stride;
        size_t right = at + stride < s->cells ? at + stride : 0;

        grid[at] = 0.5 * grid[at] + 0.25 * (grid[left] + grid[right]);
        at = right;
        s->sweeps += !at;
    }
    s->at = at;
    s->pages += cells / CELLS_A_PAGE;
}

static void heavy(Solver *s, int64_t until_ms)
{
    while (!stop && now_ms() < until_ms) {
        relax(s, PAGES_A_STEP * CELLS_A_PAGE);
    }
}

static void light(Solver *s, int64_t until_ms)
{
    size_t i, from = 0;

    while (!stop && now_ms() < until_ms) {
        for (i = 0; i < PAGES_A_STEP * CELLS_A_PAGE; i++) {
            s->sum += s->grid[from];
            from = from + 1 < s->cells ? from + 1 : 0;
        }
    }
}

static void fill(Solver *s)
{
    size_t i;

    for (i = 0; i < s->cells; i++) {
        s->grid[i] = i % 97;
    }
}

/* Of every bit of the grid, and of where it is. */
static uint64_t digest(const Solver *s)
{
    uint64_t bits, hash = s->at;
    size_t i;

    for (i = 0; i < s->cells; i++) {
        memcpy(&bits, &s->grid[i], sizeof(bits));
        hash = (hash ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

/* At the end with the digest, which takes a while. */
static void report(const Solver *s, const char *path, int64_t phases,
                   int64_t ms, bool end)
{
    char text[200];
    int len = snprintf(text, sizeof(text), "phases %" PRId64 " sweeps %" PRId64
                       " pages %" PRId64 " ms %" PRId64, phases, s->sweeps,
                       s->pages, ms);
    FILE *f;

    if (end) {
        snprintf(text + len, sizeof(text) - len, " digest %016" PRIx64,
                 digest(s));
    }
    f = path ? fopen(path, "w") : stdout;
    if (!f) {
        perror(path);
        return;
    }
    fprintf(f, "%s\n", text);
    if (path) {
        fclose(f);
    } else {
        fflush(f);
    }
}

static int64_t number(const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    if (!*text || *end || n < 0 || n > INT32_MAX) {
        fprintf(stderr, "phased-solver: error: %s is no number\n", text);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "mib", required_argument, NULL, 'm' },
        { "heavy-ms", required_argument, NULL, 'h' },
        { "light-ms", required_argument, NULL, 'l' },
        { "seconds", required_argument, NULL, 's' },
        { "no-hints", no_argument, NULL, 'n' },
        { "quiet", no_argument, NULL, 'q' },
        { "progress", required_argument, NULL, 'p' },
        { "stride", required_argument, NULL, 't' },
        { "replay", required_argument, NULL, 'r' },
        { "help", no_argument, NULL, '?' },
        { NULL, 0, NULL, 0 },
    };
    int64_t mib = 64, heavy_ms = 3000, light_ms = 1000, seconds = 0;
    int64_t started_ms, end_ms, phases = 0, replay = -1;
    bool hints = true, quiet = false;
    const char *progress = NULL;
    Solver s = { .stride = 1 };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'm':
            mib = number(optarg);
            break;
        case 'h':
            heavy_ms = number(optarg);
            break;
        case 'l':
            light_ms = number(optarg);
            break;
        case 's':
            seconds = number(optarg);
            break;
        case 'n':
            hints = false;
            break;
        case 'q':
            quiet = true;
            break;
        case 'p':
            progress = optarg;
            break;
        case 't':
            s.stride = number(optarg);
            break;
        case 'r':
            replay = number(optarg);
            break;
        default:
            puts("Usage: phased-solver [--mib N] [--stride N] [--heavy-ms N]"
                 " [--light-ms N]\n                     [--seconds N]"
                 " [--no-hints] [--quiet] [--progress FILE]\n"
                 "       phased-solver [--mib N] [--stride N] --replay PAGES\n"
                 "N seconds, or until it is ended; a line a phase with the work"
                 " done so far, to\nstandard output or to FILE, at the end with"
                 " a digest of the result.  --replay\ndoes so much work at"
                 " once: the digest has to be the same.  --stride solves only"
                 "\nevery N-th cell, and so writes pages faster.");
            return optind > 1 && !strcmp(argv[optind - 1], "--help") ? 0 : 2;
        }
    }
    if (!s.stride || s.stride > CELLS_A_PAGE || CELLS_A_PAGE % s.stride) {
        fputs("phased-solver: error: --stride is a power of 2 up to 512\n",
              stderr);
        return 2;
    }
    s.cells = (mib ? mib : 1) * 1048576 / sizeof(double);
    s.grid = malloc(s.cells * sizeof(double));
    if (!s.grid) {
        fprintf(stderr, "phased-solver: error: no memory for --mib %" PRId64
                "\n", mib);
        return 1;
    }
    if (replay >= 0) {
        fill(&s);
        relax(&s, replay * CELLS_A_PAGE);
        report(&s, progress, 0, 0, true);
        return 0;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);

    started_ms = now_ms();
    end_ms = seconds ? started_ms + seconds * 1000 : INT64_MAX;
    if (hints) {
        migration_hint_join();          /* the first phase is a heavy one */
    }
    fill(&s);
    while (!stop && now_ms() < end_ms) {
        heavy(&s, now_ms() + heavy_ms);
        if (hints) {
            migration_hint_enter("check");
        }
        light(&s, now_ms() + light_ms);
        if (hints) {
            migration_hint_leave();
        }
        phases++;
        if (!quiet) {
            report(&s, progress, phases, now_ms() - started_ms, false);
        }
    }
    report(&s, progress, phases, now_ms() - started_ms, true);
    /* Used, so that no compiler leaves the light phase out. */
    return s.sum == 42.4242;
}
