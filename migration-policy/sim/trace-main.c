/*
 * mig-trace: look into dirty traces, and make synthetic ones.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "text.h"
#include "writer.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "Usage: mig-trace info FILE...          what it is, verified\n"
    "       mig-trace dump FILE             one line a record: pages by block\n"
    "       mig-trace cat-ranges FILE       one line a range of pages written:\n"
    "                                       TIME_MS BLOCK FIRST_PAGE PAGES\n"
    "       mig-trace synth -o FILE [-m SIZE] [-z PCT] [-i TIME] [-d TIME]\n"
    "                 [-l LABEL] [-L LEVEL] PROGRAM...\n"
    "  -o FILE   where to write\n"
    "  -m SIZE   the guest's RAM (default 64M)\n"
    "  -z PCT    share of it that is zero, at its end (default 21%)\n"
    "  -i TIME   between two records (default 100ms)\n"
    "  -d TIME   length of the trace (default 12s)\n"
    "  -l LABEL  for people (default: the programs)\n"
    "  -L LEVEL  of zstd's compression, 1 to 19 (default 19)\n"
    "A PROGRAM is\n";

static G_GNUC_NORETURN void G_GNUC_PRINTF(1, 2) fail(const char *format, ...)
{
    va_list args;

    fputs("mig-trace: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static SimTrace *must_load(const char *path)
{
    char *errmsg;
    SimTrace *t = sim_trace_load(path, &errmsg);

    if (!t) {
        fail("%s", errmsg);
    }
    return t;
}

/* ---- info ---- */

static void info(const char *path)
{
    SimTrace *t = must_load(path);
    uint64_t *seen = g_new0(uint64_t, t->n_words);
    int64_t distinct = 0, most = 0;
    size_t i, k;

    for (i = 0; i < t->n_records; i++) {
        int64_t pages = 0;

        for (k = 0; k < t->records[i].n; k++) {
            const SimTraceWord *w = &t->words[t->records[i].first + k];

            seen[w->word] |= w->bits;
            pages += __builtin_popcountll(w->bits);
        }
        most = MAX(most, pages);
    }
    for (i = 0; i < t->n_words; i++) {
        distinct += __builtin_popcountll(seen[i]);
    }
    printf("%s\n", path);
    printf("  label      %s\n  accel      %s\n", t->label, t->accel);
    printf("  guest      %.1f MiB in %zu blocks, pages of %" PRId64 " bytes\n",
           t->pages * t->page_bytes / 1048576.0, t->n_blocks, t->page_bytes);
    if (t->zero) {
        printf("  zero       %.1f%% of the pages at the start\n",
               100.0 * t->zero_pages / t->pages);
    } else {
        printf("  zero       not recorded\n");
    }
    printf("  records    %zu in %.2f s, meant to be %.0f ms apart\n",
           t->n_records, t->duration_ns / 1e9, t->interval_ns / 1e6);
    printf("  written    %.1f MiB in %" PRId64 " different pages\n",
           distinct * t->page_bytes / 1048576.0, distinct);
    printf("  a second   %.0f pages (each once a record), at most %.0f\n",
           t->dirtied_pages * 1e9 / t->duration_ns,
           most * 1e9 / t->interval_ns);
    for (i = 0; i < t->n_blocks; i++) {
        printf("  block      %s: %.1f MiB\n", t->blocks[i].name,
               t->blocks[i].bytes / 1048576.0);
    }
    g_free(seen);
    sim_trace_free(t);
}

/* ---- dump and cat-ranges ---- */

static int block_of(const SimGuest *g, size_t word)
{
    int b = 0;

    while (word >= g->blocks[b].first_word + g->blocks[b].n_words) {
        b++;
    }
    return b;
}

static void dump(const char *path)
{
    SimTrace *t = must_load(path);
    SimGuest *g = sim_trace_guest(t, false);
    int64_t *pages = g_new0(int64_t, t->n_blocks);
    size_t i, k;

    for (i = 0; i < t->n_records; i++) {
        const SimTraceRecord *r = &t->records[i];

        memset(pages, 0, t->n_blocks * sizeof(*pages));
        for (k = 0; k < r->n; k++) {
            const SimTraceWord *w = &t->words[r->first + k];

            pages[block_of(g, w->word)] += __builtin_popcountll(w->bits);
        }
        printf("%.3f s", r->time_ns / 1e9);
        for (k = 0; k < t->n_blocks; k++) {
            if (pages[k]) {
                printf("  %s %" PRId64, t->blocks[k].name, pages[k]);
            }
        }
        putchar('\n');
    }
    g_free(pages);
    sim_guest_free(g);
    sim_trace_free(t);
}

static void cat_ranges(const char *path)
{
    SimTrace *t = must_load(path);
    SimGuest *g = sim_trace_guest(t, false);
    size_t i, k;

    for (i = 0; i < t->n_records; i++) {
        const SimTraceRecord *r = &t->records[i];
        int64_t first = 0, n = 0;
        int block = 0;

        for (k = 0; k < r->n; k++) {
            const SimTraceWord *w = &t->words[r->first + k];
            int b = block_of(g, w->word);
            uint64_t left = w->bits;

            for (; left; left &= left - 1) {
                int64_t page = (int64_t)(w->word - g->blocks[b].first_word) *
                               64 + __builtin_ctzll(left);

                if (n && b == block && page == first + n) {
                    n++;
                    continue;
                }
                if (n) {
                    printf("%.3f %s %" PRId64 " %" PRId64 "\n",
                           r->time_ns / 1e6, g->blocks[block].name, first, n);
                }
                block = b;
                first = page;
                n = 1;
            }
        }
        if (n) {
            printf("%.3f %s %" PRId64 " %" PRId64 "\n", r->time_ns / 1e6,
                   g->blocks[block].name, first, n);
        }
    }
    sim_guest_free(g);
    sim_trace_free(t);
}

/* ---- synth ---- */

static bool file_sink(void *opaque, const void *buf, size_t len)
{
    return fwrite(buf, 1, len, opaque) == len;
}

typedef struct Synth {
    const char *path, *label;
    int64_t ram_bytes, zero_pct, interval_ns, duration_ns, level;
    SimProgram programs[16];
    size_t n_programs;
} Synth;

static const char *synth_write(const Synth *s, SimGuest *g, SimWriter *writer,
                               MigTraceWriter *w)
{
    uint64_t *log = g_new(uint64_t, g->n_words);
    int64_t at_ns = s->interval_ns;
    bool ok = mig_trace_write_zero(w, 0, g->zero, g->n_words);

    for (; ok && at_ns <= s->duration_ns; at_ns += s->interval_ns) {
        sim_writer_advance(writer, g, at_ns);
        sim_guest_sync(g, log);
        ok = mig_trace_write_record(w, at_ns) &&
             mig_trace_write_bitmap(w, 0, log, g->n_words);
    }
    g_free(log);
    return ok && mig_trace_writer_finish(w) ? NULL : mig_trace_writer_error(w);
}

static void synth(const Synth *s)
{
    MigTraceBlock ram = { "ram", s->ram_bytes };
    MigTraceHeader header = { 4096, s->interval_ns, "synthetic", s->label,
                              &ram, 1 };
    char *temporary = g_strconcat(s->path, ".tmp", NULL), *errmsg = NULL;
    const char *error = NULL;
    MigTraceWriter *w = NULL;
    SimWriter *writer;
    SimGuest *g;
    FILE *file;

    if (s->ram_bytes <= 0 || s->ram_bytes % 4096 || s->interval_ns <= 0 ||
        s->duration_ns < s->interval_ns) {
        fail("RAM must be whole pages, and the trace at least one interval");
    }
    g = sim_guest_new(4096, &ram, 1, false);
    sim_guest_set_zero(g, g->pages - g->pages * s->zero_pct / 100,
                       g->pages * s->zero_pct / 100);
    writer = sim_writer_new_programs(g, s->programs, s->n_programs, &errmsg);
    if (!writer) {
        fail("%s", errmsg);
    }
    file = fopen(temporary, "wb");
    if (!file) {
        fail("%s: %s", temporary, g_strerror(errno));
    }
    w = mig_trace_writer_new(&header, s->level, file_sink, file, &errmsg);
    error = w ? synth_write(s, g, writer, w) : errmsg;
    if (fclose(file) && !error) {
        error = g_strerror(errno);
    }
    if (!error && rename(temporary, s->path)) {
        error = g_strerror(errno);
    }
    if (error) {
        remove(temporary);
        fail("%s: %s", s->path, error);
    }
    printf("%s: %" PRId64 " records, %" PRId64 " bytes\n", s->path,
           mig_trace_writer_records(w), mig_trace_writer_bytes(w));
    mig_trace_writer_free(w);
    sim_writer_free(writer);
    sim_guest_free(g);
}

static void synth_main(int argc, char **argv)
{
    Synth s = {
        .ram_bytes = 64 << 20, .zero_pct = 21, .interval_ns = 100000000,
        .duration_ns = INT64_C(12000000000), .level = MIG_TRACE_LEVEL_MAX,
    };
    char *e = NULL;
    int i;

    for (i = 0; i < argc; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
        bool ok = true;

        if (a[0] != '-') {
            if (s.n_programs == G_N_ELEMENTS(s.programs)) {
                fail("too many programs");
            }
            ok = sim_program_parse(&s.programs[s.n_programs++], a, &e);
            s.label = s.label ? s.label : a;
        } else if (!v) {
            fail("%s needs a value; see --help", a);
        } else if (!strcmp(a, "-o")) {
            s.path = v;
        } else if (!strcmp(a, "-l")) {
            s.label = v;
        } else if (!strcmp(a, "-m")) {
            ok = sim_parse_bytes("-m", v, &s.ram_bytes, &e);
        } else if (!strcmp(a, "-z")) {
            ok = sim_parse_pct("-z", v, &s.zero_pct, &e);
        } else if (!strcmp(a, "-i")) {
            ok = sim_parse_time("-i", v, &s.interval_ns, &e);
        } else if (!strcmp(a, "-d")) {
            ok = sim_parse_time("-d", v, &s.duration_ns, &e);
        } else if (!strcmp(a, "-L")) {
            ok = sim_parse_count("-L", v, &s.level, &e);
        } else {
            fail("unknown option '%s'; see --help", a);
        }
        if (!ok) {
            fail("%s", e);
        }
        i += a[0] == '-';
    }
    if (!s.path || !s.n_programs) {
        fail("synth needs -o FILE and a program; see --help");
    }
    synth(&s);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *path);
    } commands[] = {
        { "info", info }, { "dump", dump }, { "cat-ranges", cat_ranges },
    };
    size_t k;
    int i;

    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(usage, stdout);
            fputs(sim_program_help, stdout);
            return 0;
        }
    }
    if (argc < 3) {
        fail("no command, or no file; see --help");
    }
    if (!strcmp(argv[1], "synth")) {
        synth_main(argc - 2, argv + 2);
        return 0;
    }
    for (k = 0; k < G_N_ELEMENTS(commands); k++) {
        if (!strcmp(argv[1], commands[k].name)) {
            for (i = 2; i < argc; i++) {
                commands[k].run(argv[i]);
            }
            return 0;
        }
    }
    fail("unknown command '%s'; see --help", argv[1]);
}
