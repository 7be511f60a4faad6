/*
 * Guest hints under fuzzing: parser, registry and gate together.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest-hint-channel.h"
#include "guest-hint-gate.h"
#include "hint.h"

#define MS INT64_C(1000000)
#define TIMEOUT_MS 1000

typedef struct Fuzz {
    MigHintState state;
    MigHintChannel ch;
    MigHintGate gate;
    int64_t now_ns;             /* as given: it may go backwards */
    int64_t allowed_ns;         /* to be held: the limit and a step */
    MigHintPhase phase;
} Fuzz;

static void check_output(Fuzz *f, size_t room)
{
    char buf[MIG_HINT_OUTPUT_MAX];
    size_t n = mig_hint_channel_take(&f->ch, buf, MIN(room, sizeof(buf)));

    g_assert_cmpuint(n, <=, room);
    for (size_t i = 0; i < n; i++) {
        g_assert_true(buf[i] == '\n' || g_ascii_isprint(buf[i]));
    }
}

static void check_names(const MigHintClient *c)
{
    g_assert_true(mig_hint_name_valid(c->id, MIG_HINT_ID_MAX));
    for (int t = 0; t < c->depth; t++) {
        g_assert_true(!c->tag[t][0] ||
                      mig_hint_name_valid(c->tag[t], MIG_HINT_TAG_MAX));
    }
}

/* names: look at each client's, too, which takes longer. */
static void check_state(Fuzz *f, bool names)
{
    const MigHintClient *c;
    int n[MIG_HINT_SOURCE__MAX] = { 0 };
    bool outside = false, any = false, known;
    MigHintWhy why;
    MigHintWhere where = mig_hint_state_where(&f->state, f->now_ns, &why);
    int64_t deadline_ns = mig_hint_state_deadline_ns(&f->state);

    known = why == MIG_HINT_WHY_KNOWN;
    for (int i = 0; i < MIG_HINT_CLIENTS_MAX; i++) {
        c = &f->state.client[i];
        if (!c->id[0]) {
            continue;
        }
        g_assert_cmpint(c->depth, >=, 0);
        g_assert_cmpint(c->depth, <=, MIG_HINT_NESTING_MAX);
        if (names) {
            check_names(c);
        }
        n[c->source]++;
        if (known || c->source == MIG_HINT_HOST) {
            any = true;
            outside |= c->depth == 0;
        }
    }
    g_assert_null(mig_hint_state_nth(&f->state, n[MIG_HINT_GUEST] +
                                                n[MIG_HINT_HOST]));
    g_assert_cmpint(n[MIG_HINT_GUEST], ==, f->state.n_clients[MIG_HINT_GUEST]);
    g_assert_cmpint(n[MIG_HINT_HOST], ==, f->state.n_clients[MIG_HINT_HOST]);
    g_assert_cmpint(n[MIG_HINT_GUEST], <=, MIG_HINT_GUEST_CLIENTS_MAX);
    g_assert_cmpint(n[MIG_HINT_HOST], <=, MIG_HINT_HOST_CLIENTS_MAX);
    g_assert_cmpint(where, ==, any ? (outside ? MIG_HINT_OUTSIDE
                                              : MIG_HINT_INSIDE)
                                   : (known ? MIG_HINT_NO_CLIENT
                                            : MIG_HINT_UNKNOWN));
    g_assert_true(deadline_ns == -1 || deadline_ns > f->state.now_ns);
    g_assert_cmpuint(f->ch.line_len, <=, MIG_HINT_LINE_MAX);
    g_assert_cmpuint(f->ch.output_len, <=, MIG_HINT_OUTPUT_MAX);
    g_assert_cmpint(f->ch.lines_left, >=, 0);
    g_assert_cmpint(f->ch.lines_left, <=, MIG_HINT_BURST_LINES);
    g_assert_true(f->ch.open || f->ch.output_len == 0);
}

static void check_gate(Fuzz *f, bool wants)
{
    MigHintQuestion q = {
        .now_ns = f->now_ns,
        .phase = f->phase,
        .where = mig_hint_state_where(&f->state, f->now_ns, NULL),
        .guest_running = true,
        .wants_switchover = wants,
        /* Up and down, all over the range, and now and then not looked at */
        .pending_bytes = (f->now_ns / MS * 7919) % (128 << 20) - 1,
        .threshold_bytes = 19 << 20,
        .bandwidth_bps = 64 << 20,
    };
    MigHintAnswer a;

    mig_hint_gate_ask(&f->gate, &q, &a);
    g_assert_false(a.held && q.where != MIG_HINT_OUTSIDE &&
                   q.where != MIG_HINT_INSIDE);
    g_assert_false(a.held && q.where == MIG_HINT_INSIDE && !wants);
    g_assert_false(a.held && f->phase == MIG_HINT_PHASE_POSTCOPY);
    g_assert_false(a.held && a.may_switch_over);
    g_assert_true(a.held || (a.may_start && a.may_transfer));
    g_assert_cmpint(a.left_ns, >=, 0);
    /* Never beyond the limit by more than the step in which it ended. */
    g_assert_cmpint(a.held_ns, <=, f->allowed_ns);
    g_assert_false(a.held && a.held_ns >= TIMEOUT_MS * MS);
}

static void step_clock(Fuzz *f, int64_t by_ns)
{
    f->now_ns += by_ns;
    if (f->now_ns < 0) {
        f->now_ns = 0;
    }
    if (by_ns > 0) {
        f->allowed_ns = MAX(f->allowed_ns, TIMEOUT_MS * MS + by_ns);
    }
    check_gate(f, true);
}

static void host_acts(Fuzz *f, uint8_t how)
{
    char id[] = { 'h', 'a' + how % 32, '\0' };
    MigHintEvent event = {
        .source = MIG_HINT_HOST,
        .op = how / 32 % MIG_HINT_OP__MAX,
        .id = how == 0xff ? "" : id,
        .tag = how & 1 ? "t" : NULL,
        .lease_ms = how & 2 ? how - 3 : -1,
    };
    MigHintError error = mig_hint_state_apply(&f->state, &event, f->now_ns);

    g_assert_cmpint(error, <, MIG_HINT_LINE_TOO_LONG);
}

static void act(Fuzz *f, uint8_t what, uint8_t how)
{
    switch (what & 0x0f) {
    case 0:
        step_clock(f, how * MS);
        break;
    case 1:
        step_clock(f, how * 1000 * MS);
        break;
    case 2:
        step_clock(f, -how * 100 * MS);
        break;
    case 3:
        mig_hint_channel_open(&f->ch, f->now_ns);
        break;
    case 4:
        mig_hint_channel_close(&f->ch, f->now_ns);
        break;
    case 5:
        mig_hint_channel_query(&f->ch, f->now_ns);
        break;
    case 6:
        check_output(f, how);
        break;
    case 7:
        host_acts(f, how);
        break;
    case 8:
        mig_hint_gate_begin(&f->gate, how % MIG_HINT_MODE__MAX, TIMEOUT_MS);
        f->allowed_ns = TIMEOUT_MS * MS;
        f->phase = how / 2 % 3;
        break;
    case 9:
        check_gate(f, how & 1);
        break;
    default:
        f->phase = how % 3;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Fuzz f;
    size_t i = 0, n;

    memset(&f, 0, sizeof(f));
    mig_hint_state_init(&f.state);
    mig_hint_channel_init(&f.ch, &f.state);
    mig_hint_gate_begin(&f.gate, MIG_HINT_MODE_SUSPEND, TIMEOUT_MS);
    f.allowed_ns = TIMEOUT_MS * MS;
    mig_hint_channel_open(&f.ch, 0);

    while (i < size) {
        if ((data[i] & 0xf0) == 0x80) {
            act(&f, data[i], i + 1 < size ? data[i + 1] : 0);
            i += 2;
        } else {
            for (n = 0; i + n < size && (data[i + n] & 0xf0) != 0x80; n++) {
            }
            mig_hint_channel_feed(&f.ch, data + i, n, f.now_ns);
            i += n;
        }
        check_state(&f, false);
    }
    check_state(&f, true);
    check_gate(&f, false);
    return 0;
}
