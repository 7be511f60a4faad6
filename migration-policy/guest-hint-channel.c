/*
 * Guest hints: the protocol between guest and host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest-hint-channel.h"

#define HINT_NS_PER_LINE (INT64_C(1000000000) / MIG_HINT_LINES_PER_S)
/* Verb, id, tag, lease, and room to say that there was one too many. */
#define HINT_WORDS_MAX 8

/*
 * tests/fuzz proves that it would find a bound that is off by one: it builds
 * this file with such a bound, and fails unless the fuzzer tells.
 */
#ifdef HINT_SEEDED_BUG
#define HINT_LINE_ROOM (MIG_HINT_LINE_MAX + 1)
#else
#define HINT_LINE_ROOM MIG_HINT_LINE_MAX
#endif

void mig_hint_channel_init(MigHintChannel *ch, MigHintState *state)
{
    memset(ch, 0, sizeof(*ch));
    ch->state = state;
    ch->now_ns = INT64_MIN;
    ch->lines_left = MIG_HINT_BURST_LINES;
    ch->error_told_ns = -1;
}

/* ---- output ---- */

/* A whole line or nothing: half an answer would garble the next one. */
static void hint_say(MigHintChannel *ch, const char *verb, const char *word)
{
    size_t n = strlen(verb), m = strlen(word);

    if (n + 1 + m + 1 > sizeof(ch->output) - ch->output_len) {
        ch->counters.dropped_output++;
        return;
    }
    memcpy(ch->output + ch->output_len, verb, n);
    ch->output[ch->output_len + n] = ' ';
    memcpy(ch->output + ch->output_len + n + 1, word, m);
    ch->output[ch->output_len + n + 1 + m] = '\n';
    ch->output_len += n + 1 + m + 1;
}

size_t mig_hint_channel_take(MigHintChannel *ch, char *buf, size_t size)
{
    size_t n = MIN(size, ch->output_len);

    memcpy(buf, ch->output, n);
    ch->output_len -= n;
    memmove(ch->output, ch->output + n, ch->output_len);
    return n;
}

static void hint_error(MigHintChannel *ch, MigHintError error)
{
    ch->counters.error[error]++;
    /* Two ends that answer each other's errors must not do so for ever. */
    if (ch->error_told_ns != -1 &&
        ch->now_ns - ch->error_told_ns < MIG_HINT_ERROR_INTERVAL_NS) {
        return;
    }
    ch->error_told_ns = ch->now_ns;
    hint_say(ch, "error", mig_hint_error_name(error));
}

/* ---- rate ---- */

static void hint_advance(MigHintChannel *ch, int64_t now_ns)
{
    int64_t lines;

    if (now_ns <= ch->now_ns) {
        return;
    }
    if (ch->now_ns == INT64_MIN) {
        ch->refilled_ns = now_ns;
    }
    ch->now_ns = now_ns;

    lines = (ch->now_ns - ch->refilled_ns) / HINT_NS_PER_LINE;
    ch->refilled_ns += lines * HINT_NS_PER_LINE;
    ch->lines_left = MIN(ch->lines_left + lines, MIG_HINT_BURST_LINES);
    /* Half of a burst, so that the statement which is due now fits. */
    if (ch->flooded && ch->lines_left >= MIG_HINT_BURST_LINES / 2) {
        ch->flooded = false;
        if (ch->open) {
            hint_say(ch, "query", G_STRINGIFY(MIG_HINT_PROTOCOL_VERSION));
        }
    }
}

/* false: the guest is too fast, do not look at the line. */
static bool hint_take_token(MigHintChannel *ch)
{
    if (ch->flooded) {
        return false;
    }
    if (ch->lines_left == 0) {
        ch->flooded = true;
        ch->counters.floods++;
        mig_hint_state_lost(ch->state, MIG_HINT_WHY_FLOODED);
        hint_error(ch, MIG_HINT_TOO_FAST);
        return false;
    }
    ch->lines_left--;
    return true;
}

/* ---- lines ---- */

/* Cuts the line at its blanks; -1: more than HINT_WORDS_MAX words. */
static int hint_split(char *line, char **words)
{
    int n = 0;

    for (;;) {
        while (*line == ' ') {
            *line++ = '\0';
        }
        if (!*line) {
            return n;
        }
        if (n == HINT_WORDS_MAX) {
            return -1;
        }
        words[n++] = line;
        while (*line && *line != ' ') {
            line++;
        }
    }
}

/* Decimal digits only; false when there are none, or the number is > max. */
static bool hint_number(const char *text, int64_t max, int64_t *value)
{
    int64_t sum = 0;

    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        if (!g_ascii_isdigit(*text)) {
            return false;
        }
        sum = sum * 10 + (*text - '0');
        if (sum > max) {
            return false;
        }
    }
    *value = sum;
    return true;
}

/*
 * The words tag=NAME and lease-ms=N.  Other KEY=VALUE words are passed over:
 * a newer guest may say more than this version understands.
 */
static MigHintError hint_options(char **words, int n, const char **tag,
                                 int64_t *lease_ms)
{
    int i;

    for (i = 0; i < n; i++) {
        if (tag && strncmp(words[i], "tag=", 4) == 0) {
            *tag = words[i] + 4;
        } else if (strncmp(words[i], "lease-ms=", 9) == 0) {
            if (!hint_number(words[i] + 9, MIG_HINT_LEASE_MAX_MS, lease_ms)) {
                return MIG_HINT_BAD_LEASE;
            }
        } else {
            const char *c = words[i];

            while (*c && *c != '=') {
                c++;
            }
            if (!*c || c == words[i]) {
                return MIG_HINT_BAD_WORD;
            }
        }
    }
    return MIG_HINT_OK;
}

static MigHintError hint_hello(MigHintChannel *ch, char **words, int n)
{
    MigHintError error;
    int64_t version, lease_ms = 0;

    if (n < 2 || !hint_number(words[1], INT32_MAX, &version)) {
        return MIG_HINT_BAD_WORD;
    }
    if (version != MIG_HINT_PROTOCOL_VERSION) {
        return MIG_HINT_BAD_VERSION;
    }
    error = hint_options(words + 2, n - 2, NULL, &lease_ms);
    if (error) {
        return error;
    }
    error = mig_hint_state_hello(ch->state, lease_ms, ch->now_ns);
    if (!error) {
        hint_say(ch, "hello", G_STRINGIFY(MIG_HINT_PROTOCOL_VERSION));
    }
    return error;
}

/* Is there a hello that what comes now can rest on? */
static bool hint_greeted(const MigHintState *s)
{
    return s->stating || s->why == MIG_HINT_WHY_KNOWN ||
           s->why == MIG_HINT_WHY_OVERFLOW;
}

static MigHintError hint_words(MigHintChannel *ch, char **words, int n)
{
    static const struct {
        const char *verb;
        MigHintOp op;
    } ops[] = {
        { "join", MIG_HINT_JOIN },
        { "enter", MIG_HINT_ENTER },
        { "leave", MIG_HINT_LEAVE },
        { "gone", MIG_HINT_GONE },
        { "alive", MIG_HINT_ALIVE },
    };
    MigHintEvent event = { .source = MIG_HINT_GUEST, .lease_ms = -1 };
    MigHintError error;
    size_t i;

    if (strcmp(words[0], "hello") == 0) {
        return hint_hello(ch, words, n);
    }
    if (n == 1 && strcmp(words[0], "status") == 0) {
        MigHintWhy why;
        MigHintWhere where = mig_hint_state_where(ch->state, ch->now_ns, &why);

        /* Tells no more than what the guest itself or its host's hints said. */
        hint_say(ch, "status", where == MIG_HINT_UNKNOWN
                               ? mig_hint_why_name(why)
                               : mig_hint_where_name(where));
        return MIG_HINT_OK;
    }
    if (n == 1 && strcmp(words[0], "bye") == 0) {
        mig_hint_state_lost(ch->state, MIG_HINT_WHY_CLOSED);
        return MIG_HINT_OK;
    }
    if (n == 1 && strcmp(words[0], "ready") == 0) {
        return mig_hint_state_ready(ch->state, ch->now_ns);
    }
    if (n == 1 && strcmp(words[0], "alive") == 0) {
        return hint_greeted(ch->state) ? MIG_HINT_OK : MIG_HINT_NO_HELLO;
    }
    for (i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (strcmp(words[0], ops[i].verb) == 0) {
            break;
        }
    }
    if (i == G_N_ELEMENTS(ops) || n < 2) {
        return MIG_HINT_BAD_WORD;
    }
    if (!hint_greeted(ch->state)) {
        return MIG_HINT_NO_HELLO;
    }
    event.op = ops[i].op;
    event.id = words[1];
    error = hint_options(words + 2, n - 2, &event.tag, &event.lease_ms);
    return error ? error : mig_hint_state_apply(ch->state, &event, ch->now_ns);
}

static void hint_line(MigHintChannel *ch)
{
    char *words[HINT_WORDS_MAX];
    MigHintError error = MIG_HINT_OK;
    size_t i;
    int n;

    /* Lines that went through a terminal end in CR LF. */
    if (ch->line_len > 0 && ch->line[ch->line_len - 1] == '\r') {
        ch->line_len--;
    }
    ch->line[ch->line_len] = '\0';
    for (i = 0; i < ch->line_len; i++) {
        if (!g_ascii_isprint(ch->line[i])) {
            hint_error(ch, MIG_HINT_BAD_CHARACTER);
            return;
        }
    }
    n = hint_split(ch->line, words);
    if (n == 0) {
        return;
    }
    error = n < 0 ? MIG_HINT_BAD_WORD : hint_words(ch, words, n);
    if (error) {
        hint_error(ch, error);
    } else {
        mig_hint_state_heard(ch->state, ch->now_ns);
    }
}

static void hint_newline(MigHintChannel *ch)
{
    bool too_long = ch->skipping;

    ch->counters.lines++;
    ch->skipping = false;
    if (hint_take_token(ch)) {
        if (too_long) {
            hint_error(ch, MIG_HINT_LINE_TOO_LONG);
        } else {
            hint_line(ch);
        }
    }
    ch->line_len = 0;
}

void mig_hint_channel_feed(MigHintChannel *ch, const void *data, size_t len,
                           int64_t now_ns)
{
    const char *bytes = data;
    size_t i;

    hint_advance(ch, now_ns);
    if (!ch->open) {
        return;
    }
    for (i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            hint_newline(ch);
        } else if (!ch->skipping && ch->line_len < HINT_LINE_ROOM) {
            ch->line[ch->line_len++] = bytes[i];
        } else {
            ch->skipping = true;
            ch->counters.dropped_bytes++;
        }
    }
}

/* ---- the wire ---- */

static void hint_reset_line(MigHintChannel *ch)
{
    ch->line_len = 0;
    ch->skipping = false;
}

void mig_hint_channel_query(MigHintChannel *ch, int64_t now_ns)
{
    hint_advance(ch, now_ns);
    if (ch->open && !ch->flooded) {
        hint_say(ch, "query", G_STRINGIFY(MIG_HINT_PROTOCOL_VERSION));
    }
}

void mig_hint_channel_open(MigHintChannel *ch, int64_t now_ns)
{
    hint_advance(ch, now_ns);
    if (!ch->open) {
        ch->open = true;
        hint_reset_line(ch);
        ch->output_len = 0;
        mig_hint_state_lost(ch->state, MIG_HINT_WHY_SILENT);
    }
    mig_hint_channel_query(ch, now_ns);
}

void mig_hint_channel_close(MigHintChannel *ch, int64_t now_ns)
{
    hint_advance(ch, now_ns);
    ch->open = false;
    hint_reset_line(ch);
    ch->output_len = 0;
    mig_hint_state_lost(ch->state, MIG_HINT_WHY_CLOSED);
}
