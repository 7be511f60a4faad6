/*
 * Guest hints: the protocol.  Golden transcripts (tests/unit/guest-hint), then
 * its bounds and a hostile guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"
#include "guest-hint-channel.h"

typedef struct Wire {
    MigHintState state;
    MigHintChannel ch;
    GString *said;              /* by the host, not yet expected */
    int64_t now_ns;
} Wire;

static Wire *wire_new(void)
{
    Wire *w = g_new0(Wire, 1);

    mig_hint_state_init(&w->state);
    mig_hint_channel_init(&w->ch, &w->state);
    w->said = g_string_new("");
    return w;
}

static void wire_free(Wire *w)
{
    g_string_free(w->said, true);
    g_free(w);
}

/* Takes what the host says in small pieces, as a slow port would. */
static void wire_listen(Wire *w)
{
    char piece[5];
    size_t n;

    while ((n = mig_hint_channel_take(&w->ch, piece, sizeof(piece)))) {
        g_string_append_len(w->said, piece, n);
    }
}

static void wire_send(Wire *w, const char *text, size_t len)
{
    mig_hint_channel_feed(&w->ch, text, len, w->now_ns);
    wire_listen(w);
}

static void wire_line(Wire *w, const char *line)
{
    wire_send(w, line, strlen(line));
    wire_send(w, "\n", 1);
}

static MigHintWhere wire_where(Wire *w)
{
    return mig_hint_state_where(&w->state, w->now_ns, NULL);
}

static void wire_expect(Wire *w, const char *text)
{
    g_assert_cmpstr(w->said->str, ==, text);
    g_string_truncate(w->said, 0);
}

static void wire_greet(Wire *w)
{
    mig_hint_channel_open(&w->ch, w->now_ns);
    wire_line(w, "hello 1");
    wire_line(w, "ready");
    g_string_truncate(w->said, 0);
}

/* ---- transcripts ---- */

static void host_command(Wire *w, char **words)
{
    static const char *const ops[] = {
        [MIG_HINT_ENTER] = "enter",
        [MIG_HINT_LEAVE] = "leave",
        [MIG_HINT_GONE] = "gone",
        [MIG_HINT_JOIN] = "join",
        [MIG_HINT_ALIVE] = "alive",
    };
    MigHintEvent event = {
        .source = MIG_HINT_HOST, .id = words[1], .lease_ms = -1,
        .tag = words[1] ? words[2] : NULL,
    };

    while (event.op < MIG_HINT_OP__MAX && strcmp(ops[event.op], words[0])) {
        event.op++;
    }
    g_assert_cmpint(event.op, <, MIG_HINT_OP__MAX);
    g_assert_cmpint(mig_hint_state_apply(&w->state, &event, w->now_ns), ==,
                    MIG_HINT_OK);
}

static void check_where(Wire *w, const char *expected)
{
    MigHintWhy why;
    MigHintWhere where = mig_hint_state_where(&w->state, w->now_ns, &why);
    char *found = where == MIG_HINT_UNKNOWN
        ? g_strdup_printf("unknown %s", mig_hint_why_name(why))
        : g_strdup(mig_hint_where_name(where));

    g_assert_cmpstr(found, ==, expected);
    g_free(found);
}

static void transcript_line(Wire *w, char *line)
{
    if (line[0] == '>') {
        char *end = strchr(w->said->str, '\n');

        g_assert_nonnull(end);
        *end = '\0';
        g_assert_cmpstr(w->said->str, ==, line + 2);
        g_string_erase(w->said, 0, end + 1 - w->said->str);
        return;
    }
    /* Whatever the host said has to be in the transcript. */
    g_assert_cmpstr(w->said->str, ==, "");
    if (line[0] == '#' || line[0] == '\0') {
        return;
    } else if (line[0] == '@') {
        w->now_ns = g_ascii_strtoll(line + 1, NULL, 10) * MS;
    } else if (line[0] == '<') {
        /* \xHH, \r: g_strcompress() knows octal only. */
        GString *raw = g_string_new("");
        const char *c = line[1] ? line + 2 : line + 1;

        while (*c) {
            if (g_str_has_prefix(c, "\\x")) {
                g_string_append_c(raw, g_ascii_xdigit_value(c[2]) * 16 +
                                       g_ascii_xdigit_value(c[3]));
                c += 4;
            } else if (g_str_has_prefix(c, "\\r")) {
                g_string_append_c(raw, '\r');
                c += 2;
            } else {
                g_string_append_c(raw, *c++);
            }
        }
        g_string_append_c(raw, '\n');
        wire_send(w, raw->str, raw->len);
        g_string_free(raw, true);
    } else if (line[0] == '=') {
        check_where(w, line + 2);
    } else if (strcmp(line, "open") == 0) {
        mig_hint_channel_open(&w->ch, w->now_ns);
    } else if (strcmp(line, "close") == 0) {
        mig_hint_channel_close(&w->ch, w->now_ns);
    } else if (strcmp(line, "query") == 0) {
        mig_hint_channel_query(&w->ch, w->now_ns);
    } else if (g_str_has_prefix(line, "host ")) {
        char **words = g_strsplit(line + 5, " ", 0);

        host_command(w, words);
        g_strfreev(words);
    } else {
        g_error("no such step: %s", line);
    }
    wire_listen(w);
}

static void test_transcript(gconstpointer path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    Wire *w = wire_new();
    size_t i;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    for (i = 0; lines[i]; i++) {
        g_test_message("%zu: %s", i + 1, lines[i]);
        transcript_line(w, lines[i]);
    }
    g_assert_cmpstr(w->said->str, ==, "");
    g_assert_cmpint(i, >, 5);
    wire_free(w);
}

static void add_transcripts(void)
{
    const char *dir = g_getenv("MIG_HINT_TRANSCRIPTS");
    GDir *found;
    const char *name;
    int n = 0;

    g_assert_nonnull(dir);
    found = g_dir_open(dir, 0, NULL);
    g_assert_nonnull(found);
    while ((name = g_dir_read_name(found))) {
        g_autofree char *test = g_strdup_printf("/hint/transcript/%s", name);

        g_test_add_data_func_full(test, g_build_filename(dir, name, NULL),
                                  test_transcript, g_free);
        n++;
    }
    g_dir_close(found);
    g_assert_cmpint(n, >=, 10);
}

/* ---- framing ---- */

/* The same bytes give the same state, however they are cut. */
static void test_cuts(void)
{
    static const char text[] = "hello 1\nenter a tag=x\r\n\njoin b\nready\n"
                               "enter b\nenter a\nleave a\n";
    size_t step, at;

    for (step = 1; step < sizeof(text); step++) {
        Wire *w = wire_new();

        mig_hint_channel_open(&w->ch, 0);
        for (at = 0; at < sizeof(text) - 1; at += step) {
            wire_send(w, text + at, MIN(step, sizeof(text) - 1 - at));
        }
        wire_expect(w, "query 1\nhello 1\n");
        g_assert_cmpint(wire_where(w), ==, MIG_HINT_INSIDE);
        g_assert_cmpint(mig_hint_state_nth(&w->state, 0)->depth, ==, 1);
        wire_free(w);
    }
}

/* Half a line does not survive a close, nor does what was not taken. */
static void test_reopen(void)
{
    Wire *w = wire_new();

    wire_line(w, "hello 1");                /* not open: nobody listens */
    wire_expect(w, "");
    wire_greet(w);
    wire_line(w, "join a");
    wire_send(w, "enter ", 6);
    mig_hint_channel_query(&w->ch, 0);      /* not taken */
    mig_hint_channel_close(&w->ch, 0);
    g_assert_cmpint(wire_where(w), ==, MIG_HINT_UNKNOWN);
    mig_hint_channel_query(&w->ch, 0);
    wire_listen(w);
    wire_expect(w, "");
    mig_hint_channel_open(&w->ch, 0);
    wire_line(w, "hello 1");
    wire_line(w, "ready");
    wire_expect(w, "query 1\nhello 1\n");
    g_assert_cmpint(wire_where(w), ==, MIG_HINT_NO_CLIENT);
    /* Opened twice: only asked again. */
    wire_line(w, "join a");
    mig_hint_channel_open(&w->ch, 0);
    wire_listen(w);
    wire_expect(w, "query 1\n");
    g_assert_cmpint(wire_where(w), ==, MIG_HINT_OUTSIDE);
    wire_free(w);
}

static void test_output_bound(void)
{
    Wire *w = wire_new();
    int i;

    mig_hint_channel_open(&w->ch, 0);
    for (i = 0; i < 1000; i++) {
        mig_hint_channel_query(&w->ch, 0);
    }
    wire_listen(w);
    g_assert_cmpint(w->said->len, ==, MIG_HINT_OUTPUT_MAX / 8 * 8);
    g_assert_true(g_str_has_suffix(w->said->str, "query 1\n"));
    g_assert_cmpint(w->ch.counters.dropped_output, ==,
                    1001 - MIG_HINT_OUTPUT_MAX / 8);
    wire_free(w);
}

/* The longest line that means something fits. */
static void test_longest(void)
{
    g_autofree char *name = g_strnfill(32, 'n');
    g_autofree char *line = g_strdup_printf("enter %s tag=%s lease-ms=600000",
                                            name, name);
    Wire *w = wire_new();

    g_assert_cmpint(strlen(line), <=, MIG_HINT_LINE_MAX);
    wire_greet(w);
    wire_line(w, line);
    wire_expect(w, "");
    g_assert_cmpint(wire_where(w), ==, MIG_HINT_INSIDE);
    wire_free(w);
}

/* A full statement is no flood. */
static void test_full_statement(void)
{
    Wire *w = wire_new();
    char line[64];
    int i, j;

    mig_hint_channel_open(&w->ch, 0);
    wire_line(w, "hello 1");
    for (i = 0; i < MIG_HINT_GUEST_CLIENTS_MAX; i++) {
        g_snprintf(line, sizeof(line), "join c%d", i);
        wire_line(w, line);
        for (j = 0; j < MIG_HINT_NESTING_MAX; j++) {
            g_snprintf(line, sizeof(line), "enter c%d tag=t%d", i, j);
            wire_line(w, line);
        }
    }
    wire_line(w, "ready");
    wire_expect(w, "query 1\nhello 1\n");
    g_assert_cmpint(wire_where(w), ==, MIG_HINT_INSIDE);
    wire_free(w);
}

/* ---- a hostile guest ---- */

static void test_flood(void)
{
    Wire *w = wire_new();
    int i;

    wire_greet(w);
    wire_line(w, "join a");
    /* 5 s at ten times the rate. */
    for (i = 0; i < MIG_HINT_LINES_PER_S * 50; i++) {
        w->now_ns += SEC / (MIG_HINT_LINES_PER_S * 10);
        wire_line(w, i % 2 ? "leave a" : "enter a");
        if (w->ch.counters.floods) {
            g_assert_cmpint(wire_where(w), ==, MIG_HINT_UNKNOWN);
            g_assert_null(mig_hint_state_nth(&w->state, 0));
        }
    }
    g_assert_cmpint(w->ch.counters.floods, ==, 1);
    wire_expect(w, "error too-fast\nquery 1\nerror no-hello\n");
    wire_free(w);
}

static void test_flood_recovers(void)
{
    Wire *w = wire_new();
    int i;

    wire_greet(w);
    for (i = 0; i < 3000; i++) {
        wire_line(w, "join a");
    }
    wire_expect(w, "error too-fast\n");
    g_assert_cmpint(w->ch.counters.lines, ==, 3002);
    /* Not at once, whatever it says now. */
    wire_line(w, "hello 1");
    mig_hint_channel_query(&w->ch, w->now_ns);
    wire_listen(w);
    wire_expect(w, "");
    w->now_ns += 4 * SEC;
    mig_hint_channel_query(&w->ch, w->now_ns);
    wire_listen(w);
    wire_expect(w, "query 1\nquery 1\n");
    wire_line(w, "hello 1");
    wire_line(w, "join a");
    wire_line(w, "ready");
    g_assert_cmpint(wire_where(w), ==, MIG_HINT_OUTSIDE);
    wire_free(w);
}

/* Random bytes, 16 MiB of them: bounded answers, no state. */
static void test_noise(void)
{
    Wire *w = wire_new();
    GRand *rand = g_rand_new_with_seed(20181);
    size_t size = 4096, said = 0;
    g_autofree char *block = g_malloc(size);
    int i;
    size_t j;

    wire_greet(w);
    for (i = 0; i < 4096; i++) {
        for (j = 0; j < size; j++) {
            block[j] = g_rand_int(rand);
        }
        w->now_ns += 100 * MS;
        wire_send(w, block, size);
        said += w->said->len;
        g_string_truncate(w->said, 0);
    }
    g_assert_null(mig_hint_state_nth(&w->state, 0));
    /* One error a second, of 40 bytes at most. */
    g_assert_cmpint(said, <=, 410 * 40);
    g_assert_cmpint(w->ch.counters.error[MIG_HINT_LINE_TOO_LONG], >, 1000);
    g_assert_cmpint(w->ch.counters.error[MIG_HINT_BAD_CHARACTER], >, 1000);
    g_rand_free(rand);
    wire_free(w);
}

/* A line without an end, 64 MiB of it. */
static void test_endless_line(void)
{
    Wire *w = wire_new();
    g_autofree char *block = g_strnfill(65536, 'x');
    int i;

    wire_greet(w);
    for (i = 0; i < 1024; i++) {
        wire_send(w, block, 65536);
    }
    wire_expect(w, "");
    g_assert_cmpint(w->ch.counters.dropped_bytes, ==,
                    INT64_C(65536) * 1024 - MIG_HINT_LINE_MAX);
    wire_line(w, "");
    wire_expect(w, "error line-too-long\n");
    wire_line(w, "enter a");
    g_assert_cmpint(wire_where(w), ==, MIG_HINT_INSIDE);
    wire_free(w);
}

static void test_clock_backwards(void)
{
    Wire *w = wire_new();
    int i;

    w->now_ns = 100 * SEC;
    wire_greet(w);
    for (i = 0; i < 1000; i++) {
        w->now_ns = i % 2 ? 0 : 100 * SEC;
        wire_line(w, "alive");
    }
    wire_expect(w, "");
    /* Going back and forth earns no lines. */
    for (i = 0; i < 2000; i++) {
        w->now_ns = i % 2 ? 0 : 100 * SEC;
        wire_line(w, "alive");
    }
    wire_expect(w, "error too-fast\n");
    wire_free(w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_transcripts();
    g_test_add_func("/hint/channel/cuts", test_cuts);
    g_test_add_func("/hint/channel/reopen", test_reopen);
    g_test_add_func("/hint/channel/output-bound", test_output_bound);
    g_test_add_func("/hint/channel/longest", test_longest);
    g_test_add_func("/hint/channel/full-statement", test_full_statement);
    g_test_add_func("/hint/channel/flood", test_flood);
    g_test_add_func("/hint/channel/flood-recovers", test_flood_recovers);
    g_test_add_func("/hint/channel/noise", test_noise);
    g_test_add_func("/hint/channel/endless-line", test_endless_line);
    g_test_add_func("/hint/channel/clock-backwards", test_clock_backwards);
    return g_test_run();
}
