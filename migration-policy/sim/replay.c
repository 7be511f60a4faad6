/*
 * A recorded trace as a guest's program.
 *
 * A record tells that a page was written at least once in its interval, not
 * when.  The words of a record (64 pages each) are spread evenly and at random
 * over the interval, each at one moment, the same in every run; a page written
 * several times within one interval counts once there, as in the trace.  So a
 * simulation that syncs more often than the trace was recorded sees a little
 * too little of what is very hot.
 *
 * Past its end the trace begins anew.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "replay.h"
#include "text.h"
#include <errno.h>
#include <stdio.h>

/* Words (16 bytes each) that a trace may need in memory: 4 GiB. */
#define TRACE_WORDS_MAX (INT64_C(1) << 28)

struct SimReplay {
    const SimTrace *trace;
    int64_t phase_ns;
    int64_t at_ns;              /* of the guest, plus the phase */
    int64_t writes;
};

/* ---- loading ---- */

static SimTrace *trace_new(const MigTraceHeader *h)
{
    SimTrace *t = g_new0(SimTrace, 1);
    size_t i;

    t->page_bytes = h->page_bytes;
    t->interval_ns = h->interval_ns;
    t->accel = g_strdup(h->accel);
    t->label = g_strdup(h->label);
    t->n_blocks = h->n_blocks;
    t->blocks = g_new0(MigTraceBlock, h->n_blocks);
    for (i = 0; i < h->n_blocks; i++) {
        t->blocks[i].name = g_strdup(h->blocks[i].name);
        t->blocks[i].bytes = h->blocks[i].bytes;
        t->pages += mig_trace_block_pages(h, i);
        t->n_words += mig_trace_block_words(h, i);
    }
    return t;
}

void sim_trace_free(SimTrace *t)
{
    size_t i;

    if (!t) {
        return;
    }
    for (i = 0; i < t->n_blocks; i++) {
        g_free((char *)t->blocks[i].name);
    }
    g_free(t->blocks);
    g_free(t->accel);
    g_free(t->label);
    g_free(t->zero);
    g_free(t->records);
    g_free(t->words);
    g_free(t);
}

/* All items; NULL or what is wrong. */
static char *trace_fill(SimTrace *t, MigTraceReader *r)
{
    GArray *records = g_array_new(false, false, sizeof(SimTraceRecord));
    GArray *words = g_array_new(false, false, sizeof(SimTraceWord));
    size_t *first_word = g_new0(size_t, t->n_blocks + 1), i;
    MigTraceItemKind kind;
    MigTraceItem item;
    char *errmsg = NULL;

    for (i = 0; i < t->n_blocks; i++) {
        first_word[i + 1] = first_word[i] +
            mig_trace_block_words(mig_trace_reader_header(r), i);
    }
    while (!errmsg && (kind = mig_trace_read(r, &item)) != MIG_TRACE_END) {
        switch (kind) {
        case MIG_TRACE_ZERO:
            if (!t->zero) {
                t->zero = g_new0(uint64_t, t->n_words);
            }
            for (i = 0; i < item.n_words; i++) {
                t->zero[first_word[item.block] + item.first_word + i] =
                    item.words[i];
                t->zero_pages += __builtin_popcountll(item.words[i]);
            }
            break;
        case MIG_TRACE_RECORD: {
            SimTraceRecord record = { MAX(item.time_ns, 1), words->len, 0 };

            /* Two records of one moment are one. */
            if (record.time_ns > t->duration_ns) {
                g_array_append_val(records, record);
                t->duration_ns = record.time_ns;
            }
            break;
        }
        case MIG_TRACE_WORDS:
            for (i = 0; i < item.n_words; i++) {
                SimTraceWord word = {
                    first_word[item.block] + item.first_word + i,
                    item.words[i]
                };

                g_array_append_val(words, word);
                t->dirtied_pages += __builtin_popcountll(item.words[i]);
            }
            g_array_index(records, SimTraceRecord, records->len - 1).n +=
                item.n_words;
            if (words->len > TRACE_WORDS_MAX) {
                errmsg = g_strdup("it needs more than 4 GiB of memory");
            }
            break;
        default:
            errmsg = g_strdup(mig_trace_reader_error(r));
        }
    }
    g_free(first_word);
    t->n_records = records->len;
    t->records = (SimTraceRecord *)g_array_free(records, false);
    t->words = (SimTraceWord *)g_array_free(words, false);
    return errmsg;
}

SimTrace *sim_trace_load(const char *path, char **errmsg)
{
    FILE *file = fopen(path, "rb");
    MigTraceReader *r;
    SimTrace *t = NULL;
    char *error;

    *errmsg = NULL;
    if (!file) {
        *errmsg = g_strdup_printf("%s: %s", path, g_strerror(errno));
        return NULL;
    }
    r = mig_trace_reader_new(mig_trace_file_source, file, &error);
    if (r) {
        t = trace_new(mig_trace_reader_header(r));
        if (t->n_words > UINT32_MAX) {
            error = g_strdup("its guest is too big");
        } else {
            error = trace_fill(t, r);
        }
        if (!error && t->duration_ns <= 0) {
            error = g_strdup("it is empty: no record after its start");
        }
        mig_trace_reader_free(r);
    }
    fclose(file);
    if (error) {
        *errmsg = g_strdup_printf("%s: %s", path, error);
        g_free(error);
        sim_trace_free(t);
        return NULL;
    }
    return t;
}

SimGuest *sim_trace_guest(const SimTrace *t, bool check)
{
    SimGuest *g = sim_guest_new(t->page_bytes, t->blocks, t->n_blocks, check);

    if (t->zero) {
        memcpy(g->zero, t->zero, t->n_words * sizeof(*t->zero));
    }
    return g;
}

/* ---- replaying ---- */

SimReplay *sim_replay_new(const SimTrace *trace, int64_t phase_ns)
{
    SimReplay *r = g_new0(SimReplay, 1);

    r->trace = trace;
    r->phase_ns = phase_ns % trace->duration_ns;
    r->at_ns = r->phase_ns;
    return r;
}

/* Index of the first record whose time is after at_ns. */
static size_t record_after(const SimTrace *t, int64_t at_ns)
{
    size_t low = 0, high = t->n_records;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (t->records[mid].time_ns > at_ns) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

/* The words of record i that come within [from_ns, to_ns) of the trace. */
static void replay_record(SimReplay *r, SimGuest *g, size_t i, int64_t from_ns,
                          int64_t to_ns)
{
    const SimTraceRecord *record = &r->trace->records[i];
    int64_t begin_ns = i ? record[-1].time_ns : 0;
    int64_t length_ns = record->time_ns - begin_ns;
    size_t k;

    for (k = 0; k < record->n; k++) {
        const SimTraceWord *word = &r->trace->words[record->first + k];
        uint64_t state = (uint64_t)i << 32 | word->word;
        int64_t at_ns = begin_ns + sim_random_below(&state, length_ns);

        if (at_ns >= from_ns && at_ns < to_ns) {
            sim_guest_write(g, word->word, word->bits);
            r->writes += __builtin_popcountll(word->bits);
        }
    }
}

void sim_replay_advance(SimReplay *r, SimGuest *g, int64_t to_ns)
{
    const SimTrace *t = r->trace;

    to_ns += r->phase_ns;
    while (r->at_ns < to_ns) {
        int64_t from_ns = r->at_ns % t->duration_ns;
        int64_t end_ns = MIN(from_ns + (to_ns - r->at_ns), t->duration_ns);
        size_t i = record_after(t, from_ns);

        for (; i < t->n_records &&
               (i == 0 ? 0 : t->records[i - 1].time_ns) < end_ns; i++) {
            replay_record(r, g, i, from_ns, end_ns);
        }
        r->at_ns += end_ns - from_ns;
    }
}

int64_t sim_replay_writes(const SimReplay *r)
{
    return r->writes;
}

int64_t sim_replay_loops(const SimReplay *r)
{
    return r->at_ns > 0 ? (r->at_ns - 1) / r->trace->duration_ns : 0;
}

void sim_replay_free(SimReplay *r)
{
    g_free(r);
}
