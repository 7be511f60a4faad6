/*
 * Guest hints: what a migration may do now.
 *
 * The policy proposes, the gate permits.  It knows where the guest is (see
 * guest-hint-state.h) and for how long it has held this migration, in total.
 *
 *               request             where != OUTSIDE        switchover, failure
 *     (none) -----------> SETUP ---------------> PRECOPY ------------->
 *                           |  suspend mode:        |
 *                           |  waits here           |  gate: the switchover
 *                           v                       v  suspend: all transfer
 *                         held, at most timeout_ns over all holds; then
 *                         EXPIRED: nothing is held again in this migration
 *
 *                        INSIDE, NO_CLIENT,   OUTSIDE
 *                        UNKNOWN, EXPIRED     gate mode   suspend mode
 *     may_start          yes                  yes         no
 *     may_transfer       yes                  yes         no
 *     may_switch_over    yes                  no          no
 *     counts as held     no                   if wanted   yes
 *
 * Settling: a tag is entered with what was written before it still pending,
 * and to stop at that moment would cost the guest all of it.  A switchover
 * that is wanted INSIDE waits, therefore, as long as each look finds less
 * pending, by at least half of what the link carried meanwhile: so it ends
 * within twice the time that the pending pages take to send.  A tag that is
 * left before that was too short to settle in; from then on it takes half of
 * such a tag's time at most, so that one tag is lost and not each of them.
 * Settling counts as held.
 *
 * Never holds in post-copy, nor a guest that is stopped: waiting for a guest
 * that cannot act would be for nothing.
 *
 * Source: as for guest-hint-state.h.  Its rule is the suspend mode; the gate
 * mode, which goes on copying, settling, and the limit on all holding are ours.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_POLICY_GUEST_HINT_GATE_H
#define MIG_POLICY_GUEST_HINT_GATE_H

#include "guest-hint-state.h"

#define MIG_HINT_TIMEOUT_MAX_MS 86400000    /* a day */

typedef enum MigHintMode {
    MIG_HINT_MODE_GATE,         /* only the switchover waits for a tag */
    MIG_HINT_MODE_SUSPEND,      /* the transfer waits, too */
    MIG_HINT_MODE__MAX,
} MigHintMode;

typedef enum MigHintPhase {
    MIG_HINT_PHASE_SETUP,       /* requested, dirty logging not yet on */
    MIG_HINT_PHASE_PRECOPY,
    MIG_HINT_PHASE_POSTCOPY,
} MigHintPhase;

/* Why.  Each has a name and one sentence. */
typedef enum MigHintReason {
    MIG_HINT_REASON_NONE,
    MIG_HINT_REASON_INSIDE,
    MIG_HINT_REASON_OUTSIDE,            /* but nothing has to wait for it */
    MIG_HINT_REASON_HOLDS_START,
    MIG_HINT_REASON_HOLDS_TRANSFER,
    MIG_HINT_REASON_HOLDS_SWITCHOVER,
    MIG_HINT_REASON_SETTLES,            /* inside, but not stopped yet */
    MIG_HINT_REASON_NO_CLIENT,
    MIG_HINT_REASON_UNKNOWN,
    MIG_HINT_REASON_TIMEOUT,
    MIG_HINT_REASON_POSTCOPY,
    MIG_HINT_REASON_STOPPED,
    MIG_HINT_REASON__MAX,
} MigHintReason;

typedef struct MigHintQuestion {
    int64_t now_ns;
    MigHintPhase phase;
    MigHintWhere where;                 /* mig_hint_state_where() */
    bool guest_running;
    bool wants_switchover;              /* the policy, or QEMU's own rule */
    /* Of a switchover that is wanted, to be sent with the guest stopped: */
    int64_t pending_bytes;              /* just counted; -1: not this time */
    int64_t threshold_bytes;            /* pending below it: as good as none */
    int64_t bandwidth_bps;              /* bytes/s; not above 0: not known */
} MigHintQuestion;

typedef struct MigHintAnswer {
    bool may_start;
    bool may_transfer;
    bool may_switch_over;
    bool held;                          /* something waits right now */
    MigHintReason reason;
    int64_t held_ns;                    /* in total, up to now */
    int64_t left_ns;                    /* of the timeout */
    int64_t holds;                      /* how many there were */
} MigHintAnswer;

typedef struct MigHintGate {
    MigHintMode mode;
    int64_t timeout_ns;
    int64_t now_ns;                     /* of the last question */
    int64_t held_ns;
    int64_t holds;
    bool asked;
    bool holding;                       /* since the last question */
    bool expired;
    bool inside;                        /* in the last question */
    bool settling;                      /* in this tag, not over yet */
    bool settled;                       /* in this tag, and over */
    int64_t inside_since_ns;            /* this tag: first, last question */
    int64_t last_inside_ns;
    int64_t look_ns;                    /* the last look at what is pending */
    int64_t look_bytes;
    int64_t settle_limit_ns;            /* of a tag's time, for settling */
} MigHintGate;

/*
 * A migration is requested: everything starts afresh.  timeout_ms 0: never
 * hold.  Values out of range are a caller's error, and clamped.
 */
void mig_hint_gate_begin(MigHintGate *g, MigHintMode mode, int64_t timeout_ms);

/*
 * The limit was changed while a migration runs.  It may end a hold at once; a
 * timeout that has passed stays passed.
 */
void mig_hint_gate_set_timeout(MigHintGate *g, int64_t timeout_ms);

/*
 * What may be done.  Called by the migration thread before it starts, sends or
 * switches over; at each change of where; and, while held, left_ns from now at
 * the latest.  Time from a question that was answered by "held" to the next
 * question counts as held, so a late question never makes a hold cheaper.  A
 * clock that goes backwards counts as standing still.
 */
void mig_hint_gate_ask(MigHintGate *g, const MigHintQuestion *question,
                       MigHintAnswer *answer);

const char *mig_hint_mode_name(MigHintMode mode);
const char *mig_hint_reason_name(MigHintReason reason);
const char *mig_hint_reason_text(MigHintReason reason);

#endif
