/*
 * What the guest writes: synthetic programs, and mixtures of them.
 *
 * How many writes are due by a time follows from the rate alone, in integers:
 * how often somebody looks changes nothing.  Which pages they hit comes from a
 * seeded generator.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "writer.h"
#include "replay.h"
#include "zipf.h"

#define NS_PER_S INT64_C(1000000000)

typedef struct Running {
    SimProgram p;
    int64_t first_page, pages;
    size_t first_word;          /* when the set lies in one block */
    int first_bit;
    int64_t done;               /* writes so far */
    int64_t hot_pages;
    uint64_t random;
    int64_t stride;             /* rank -> page, when scattered */
    SimZipf zipf;
} Running;

struct SimWriter {
    Running *run;
    size_t n_run;
    SimReplay *replay;
};

/* ---- when ---- */

bool sim_program_works(const SimProgram *p, int64_t at_ns)
{
    if (at_ns < p->from_ns || (p->until_ns >= 0 && at_ns >= p->until_ns)) {
        return false;
    }
    return !p->quiet_ns || (at_ns + p->phase_ns) %
                           (p->burst_ns + p->quiet_ns) < p->burst_ns;
}

/* Time worked in bursts by at_ns, counted from the start of a burst. */
static int64_t burst_ns(const SimProgram *p, int64_t at_ns)
{
    int64_t period_ns = p->burst_ns + p->quiet_ns;

    if (!p->quiet_ns) {
        return at_ns;
    }
    return at_ns / period_ns * p->burst_ns +
           MIN(at_ns % period_ns, p->burst_ns);
}

/* Writes due by at_ns. */
static int64_t writes_due(const SimProgram *p, int64_t at_ns)
{
    int64_t end_ns = p->until_ns >= 0 ? MIN(at_ns, p->until_ns) : at_ns;

    if (end_ns <= p->from_ns) {
        return 0;
    }
    return sim_muldiv(burst_ns(p, end_ns + p->phase_ns) -
                      burst_ns(p, p->from_ns + p->phase_ns), p->rate, NS_PER_S);
}

/* ---- where ---- */

static void write_page(Running *r, SimGuest *g, int64_t page)
{
    size_t word = r->first_word + (r->first_bit + page) / 64;

    sim_guest_write(g, word, UINT64_C(1) << ((r->first_bit + page) % 64));
}

static void write_range(Running *r, SimGuest *g, int64_t page, int64_t n)
{
    while (n > 0) {
        int64_t at = r->first_bit + page;
        int64_t k = MIN(n, 64 - at % 64);
        uint64_t bits = k == 64 ? UINT64_MAX : (UINT64_C(1) << k) - 1;

        sim_guest_write(g, r->first_word + at / 64, bits << (at % 64));
        page += k;
        n -= k;
    }
}

static void sweep(Running *r, SimGuest *g, int64_t n)
{
    int64_t at = r->done % r->pages;

    if (n >= r->pages && !g->version) {
        n = r->pages;
    }
    while (n > 0) {
        int64_t k = MIN(n, r->pages - at);

        write_range(r, g, at, k);
        n -= k;
        at = 0;
    }
}

static void run(Running *r, SimGuest *g, int64_t to_ns)
{
    int64_t due = writes_due(&r->p, to_ns), n = due - r->done, i;

    switch (r->p.pattern) {
    case SIM_SWEEP:
        sweep(r, g, n);
        break;
    case SIM_UNIFORM:
        for (i = 0; i < n; i++) {
            write_page(r, g, sim_random_below(&r->random, r->pages));
        }
        break;
    case SIM_HOT:
        for (i = 0; i < n; i++) {
            bool hot = sim_random_below(&r->random, 100) <
                       (uint64_t)r->p.share_pct;

            write_page(r, g, hot
                ? (int64_t)sim_random_below(&r->random, r->hot_pages)
                : r->hot_pages + (int64_t)sim_random_below(
                    &r->random, r->pages - r->hot_pages));
        }
        break;
    case SIM_ZIPF:
        for (i = 0; i < n; i++) {
            int64_t rank = sim_zipf_next(&r->zipf, &r->random) - 1;

            write_page(r, g, sim_muldiv(rank, r->stride, 1) % r->pages);
        }
        break;
    }
    r->done = MAX(due, r->done);
}

/* ---- set-up ---- */

static int64_t gcd(int64_t a, int64_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* Multiplying by it modulo n permutes 0..n-1 and tears neighbours apart. */
static int64_t scatter_stride(int64_t n)
{
    int64_t stride = (int64_t)(n * 0.6180339887498949);

    for (stride = MAX(stride, 1); gcd(stride, n) != 1; stride++) {
        /* the next one that shares no factor with n */
    }
    return stride;
}

static bool running_init(Running *r, const SimGuest *g, const SimProgram *p,
                         size_t index, int64_t *next_page, char **errmsg)
{
    const SimBlock *ram = &g->blocks[0];
    /* Two programs of one seed are two programs all the same. */
    uint64_t seed = p->seed << 8 | index;
    size_t i;

    /* The largest block is RAM proper. */
    for (i = 1; i < g->n_blocks; i++) {
        if (g->blocks[i].pages > ram->pages) {
            ram = &g->blocks[i];
        }
    }
    r->p = *p;
    r->pages = p->set_bytes / g->page_bytes;
    r->first_page = p->at_bytes >= 0 ? p->at_bytes / g->page_bytes
                                     : *next_page;
    if (r->pages < 1 || r->first_page + r->pages > ram->pages) {
        *errmsg = g_strdup_printf(
            "a program writes pages %" PRId64 " to %" PRId64 ", but RAM has %"
            PRId64 ": use more RAM, or a smaller set", r->first_page,
            r->first_page + r->pages, ram->pages);
        return false;
    }
    *next_page = r->first_page + r->pages;
    r->first_word = ram->first_word + r->first_page / 64;
    r->first_bit = r->first_page % 64;
    /* The next seed must not be the next number of the same sequence. */
    r->random = sim_random(&seed);
    r->hot_pages = CLAMP(r->pages * p->hot_pct / 100, 1, r->pages);
    if (r->p.pattern == SIM_HOT && r->hot_pages == r->pages) {
        r->p.pattern = SIM_UNIFORM;
    }
    r->stride = p->scatter ? scatter_stride(r->pages) : 1;
    if (p->pattern == SIM_ZIPF) {
        sim_zipf_init(&r->zipf, r->pages, p->exponent);
    }
    return true;
}

SimWriter *sim_writer_new_programs(const SimGuest *g,
                                   const SimProgram *programs, size_t n,
                                   char **errmsg)
{
    SimWriter *w = g_new0(SimWriter, 1);
    int64_t next_page = 0;
    size_t i;

    w->run = g_new0(Running, n);
    for (i = 0; i < n; i++) {
        if (!running_init(&w->run[i], g, &programs[i], i, &next_page,
                          errmsg)) {
            sim_writer_free(w);
            return NULL;
        }
    }
    w->n_run = n;
    return w;
}

SimWriter *sim_writer_new_trace(const SimTrace *trace, int64_t phase_ns)
{
    SimWriter *w = g_new0(SimWriter, 1);

    w->replay = sim_replay_new(trace, phase_ns);
    return w;
}

void sim_writer_advance(SimWriter *w, SimGuest *g, int64_t to_ns)
{
    size_t i;

    for (i = 0; i < w->n_run; i++) {
        run(&w->run[i], g, to_ns);
    }
    if (w->replay) {
        sim_replay_advance(w->replay, g, to_ns);
    }
}

int64_t sim_writer_writes(const SimWriter *w)
{
    int64_t writes = w->replay ? sim_replay_writes(w->replay) : 0;
    size_t i;

    for (i = 0; i < w->n_run; i++) {
        writes += w->run[i].done;
    }
    return writes;
}

int64_t sim_writer_loops(const SimWriter *w)
{
    return w->replay ? sim_replay_loops(w->replay) : 0;
}

void sim_writer_free(SimWriter *w)
{
    if (w) {
        sim_replay_free(w->replay);
        g_free(w->run);
        g_free(w);
    }
}

/* ---- rates, for the bound ---- */

void sim_program_page_rates(const SimProgram *p, int64_t pages, float *rate)
{
    int64_t hot = CLAMP(pages * p->hot_pct / 100, 1, pages), i;
    int64_t stride = p->scatter ? scatter_stride(pages) : 1;
    double share = p->share_pct / 100.0, sum = 0;

    switch (p->pattern) {
    case SIM_ZIPF:
        for (i = pages; i > 0; i--) {
            sum += pow(i, -p->exponent);
        }
        for (i = 0; i < pages; i++) {
            rate[sim_muldiv(i, stride, 1) % pages] +=
                p->rate * pow(i + 1, -p->exponent) / sum;
        }
        break;
    case SIM_HOT:
        for (i = 0; i < pages && hot < pages; i++) {
            rate[i] += i < hot ? p->rate * share / hot
                               : p->rate * (1 - share) / (pages - hot);
        }
        if (hot < pages) {
            break;
        }
        /* fall through */
    case SIM_UNIFORM:
    case SIM_SWEEP:
        for (i = 0; i < pages; i++) {
            rate[i] += (double)p->rate / pages;
        }
        break;
    }
}
