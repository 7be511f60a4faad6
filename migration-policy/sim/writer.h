/*
 * What the guest writes, and when: synthetic programs, or a recorded trace.
 *
 * Time is the guest's: it goes slower than the migration's while the guest is
 * throttled, and stands still while it is stopped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_SIM_WRITER_H
#define MIG_SIM_WRITER_H

#include "guest.h"

typedef enum SimPattern {
    SIM_UNIFORM,        /* every page of the set is as likely */
    SIM_ZIPF,           /* rank k with a probability of 1 / k^s */
    SIM_HOT,            /* share_pct of the writes go to hot_pct of the set */
    SIM_SWEEP,          /* one page after the other, over and over */
} SimPattern;

/* One program.  Several of them make a mixture, their times make phases. */
typedef struct SimProgram {
    SimPattern pattern;
    int64_t rate;               /* page writes a second while it works */
    int64_t set_bytes;          /* it writes this much memory... */
    int64_t at_bytes;           /* ...from here on; -1: behind the last one */
    int64_t share_pct, hot_pct; /* SIM_HOT */
    double exponent;            /* SIM_ZIPF */
    bool scatter;               /* SIM_ZIPF: hot pages lie all over the set */
    int64_t burst_ns, quiet_ns; /* works, rests, works...; quiet 0: no rest */
    int64_t phase_ns;           /* where in a burst it is at the start */
    int64_t from_ns, until_ns;  /* works within; until -1: for ever */
    uint64_t seed;
} SimProgram;

/*
 * "uniform,set=60M,rate=25000", "zipf,set=1G,rate=200k,s=0.99",
 * "hot,set=150M,rate=25k,share=90%,hot=10%",
 * "sweep,set=150M,rate=25k,burst=3s,quiet=3s,phase=1s,from=0s,until=20s".
 * Returns false and sets *errmsg (g_free).
 */
bool sim_program_parse(SimProgram *p, const char *text, char **errmsg);

/* The programs' settings, for --help. */
extern const char sim_program_help[];

typedef struct SimWriter SimWriter;
typedef struct SimTrace SimTrace;

/*
 * Programs on a guest; programs are copied.  NULL and *errmsg if a set does
 * not fit the guest's RAM.
 */
SimWriter *sim_writer_new_programs(const SimGuest *g,
                                   const SimProgram *programs, size_t n,
                                   char **errmsg);

/* A trace from phase_ns on; the guest must have the trace's blocks. */
SimWriter *sim_writer_new_trace(const SimTrace *trace, int64_t phase_ns);

/*
 * The guest's time goes on to to_ns: writes what is due.  Times do not go
 * back.
 */
void sim_writer_advance(SimWriter *w, SimGuest *g, int64_t to_ns);

/* Page writes so far (trace: pages found dirty in its records). */
int64_t sim_writer_writes(const SimWriter *w);

/* How often a trace began anew; 0 for programs. */
int64_t sim_writer_loops(const SimWriter *w);
void sim_writer_free(SimWriter *w);

/* True while the program works at this time of the guest's. */
bool sim_program_works(const SimProgram *p, int64_t at_ns);

/* The expected writes a second to each page of the set, into rate[pages]. */
void sim_program_page_rates(const SimProgram *p, int64_t pages, float *rate);

/* ---- traces in memory (replay.c) ---- */

typedef struct SimTraceWord {
    uint32_t word;              /* of the guest */
    uint64_t bits;
} SimTraceWord;

typedef struct SimTraceRecord {
    int64_t time_ns;
    size_t first, n;            /* its words */
} SimTraceRecord;

struct SimTrace {
    int64_t page_bytes;
    int64_t interval_ns;
    char *accel, *label;
    MigTraceBlock *blocks;
    size_t n_blocks;
    int64_t pages;
    size_t n_words;             /* of the guest */
    uint64_t *zero;
    int64_t zero_pages;
    SimTraceRecord *records;
    size_t n_records;
    SimTraceWord *words;
    int64_t duration_ns;        /* time of the last record */
    int64_t dirtied_pages;
};

/* Reads a file; NULL and *errmsg (g_free, with the file's name). */
SimTrace *sim_trace_load(const char *path, char **errmsg);
void sim_trace_free(SimTrace *t);

/* A guest as it was when the trace began. */
SimGuest *sim_trace_guest(const SimTrace *t, bool check);

#endif
