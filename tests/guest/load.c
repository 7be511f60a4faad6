/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load: dirties memory at a set rate and never forgets what it wrote.
 *
 * Two sets of pages lie in one mapping.  The cold set is filled once with
 * incompressible content and never written again.  The hot set is written all
 * the time: each write stores the page's number and a sequence number, and as
 * many more bytes as asked for, all derived from those two numbers.
 *
 * What the newest content of each page must be is held three times over, in
 * three places, so that the loss of any one page of guest RAM is noticed:
 *
 *   page    its own number and sequence, and content derived from them
 *   record  the sequence last written, one word a page, in another mapping
 *   digest  one sum over every (page, sequence), in this program's own data
 *
 * A lost data page disagrees with its record; a lost page of the record
 * disagrees with the data pages (they are newer); a lost digest disagrees
 * with both.  Only a roll-back of everything at once would agree with itself:
 * the count of writes goes out with each heartbeat, so the host knows a count
 * that the guest may not fall below.
 *
 * Each visit checks the page before it writes it, and "check" reads it all.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include "status.h"

#define PAGE_BYTES 4096
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))
#define PAGES_PER_MIB (1024 * 1024 / PAGE_BYTES)

/* Sleep between batches: short beside any migration round. */
#define TICK_NS 2000000L
/* Work owed for longer than this is dropped, not caught up on: a slowed
 * guest must show as slowed, and a pause must not be followed by a spike. */
#define MAX_DEBT_S 0.05
/* Writes between two looks at the clock when running flat out. */
#define FLAT_OUT_BATCH 256

enum pattern { UNIFORM, SWEEP, SKEW };

static struct {
    uint32_t hot_pages;
    uint32_t cold_pages;
    uint32_t words_per_write;
    double writes_per_s;      /* 0 = as fast as it goes */
    double burst_s;           /* 0 = no quiet */
    double quiet_s;
    double quiet_writes_per_s;
    enum pattern pattern;
} conf = { 60 * PAGES_PER_MIB, 0, 8, 25000, 0, 0, 0, UNIFORM };

static uint64_t *pages;       /* hot set, then cold set */
static uint32_t *record;      /* last sequence written, by hot page */
static struct status *status;
static uint64_t digest;       /* sum of mark(page, record[page]) */
static uint64_t errors;
static char first_error[160];
static uint64_t random_state = 88172645463325252ULL;
static uint32_t sweep_next;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/* Word @i of page @page after its write number @seq; word 0 is the header. */
static uint64_t content(uint32_t page, uint32_t seq, uint32_t i)
{
    if (i == 0) {
        return (uint64_t)page << 32 | seq;
    }
    return mix(((uint64_t)page << 32 | seq) * 0x9e3779b97f4a7c15ULL + i);
}

static uint64_t mark(uint32_t page, uint32_t seq)
{
    return mix(((uint64_t)page << 32 | seq) + 0x632be59bd9b4e019ULL);
}

static void fail(uint32_t page, const char *what, uint64_t want, uint64_t got)
{
    if (errors++ == 0) {
        snprintf(first_error, sizeof(first_error),
                 "page %" PRIu32 ": %s: want %016" PRIx64 ", got %016" PRIx64,
                 page, what, want, got);
    }
}

static void write_page(uint32_t page)
{
    uint64_t *words = pages + page * PAGE_WORDS;
    uint32_t seq = record[page];
    uint32_t i;

    if (words[0] != content(page, seq, 0)) {
        fail(page, "found on a visit", content(page, seq, 0), words[0]);
    }
    digest += mark(page, seq + 1) - mark(page, seq);
    record[page] = ++seq;
    for (i = 0; i < conf.words_per_write; i++) {
        words[i] = content(page, seq, i);
    }
}

static uint32_t pick_page(void)
{
    uint64_t r = random_next();

    switch (conf.pattern) {
    case SWEEP:
        sweep_next = (sweep_next + 1) % conf.hot_pages;
        return sweep_next;
    case SKEW:
        /* nine writes of ten go to the first tenth of the pages */
        if (conf.hot_pages >= 10 && (r >> 60) * 10 < 9 * 16) {
            return (uint32_t)(r & 0xffffffff) % (conf.hot_pages / 10);
        }
        /* fall through */
    default:
        return (uint32_t)(((r & 0xffffffff) * conf.hot_pages) >> 32);
    }
}

static void fill(void)
{
    uint32_t total = conf.hot_pages + conf.cold_pages;
    uint32_t page, i;

    for (page = 0; page < total; page++) {
        for (i = 0; i < PAGE_WORDS; i++) {
            pages[page * PAGE_WORDS + i] = content(page, 0, i);
        }
        if (page < conf.hot_pages) {
            digest += mark(page, 0);
        }
    }
}

static void check_all(void)
{
    uint32_t total = conf.hot_pages + conf.cold_pages;
    uint64_t sum = 0, writes = 0;
    uint32_t page, i;

    for (page = 0; page < total; page++) {
        const uint64_t *words = pages + page * PAGE_WORDS;
        uint32_t seq = page < conf.hot_pages ? record[page] : 0;

        if (page < conf.hot_pages) {
            sum += mark(page, seq);
            writes += seq;
        }
        for (i = 0; i < PAGE_WORDS; i++) {
            uint64_t want = content(page, i < conf.words_per_write ? seq : 0, i);

            if (words[i] != want) {
                fail(page, page < conf.hot_pages ? "hot page" : "cold page",
                     want, words[i]);
                break;
            }
        }
    }
    if (sum != digest) {
        fail(0, "digest of the record", digest, sum);
    }
    if (writes != status->done_writes) {
        fail(0, "count of writes", status->done_writes, writes);
    }
}

/* Undo one write as a lost page would, to prove that check can fail. */
static const char *corrupt(const char *kind)
{
    uint32_t page, i;

    if (!strcmp(kind, "cold")) {
        if (!conf.cold_pages) {
            return "there is no cold set";
        }
        memset(pages + conf.hot_pages * PAGE_WORDS, 0, PAGE_BYTES);
        return NULL;
    }
    for (page = 0; page < conf.hot_pages && record[page] == 0; page++) {
    }
    if (page == conf.hot_pages) {
        return "no page was written yet";
    }
    if (!strcmp(kind, "stale")) {
        for (i = 0; i < conf.words_per_write; i++) {
            pages[page * PAGE_WORDS + i] = content(page, record[page] - 1, i);
        }
        return NULL;
    }
    if (!strcmp(kind, "record")) {
        record[page]--;
        return NULL;
    }
    if (!strcmp(kind, "digest")) {
        digest -= mark(page, record[page]) - mark(page, record[page] - 1);
        return NULL;
    }
    return "corrupt what? stale, cold, record or digest";
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_control(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = CONTROL_PATH };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    unlink(CONTROL_PATH);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(fd, 4) < 0) {
        fprintf(stderr, "load: cannot listen on %s: %s\n", CONTROL_PATH,
                strerror(errno));
        exit(1);
    }
    return fd;
}

static bool serve_control(int listener)
{
    char request[64] = "", reply[320];
    const char *problem = NULL;
    bool go_on = true;
    int fd = accept(listener, NULL, NULL);

    if (fd < 0) {
        return true;
    }
    if (read(fd, request, sizeof(request) - 1) <= 0) {
        close(fd);
        return true;
    }
    request[strcspn(request, "\n")] = '\0';
    if (!strcmp(request, "check")) {
        check_all();
    } else if (!strncmp(request, "corrupt ", 8)) {
        problem = corrupt(request + 8);
    } else if (!strcmp(request, "stop")) {
        go_on = false;
    } else if (strcmp(request, "stats")) {
        problem = "unknown request: check, stats, corrupt KIND or stop";
    }
    if (problem) {
        snprintf(reply, sizeof(reply), "refused %s\n", problem);
    } else {
        snprintf(reply, sizeof(reply), "%s writes=%" PRIu64 " wanted=%" PRIu64
                 " pages=%" PRIu32 " errors=%" PRIu64 " %s\n",
                 errors ? "bad" : "ok", status->done_writes,
                 status->wanted_writes, conf.hot_pages + conf.cold_pages,
                 errors, first_error);
    }
    if (write(fd, reply, strlen(reply)) < 0) {
        perror("load: reply");
    }
    close(fd);
    return go_on;
}

static bool in_burst(double since_start_s)
{
    if (conf.quiet_s <= 0) {
        return true;
    }
    return fmod(since_start_s, conf.burst_s + conf.quiet_s) < conf.burst_s;
}

static void run(int control)
{
    const struct timespec tick = { .tv_nsec = TICK_NS };
    double start_s = now_s(), last_s = start_s;
    double owed = 0, wanted = 0;

    while (serve_control(control)) {
        double s = now_s();
        bool burst = in_burst(s - start_s);
        double rate = burst ? conf.writes_per_s : conf.quiet_writes_per_s;
        uint32_t n = 0;

        if (burst && rate <= 0) {
            n = FLAT_OUT_BATCH;
        } else {
            wanted += (s - last_s) * rate;
            owed += (s - last_s) * rate;
            owed = fmin(owed, fmax(MAX_DEBT_S * rate, rate > 0));
            n = (uint32_t)owed;
            owed -= n;
        }
        last_s = s;
        while (n--) {
            write_page(pick_page());
            status->done_writes++;
        }
        status->wanted_writes = (uint64_t)wanted;
        if (conf.writes_per_s > 0 || !burst) {
            nanosleep(&tick, NULL);
        }
    }
}

static void *map(size_t bytes, int fd, const char *what)
{
    void *p = mmap(NULL, bytes ? bytes : PAGE_BYTES, PROT_READ | PROT_WRITE,
                   fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        fprintf(stderr, "load: no memory for %s: %s\n", what, strerror(errno));
        exit(1);
    }
    return p;
}

static double number(const char *name, const char *text, double low, double high)
{
    char *end;
    double x = strtod(text, &end);

    if (end == text || *end || !(x >= low && x <= high)) {
        fprintf(stderr, "load: --%s takes a number from %g to %g, not '%s'\n",
                name, low, high, text);
        exit(2);
    }
    return x;
}

static const char usage[] =
    "Usage: load [options]   dirty memory; control it with loadctl\n"
    "  --hot-mib N       pages that are written (default 60)\n"
    "  --cold-mib N      pages filled once, then left alone (default 0)\n"
    "  --rate N          page writes per second, 0 = flat out (default 25000)\n"
    "  --bytes N         bytes stored by each write, 8..4096 (default 64)\n"
    "  --pattern P       uniform, sweep, or skew (90% of writes to 10%)\n"
    "  --nice N          leave the CPU to others (default 0)\n"
    "  --burst-s N --quiet-s N   write for N s, then rest for N s\n"
    "  --quiet-rate N  page writes per second while it rests (default 0)\n";

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "hot-mib", required_argument, NULL, 'h' },
        { "cold-mib", required_argument, NULL, 'c' },
        { "rate", required_argument, NULL, 'r' },
        { "bytes", required_argument, NULL, 'b' },
        { "pattern", required_argument, NULL, 'p' },
        { "burst-s", required_argument, NULL, 'u' },
        { "quiet-s", required_argument, NULL, 'q' },
        { "quiet-rate", required_argument, NULL, 'l' },
        { "nice", required_argument, NULL, 'n' },
        { "help", no_argument, NULL, '?' },
        { 0 }
    };
    int opt, index;

    while ((opt = getopt_long(argc, argv, "", options, &index)) != -1) {
        const char *name = opt == '?' ? "" : options[index].name;

        switch (opt) {
        case 'h':
            conf.hot_pages = number(name, optarg, 0.0625, 1 << 20) * PAGES_PER_MIB;
            break;
        case 'c':
            conf.cold_pages = number(name, optarg, 0, 1 << 20) * PAGES_PER_MIB;
            break;
        case 'r':
            conf.writes_per_s = number(name, optarg, 0, 1e9);
            break;
        case 'b':
            conf.words_per_write = number(name, optarg, 8, PAGE_BYTES) / 8;
            break;
        case 'p':
            if (!strcmp(optarg, "uniform")) {
                conf.pattern = UNIFORM;
            } else if (!strcmp(optarg, "sweep")) {
                conf.pattern = SWEEP;
            } else if (!strcmp(optarg, "skew")) {
                conf.pattern = SKEW;
            } else {
                fprintf(stderr, "load: no pattern '%s'\n", optarg);
                exit(2);
            }
            break;
        case 'u':
            conf.burst_s = number(name, optarg, 0.001, 3600);
            break;
        case 'l':
            conf.quiet_writes_per_s = number(name, optarg, 0, 1e9);
            break;
        case 'n':
            errno = 0;
            if (nice((int)number(name, optarg, 0, 19)) == -1 && errno) {
                perror("load: nice");
                exit(1);
            }
            break;
        case 'q':
            conf.quiet_s = number(name, optarg, 0, 3600);
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (conf.quiet_s > 0 && conf.burst_s <= 0) {
        fputs("load: --quiet-s needs --burst-s\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    int fd;

    parse(argc, argv);
    fd = open(STATUS_PATH, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, PAGE_BYTES) < 0) {
        fprintf(stderr, "load: %s: %s\n", STATUS_PATH, strerror(errno));
        return 1;
    }
    status = map(PAGE_BYTES, fd, "status");
    status->done_writes = 0;
    status->wanted_writes = 0;
    pages = map((size_t)(conf.hot_pages + conf.cold_pages) * PAGE_BYTES, -1,
                "pages");
    record = map((size_t)conf.hot_pages * sizeof(*record), -1, "record");
    fill();
    /* Listening means filled: whoever starts us waits for the socket. */
    run(open_control());
    return errors != 0;
}
