/*
 * What no order of sending can beat.
 *
 * C pages that hold content are clean at the destination.  Sending raises C by
 * at most B, the pages that the link carries a second; the guest lowers it by
 * the rates at which it writes those that are clean.  For a given C that is
 * least when the slowest pages are the clean ones (a fractional knapsack):
 * f(C), the sum of the C lowest rates.  So
 *
 *     dC/dt <= B(t) - f_t(C),    C(0) = 0,
 *
 * and stopping at t costs at least the time for the N - C(t) pages that are
 * not clean, whatever was sent, in whatever order, with everything known at
 * every moment.  In a steady state C is where f(C) = B: for H pages written
 * equally often, r times a second each, B / r of them.
 *
 * What it assumes: a fluid, that is, many pages, each written independently at
 * its mean rate (a sweep has the same bound, for each clean page in it was
 * sent within its last turn).  Syncs, zero pages and the thread's work cost
 * nothing.  A program's rates are known; f changes when it rests.  A trace's
 * are estimated second by second from how many of the second's records hold
 * the page, which is noisy: there the bound is an estimate.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "oracle.h"
#include "text.h"
#include <stdlib.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define STEP_NS NS_PER_MS
#define LOOK_STEPS 10           /* steps between two looks at the cost */
#define WINDOW_NS NS_PER_S      /* of a trace */
#define PAGES_MAX (1 << 25)     /* in which anything is written: 128 GiB */

/* f, by pages of equal rate in ascending order. */
typedef struct Curve {
    double *pages;              /* up to and with class i */
    double *writes;             /* f() of that */
    size_t n;
} Curve;

static void curve_clear(Curve *k)
{
    g_free(k->pages);
    g_free(k->writes);
    *k = (Curve) { NULL };
}

static int compare_rates(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* still pages that are never written, and n with these rates. */
static Curve curve_new(double still, float *rate, size_t n)
{
    Curve k = {
        .pages = g_new(double, n + 1), .writes = g_new(double, n + 1),
    };
    double pages = still, writes = 0;
    size_t i;

    qsort(rate, n, sizeof(*rate), compare_rates);
    k.pages[0] = still;
    k.writes[0] = 0;
    k.n = 1;
    for (i = 0; i < n; i++) {
        bool same = i && rate[i] == rate[i - 1];

        pages += 1;
        writes += rate[i];
        k.n += !same;
        k.pages[k.n - 1] = pages;
        k.writes[k.n - 1] = writes;
    }
    return k;
}

static double curve_at(const Curve *k, double c)
{
    size_t low = 0, high = k->n - 1;
    double share;

    if (c <= k->pages[0]) {
        return 0;
    }
    if (c >= k->pages[high]) {
        return k->writes[high];
    }
    while (high - low > 1) {
        size_t mid = (low + high) / 2;

        if (k->pages[mid] < c) {
            low = mid;
        } else {
            high = mid;
        }
    }
    share = (c - k->pages[low]) / (k->pages[high] - k->pages[low]);
    return k->writes[low] + share * (k->writes[high] - k->writes[low]);
}

/* ---- where f comes from ---- */

typedef struct Source {
    const SimCase *c;
    double content_pages;       /* N */
    int64_t key;                /* what the curve is for; -1: none */
    Curve curve;
} Source;

/* Which programs work: a bit each. */
static int64_t program_key(const SimCase *c, int64_t at_ns)
{
    int64_t key = 0;
    size_t i;

    for (i = 0; i < c->n_programs; i++) {
        key |= (int64_t)sim_program_works(&c->programs[i], at_ns) << i;
    }
    return key;
}

static Curve program_curve(const Source *s, int64_t key)
{
    const SimCase *c = s->c;
    int64_t next = 0, most = 0, first, pages;
    float *rate;
    Curve curve;
    size_t i;
    int pass;

    rate = NULL;
    for (pass = 0; pass < 2; pass++) {
        next = 0;
        for (i = 0; i < c->n_programs; i++) {
            const SimProgram *p = &c->programs[i];

            pages = p->set_bytes / c->page_bytes;
            first = p->at_bytes >= 0 ? p->at_bytes / c->page_bytes : next;
            next = first + pages;
            most = MAX(most, next);
            if (rate && (key >> i & 1)) {
                sim_program_page_rates(p, pages, rate + first);
            }
        }
        if (!rate) {
            rate = g_new0(float, most);
        }
    }
    curve = curve_new(MAX(s->content_pages - most, 0), rate, most);
    g_free(rate);
    return curve;
}

/* Rates in the second that begins at from_ns of the trace. */
static Curve trace_curve(const Source *s, int64_t from_ns)
{
    const SimTrace *t = s->c->trace;
    uint8_t *count = g_new0(uint8_t, t->n_words * 64);
    size_t written = 0, records = 0, i, k;
    double seconds;
    float *rate;
    Curve curve;

    for (i = 0; i < t->n_records; i++) {
        const SimTraceRecord *r = &t->records[i];

        if (r->time_ns <= from_ns || r->time_ns > from_ns + WINDOW_NS ||
            records == UINT8_MAX) {
            continue;
        }
        records++;
        for (k = 0; k < r->n; k++) {
            const SimTraceWord *word = &t->words[r->first + k];
            uint64_t left = word->bits;

            left &= t->zero ? ~t->zero[word->word] : UINT64_MAX;
            for (; left; left &= left - 1) {
                count[(size_t)word->word * 64 + __builtin_ctzll(left)]++;
            }
        }
    }
    rate = g_new(float, t->n_words * 64);
    seconds = records * (t->interval_ns / 1e9);
    for (i = 0; i < t->n_words * 64; i++) {
        if (count[i]) {
            /* Written in each record: at least so often, not without end. */
            double idle = MAX(records - count[i], 0.5) / records;

            rate[written++] = -log(idle) * records / seconds;
        }
    }
    curve = curve_new(MAX(s->content_pages - written, 0), rate, written);
    g_free(rate);
    g_free(count);
    return curve;
}

static const Curve *source_at(Source *s, int64_t at_ns)
{
    const SimTrace *t = s->c->trace;
    int64_t trace_ns = t ? (at_ns + s->c->phase_ns) % t->duration_ns : 0;
    int64_t key = t ? trace_ns / WINDOW_NS * WINDOW_NS
                    : program_key(s->c, at_ns);

    if (key != s->key) {
        curve_clear(&s->curve);
        s->curve = t ? trace_curve(s, key) : program_curve(s, key);
        s->key = key;
    }
    return &s->curve;
}

static bool source_init(Source *s, const SimCase *c)
{
    int64_t touched = 0;
    size_t i;

    *s = (Source) { .c = c, .key = -1 };
    if (c->trace) {
        s->content_pages = c->trace->pages - c->trace->zero_pages;
        return c->trace->pages <= PAGES_MAX;
    }
    s->content_pages = c->ram_bytes / c->page_bytes;
    s->content_pages -= sim_muldiv(s->content_pages, c->zero_pct, 100);
    for (i = 0; i < c->n_programs; i++) {
        touched += c->programs[i].set_bytes / c->page_bytes;
    }
    return touched <= PAGES_MAX;
}

/* ---- the bound ---- */

void sim_bound(const SimCase *c, const SimConfig *config, SimOracle *oracle)
{
    int64_t wire_bytes = 0, page_bytes, at_ns = config->costs.setup_ns;
    int64_t until_ns, downtime_ns, step;
    double clean = 0;
    Source s;

    if (!source_init(&s, c)) {
        return;
    }
    page_bytes = c->trace ? c->trace->page_bytes : c->page_bytes;
    wire_bytes = page_bytes + config->costs.page_head_bytes;
    for (step = 0; at_ns < config->time_limit_ns; step++, at_ns += STEP_NS) {
        double b = (double)sim_link_bps(&config->link, at_ns, true, &until_ns) /
                   wire_bytes;
        const Curve *f = source_at(&s, at_ns);

        if (step % LOOK_STEPS == 0) {
            SimLink link = config->link;
            int64_t total_ns, bytes;

            link.busy_until_ns = 0;
            bytes = (s.content_pages - clean) * wire_bytes +
                    config->costs.device_bytes;
            sim_link_send(&link, at_ns, MAX(bytes, 0), false);
            downtime_ns = link.busy_until_ns - at_ns +
                          config->costs.completion_ns;
            total_ns = at_ns + downtime_ns;
            if (oracle->bound_cost_ns < 0 ||
                sim_cost_ns(total_ns, downtime_ns) < oracle->bound_cost_ns) {
                oracle->bound_cost_ns = sim_cost_ns(total_ns, downtime_ns);
                oracle->bound_total_ns = total_ns;
                oracle->bound_downtime_ns = downtime_ns;
            }
            if (oracle->least_downtime_ns < 0 ||
                downtime_ns < oracle->least_downtime_ns) {
                oracle->least_downtime_ns = downtime_ns;
            }
        }
        clean += (b - curve_at(f, clean)) * (STEP_NS / 1e9);
        clean = CLAMP(clean, 0, s.content_pages);
    }
    curve_clear(&s.curve);
}
