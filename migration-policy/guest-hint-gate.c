/*
 * Guest hints: what a migration may do now.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest-hint-gate.h"

#define HINT_NS_PER_MS INT64_C(1000000)

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
    *g = (MigHintGate) { .mode = mode };
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

static MigHintReason hint_gate_reason(const MigHintGate *g,
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
        return MIG_HINT_REASON_INSIDE;
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
    reason = hint_gate_reason(g, q);
    held = reason == MIG_HINT_REASON_HOLDS_START ||
           reason == MIG_HINT_REASON_HOLDS_TRANSFER ||
           reason == MIG_HINT_REASON_HOLDS_SWITCHOVER;
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
