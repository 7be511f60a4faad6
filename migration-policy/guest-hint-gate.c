/*
 * Guest hints: what a migration may do now.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest-hint-gate.h"

#define HINT_NS_PER_MS INT64_C(1000000)
/* Two looks closer to each other say little about what falls. */
#define HINT_SETTLE_LOOK_NS (50 * HINT_NS_PER_MS)

static const char *const hint_mode_names[MIG_HINT_MODE__MAX] = {
    [MIG_HINT_MODE_GATE] = "gate",
    [MIG_HINT_MODE_SUSPEND] = "suspend",
};

static const struct {
    const char *name;
    const char *text;
} hint_reasons[MIG_HINT_REASON__MAX] = {
    [MIG_HINT_REASON_NONE] = {
        "none", "Nothing was decided yet." },
    [MIG_HINT_REASON_INSIDE] = {
        "inside", "All programs that give hints are inside a tag." },
    [MIG_HINT_REASON_OUTSIDE] = {
        "outside", "The guest is outside its tags; nothing has to wait yet." },
    [MIG_HINT_REASON_HOLDS_START] = {
        "holds-start", "The start waits until the guest enters a tag." },
    [MIG_HINT_REASON_HOLDS_TRANSFER] = {
        "holds-transfer",
        "The transfer is suspended until the guest enters a tag." },
    [MIG_HINT_REASON_HOLDS_SWITCHOVER] = {
        "holds-switchover",
        "The switchover waits until the guest enters a tag." },
    [MIG_HINT_REASON_SETTLES] = {
        "settles",
        "The guest entered a tag; what it wrote before is still being sent." },
    [MIG_HINT_REASON_NO_CLIENT] = {
        "no-client", "No program in the guest gives hints." },
    [MIG_HINT_REASON_UNKNOWN] = {
        "unknown", "The guest's tags are not known; nothing waits for them." },
    [MIG_HINT_REASON_TIMEOUT] = {
        "timeout", "The guest used up guest-hint-timeout; nothing waits for "
        "its tags any more." },
    [MIG_HINT_REASON_POSTCOPY] = {
        "postcopy", "Hints do not apply to post-copy." },
    [MIG_HINT_REASON_STOPPED] = {
        "stopped", "Hints do not apply to a guest that is stopped." },
};

const char *mig_hint_mode_name(MigHintMode mode)
{
    return (unsigned)mode < MIG_HINT_MODE__MAX ? hint_mode_names[mode]
                                               : "unknown";
}

const char *mig_hint_reason_name(MigHintReason reason)
{
    return (unsigned)reason < MIG_HINT_REASON__MAX ? hint_reasons[reason].name
                                                   : "unknown";
}

const char *mig_hint_reason_text(MigHintReason reason)
{
    return (unsigned)reason < MIG_HINT_REASON__MAX ? hint_reasons[reason].text
                                                   : "";
}

void mig_hint_gate_set_timeout(MigHintGate *g, int64_t timeout_ms)
{
    g->timeout_ns = CLAMP(timeout_ms, 0, MIG_HINT_TIMEOUT_MAX_MS) *
                    HINT_NS_PER_MS;
}

void mig_hint_gate_begin(MigHintGate *g, MigHintMode mode, int64_t timeout_ms)
{
    *g = (MigHintGate) { .mode = mode, .settle_limit_ns = INT64_MAX };
    mig_hint_gate_set_timeout(g, timeout_ms);
}

/* Books the time since the last question, if it was held. */
static void hint_gate_advance(MigHintGate *g, int64_t now_ns)
{
    int64_t passed_ns;

    if (!g->asked || now_ns <= g->now_ns) {
        g->now_ns = g->asked ? g->now_ns : now_ns;
        g->asked = true;
    } else {
        /* Clocks count from 0 or later: the difference cannot overflow. */
        passed_ns = now_ns - g->now_ns;
        g->now_ns = now_ns;
        if (g->holding) {
            g->held_ns = passed_ns > INT64_MAX - g->held_ns
                         ? INT64_MAX : g->held_ns + passed_ns;
        }
    }
    g->expired |= g->held_ns >= g->timeout_ns;
}

/* Where the guest is now, and what a tag that was too short teaches. */
static void hint_gate_follow(MigHintGate *g, bool inside)
{
    if (inside) {
        if (!g->inside) {
            g->inside_since_ns = g->now_ns;
            g->settling = g->settled = false;
        }
        g->last_inside_ns = g->now_ns;
    } else if (g->settling) {
        g->settling = false;
        g->settle_limit_ns = MIN(g->settle_limit_ns, (g->last_inside_ns -
                                                      g->inside_since_ns) / 2);
    }
    g->inside = inside;
}

/* Does a switchover that is wanted inside a tag wait a little more? */
static bool hint_gate_settles(MigHintGate *g, const MigHintQuestion *q)
{
    bool first = !g->settling;
    double carried_bytes, fell_bytes;

    if (!q->wants_switchover || g->settled) {
        return false;
    }
    if (q->pending_bytes < 0) {
        /* Nobody looked: as before */
        return g->settling;
    }
    if (q->pending_bytes == 0 || q->pending_bytes < q->threshold_bytes ||
        q->bandwidth_bps <= 0 ||
        g->now_ns - g->inside_since_ns >= g->settle_limit_ns) {
        g->settling = false;
        g->settled = true;
        return false;
    }
    if (!first && g->now_ns - g->look_ns < HINT_SETTLE_LOOK_NS) {
        return true;
    }
    carried_bytes = (double)q->bandwidth_bps *
                    (double)(g->now_ns - g->look_ns) / 1e9;
    fell_bytes = (double)g->look_bytes - (double)q->pending_bytes;
    g->look_ns = g->now_ns;
    g->look_bytes = q->pending_bytes;
    g->settling = first || fell_bytes >= carried_bytes / 2;
    g->settled = !g->settling;
    return g->settling;
}

static MigHintReason hint_gate_reason(MigHintGate *g,
                                      const MigHintQuestion *q)
{
    if (q->phase == MIG_HINT_PHASE_POSTCOPY) {
        return MIG_HINT_REASON_POSTCOPY;
    }
    if (!q->guest_running) {
        return MIG_HINT_REASON_STOPPED;
    }
    if (g->expired) {
        return MIG_HINT_REASON_TIMEOUT;
    }
    switch (q->where) {
    case MIG_HINT_INSIDE:
        return hint_gate_settles(g, q) ? MIG_HINT_REASON_SETTLES
                                       : MIG_HINT_REASON_INSIDE;
    case MIG_HINT_NO_CLIENT:
        return MIG_HINT_REASON_NO_CLIENT;
    case MIG_HINT_OUTSIDE:
        break;
    default:
        return MIG_HINT_REASON_UNKNOWN;
    }
    if (g->mode == MIG_HINT_MODE_SUSPEND) {
        return q->phase == MIG_HINT_PHASE_SETUP
               ? MIG_HINT_REASON_HOLDS_START : MIG_HINT_REASON_HOLDS_TRANSFER;
    }
    return q->wants_switchover ? MIG_HINT_REASON_HOLDS_SWITCHOVER
                               : MIG_HINT_REASON_OUTSIDE;
}

void mig_hint_gate_ask(MigHintGate *g, const MigHintQuestion *q,
                       MigHintAnswer *a)
{
    MigHintReason reason;
    bool held;

    hint_gate_advance(g, q->now_ns);
    hint_gate_follow(g, q->where == MIG_HINT_INSIDE);
    reason = hint_gate_reason(g, q);
    held = reason == MIG_HINT_REASON_HOLDS_START ||
           reason == MIG_HINT_REASON_HOLDS_TRANSFER ||
           reason == MIG_HINT_REASON_HOLDS_SWITCHOVER ||
           reason == MIG_HINT_REASON_SETTLES;
    g->holds += held && !g->holding;
    g->holding = held;

    *a = (MigHintAnswer) {
        .may_start = reason != MIG_HINT_REASON_HOLDS_START,
        .may_transfer = reason != MIG_HINT_REASON_HOLDS_START &&
                        reason != MIG_HINT_REASON_HOLDS_TRANSFER,
        .may_switch_over = !held && reason != MIG_HINT_REASON_OUTSIDE,
        .held = held,
        .reason = reason,
        .held_ns = g->held_ns,
        .left_ns = g->expired ? 0 : g->timeout_ns - g->held_ns,
        .holds = g->holds,
    };
}
