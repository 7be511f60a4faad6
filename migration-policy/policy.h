/*
 * Convergence policies for live migration: the contract.
 *
 * Data flows one way.  Whoever migrates (QEMU's migration thread, the
 * simulator, a test) describes what it sees in a MigPolicySample and gets a
 * MigPolicyVerdict back:
 *
 *     dirty-bitmap sync -> sample -> policy -> verdict -> migration thread
 *
 * A policy reads no clock, takes no lock, does no I/O and allocates nothing
 * after init.  Time is a field of the sample, so the same samples always give
 * the same verdicts.  A verdict is advice: the caller keeps every check it had.
 *
 * Conventions: every quantity carries its unit in its name (_ns, _bytes,
 * _pages, _pct; _bps is BYTES per second), is an int64_t, and is -1 when it is
 * not known.  A known zero and an unknown value are never the same thing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_POLICY_H
#define MIG_POLICY_H

#include "page-history.h"

#define MIG_POLICY_UNKNOWN (-1)
#define MIG_POLICY_NS_PER_MS INT64_C(1000000)
#define MIG_POLICY_NS_PER_S INT64_C(1000000000)

/* What a sample rests on. */
typedef enum MigPolicySampleKind {
    /*
     * A pre-copy round ended: everything that was dirty at the last round's
     * end was sent, and the dirty bitmap was synced just now.  Exact.
     */
    MIG_SAMPLE_ROUND,
    /*
     * The dirty bitmap was synced inside a round, because a verdict asked for
     * it (next_sync_ns).  Exact, but no round ended.
     */
    MIG_SAMPLE_REFRESH,
    /*
     * Nothing was synced: pending_bytes is what is left of the last sync.
     * Keeps the first round and a stalled link from being blind.
     */
    MIG_SAMPLE_TICK,
} MigPolicySampleKind;

typedef enum MigPolicyAction {
    MIG_ACTION_CONTINUE,
    MIG_ACTION_SWITCHOVER,      /* stop the guest, send the rest */
    MIG_ACTION_POSTCOPY,        /* switch to post-copy */
    MIG_ACTION_THROTTLE,        /* slow the guest to throttle_pct, go on */
    MIG_ACTION_CANCEL,          /* fail the migration, guest stays here */
    MIG_ACTION__MAX,
} MigPolicyAction;

/* How the migration is doing, for the person who watches it. */
typedef enum MigPolicyOutlook {
    MIG_OUTLOOK_TOO_EARLY,      /* not enough seen to say */
    MIG_OUTLOOK_CONVERGING,     /* will end within downtime-limit */
    /*
     * Will not get within downtime-limit; the policy has a way to end it all
     * the same.
     */
    MIG_OUTLOOK_STALLED,
    MIG_OUTLOOK_NOT_CONVERGING, /* nor within downtime-ceiling */
    MIG_OUTLOOK__MAX,
} MigPolicyOutlook;

/* What kind of writer the guest is, where a policy can tell. */
typedef enum MigPolicyWorkload {
    MIG_WORKLOAD_UNKNOWN,
    MIG_WORKLOAD_IDLE,
    MIG_WORKLOAD_WRITE_LIGHT,   /* the link carries its writes easily */
    MIG_WORKLOAD_LOCALISED,     /* writes few pages, over and over */
    MIG_WORKLOAD_MEMORY_INTENSIVE, /* writes more than the link carries */
    MIG_WORKLOAD__MAX,
} MigPolicyWorkload;

/* Why.  Each has a name and one sentence: mig_policy_reason_name(), _text(). */
typedef enum MigPolicyReason {
    MIG_REASON_NONE,                /* no sample seen yet */
    MIG_REASON_FIRST_ROUND,
    MIG_REASON_BANDWIDTH_UNKNOWN,
    MIG_REASON_PENDING_FALLING,
    MIG_REASON_WAITING_FOR_DIP,
    MIG_REASON_ABOVE_THRESHOLD,
    MIG_REASON_BELOW_THRESHOLD,     /* QEMU's own rule */
    MIG_REASON_DIP,
    MIG_REASON_ROUNDS_PREDICTED,
    MIG_REASON_ROUND_LIMIT,
    MIG_REASON_GUESS_GREW,
    MIG_REASON_DIRTY_RATE,
    MIG_REASON_CLASSIC_ROUNDS,
    MIG_REASON_CLASSIC_FEW_PAGES,
    MIG_REASON_CLASSIC_SENT_LIMIT,
    MIG_REASON_CLASSIC_NOT_SHRINKING,
    MIG_REASON_HISTORY_UNKNOWN,     /* no epoch of the page history yet */
    MIG_REASON_HOT_SET_CHANGING,
    MIG_REASON_HOT_SET_STABLE,
    MIG_REASON_PATTERN_CHANGING,
    MIG_REASON_MEMORY_INTENSIVE,
    MIG_REASON_ABOVE_CEILING,       /* policy would stop, ceiling forbids */
    MIG_REASON_CEILING_ACTION,      /* convergence-action, because of that */
    MIG_REASON_TIMEOUT_ACTION,      /* convergence-action, budget spent */
    MIG_REASON_TIMEOUT,             /* budget spent, action is continue */
    MIG_REASON__MAX,
} MigPolicyReason;

/*
 * One observation.  Read-only for a policy; valid for the call only.
 * All counters cover the pre-copy phase since setup ended.
 */
typedef struct MigPolicySample {
    MigPolicySampleKind kind;
    int64_t round;              /* rounds completed; 0 during the first */
    int64_t now_ns;             /* any monotonic clock */
    int64_t elapsed_ns;         /* since pre-copy began */
    int64_t ram_bytes;          /* all RAM that is migrated */
    int64_t page_bytes;
    int64_t pending_bytes;      /* RAM known to be dirty and not yet sent */
    int64_t withheld_bytes;     /* of these, held back by verdict.withhold */
    int64_t dirtied_pages;      /* found newly dirty at syncs, cumulative */
    int64_t sent_bytes;         /* put on the wire, cumulative */
    int64_t bandwidth_bps;      /* measured over link-busy time, smoothed */
    int64_t switchover_bps;     /* while the guest is stopped; -1: as now */
    int64_t threshold_bytes;    /* QEMU's own: 100 ms bandwidth x limit */
    int64_t sync_cost_ns;       /* what the last sync took */
    int64_t refresh_spent_ns;   /* all refreshes so far, cumulative */
    int64_t downtime_limit_ns;
    int64_t downtime_ceiling_ns; /* 0: no ceiling */
    int64_t timeout_ns;         /* 0: no time budget */
    MigPolicyAction on_failure; /* convergence-action; CONTINUE by default */
    bool held;                  /* the guest held it since the last sample */
    /*
     * Of the pages, up to this sync; NULL: none is kept.  At a tick it is that
     * of the last sync.
     */
    const MigPageHistory *history;
} MigPolicySample;

/* What is expected to happen.  Every field is -1 until it is known. */
typedef struct MigPolicyForecast {
    int64_t rounds;             /* further rounds until the switchover */
    int64_t eta_ns;             /* until the guest runs at the destination */
    int64_t downtime_ns;        /* at the switchover it is heading for */
    int64_t downtime_low_ns;    /* error band of downtime_ns */
    int64_t downtime_high_ns;
    int64_t downtime_now_ns;    /* if it switched over at this sample */
} MigPolicyForecast;

typedef struct MigPolicyVerdict {
    MigPolicyAction action;
    MigPolicyReason reason;
    MigPolicyOutlook outlook;
    /*
     * THROTTLE only, else -1.  A verdict is THROTTLE only when the percentage
     * changes; what was set stays until the migration ends.
     */
    int64_t throttle_pct;
    /* Refresh wanted this long after the sample; -1: none in this round. */
    int64_t next_sync_ns;
    /*
     * Until the next verdict, do not send the pages of the history's frequent
     * set.  They stay dirty, count as pending, and are sent once the guest is
     * stopped.  When nothing else is left to send the caller syncs, or waits
     * until it may; it never spins.  Only with CONTINUE or THROTTLE, and only
     * where sample.history is there.
     */
    bool withhold;
    MigPolicyWorkload workload; /* at a tick: of the last exact sample */
    MigPolicyForecast forecast;
} MigPolicyVerdict;

/* One number that an expert may change, with everything needed to judge it. */
typedef struct MigPolicyTunable {
    const char *name;           /* unique; starts with the policy's name */
    int64_t min, max, def;      /* inclusive range, default */
    const char *unit;           /* "%", "ms", "rounds", ... */
    const char *why;            /* one sentence: what it does, why so */
} MigPolicyTunable;

/* Given to init; what it points to outlives the policy's state. */
typedef struct MigPolicySetup {
    int64_t ram_bytes;
    int64_t page_bytes;
    const int64_t *tunable;     /* values in the order of ops->tunables */
} MigPolicySetup;

typedef struct MigPolicyOps {
    /*
     * Required.  Called by mig_policy_decide() for every sample, from one
     * thread at a time: at each dirty-bitmap sync and each 100 ms tick.
     * verdict arrives as CONTINUE, no sync wanted, with the general forecast
     * and outlook filled in (at a tick: those of the last exact verdict, grown
     * older); the hook changes what it has an opinion on, and sets the reason.
     * SWITCHOVER is a wish: the driver checks the ceiling.  next_sync_ns 0
     * means as soon as the driver's interval and budget allow.
     */
    void (*decide)(void *state, const MigPolicySample *sample,
                   MigPolicyVerdict *verdict);

    const char *name;           /* required; lower case, dashes */
    const char *summary;        /* required; one line for a person */
    /* The policy's rule is not bounded by downtime-ceiling (baselines). */
    bool ignores_ceiling;
    /*
     * The caller keeps a page history and puts it into the samples.  A policy
     * that asks for it must still make sense without (allocation failed, a
     * test).
     */
    bool needs_history;
    const MigPolicyTunable *tunables;   /* optional */
    size_t n_tunables;
    size_t state_bytes;         /* zeroed and handed to every hook */

    /*
     * Optional.  Called once by mig_policy_new(); the only hook that may
     * allocate.  Cannot fail: every tunable was range-checked before.
     */
    void (*init)(void *state, const MigPolicySetup *setup);
    /* Optional.  Called once by mig_policy_free(). */
    void (*release)(void *state);
    /*
     * Optional.  Called by mig_policy_history_config(), before the first
     * sample; config arrives with the driver's values.
     */
    void (*history_config)(const void *state, MigPageHistoryConfig *config);
} MigPolicyOps;

/* ---- registry (policy.c) ---- */

/*
 * Add a policy.  Returns false and sets *errmsg (g_free) when a required hook
 * is missing, the name or a tunable's name is taken, or a default lies outside
 * its range.  Called by mig_policy_register_builtin() and by tests.
 */
bool mig_policy_register(const MigPolicyOps *ops, char **errmsg);

/* Add the policies of this directory; further calls do nothing. */
void mig_policy_register_builtin(void);

/* NULL when there is no such policy. */
const MigPolicyOps *mig_policy_find(const char *name);

/* i-th registered policy, NULL past the end: for listings. */
const MigPolicyOps *mig_policy_nth(size_t i);

/* The driver's or any policy's; NULL when there is no such tunable. */
const MigPolicyTunable *mig_policy_find_tunable(const char *name);

/* The driver's own tunables (not a policy's), terminated by name == NULL. */
extern const MigPolicyTunable mig_policy_driver_tunables[];

/* ---- driver (policy.c) ---- */

typedef struct MigPolicy MigPolicy;

typedef struct MigPolicyConfig {
    const char *policy;         /* name */
    int64_t ram_bytes;
    int64_t page_bytes;
    /* convergence-action throttle: steps, as QEMU's cpu-throttle-* */
    int64_t throttle_initial_pct;
    int64_t throttle_increment_pct;
    int64_t throttle_max_pct;
    /* name/value pairs that differ from the defaults */
    const char *const *tunable_names;
    const int64_t *tunable_values;
    size_t n_tunables;
} MigPolicyConfig;

/*
 * A driver with its policy, ready for the first sample.  Returns NULL and sets
 * *errmsg (g_free) for an unknown policy, an unknown tunable or a value out of
 * range.  A tunable of another policy is checked and otherwise ignored.
 */
MigPolicy *mig_policy_new(const MigPolicyConfig *config, char **errmsg);
void mig_policy_free(MigPolicy *p);
const MigPolicyOps *mig_policy_ops(const MigPolicy *p);

/*
 * How the page history for this policy is to be made.  Whoever keeps a history
 * calls it once, whether the policy needs one or not, before
 * mig_page_history_new().
 */
void mig_policy_history_config(const MigPolicy *p,
                               MigPageHistoryConfig *config);

/*
 * The verdict on one sample.  In this order: the forecast is brought up to
 * date, the policy is asked, QEMU's own rule overrides it when the pending set
 * is small enough (exact samples only), the ceiling and the time budget are
 * applied, and the wish for a refresh is bounded by the sync budget.
 * Allocates nothing.  A clock or counter that goes backwards counts as standing
 * still.
 *
 * Only convergence-action can make a tick's verdict something else than
 * CONTINUE: answer a tick's SWITCHOVER with a refresh, and ask again.
 */
void mig_policy_decide(MigPolicy *p, const MigPolicySample *sample,
                       MigPolicyVerdict *verdict);

const char *mig_policy_action_name(MigPolicyAction action);
const char *mig_policy_outlook_name(MigPolicyOutlook outlook);
const char *mig_policy_outlook_text(MigPolicyOutlook outlook);
const char *mig_policy_workload_name(MigPolicyWorkload workload);
const char *mig_policy_workload_text(MigPolicyWorkload workload);
const char *mig_policy_reason_name(MigPolicyReason reason);
const char *mig_policy_reason_text(MigPolicyReason reason);

/* max(downtime-limit, downtime-ceiling); INT64_MAX when there is no ceiling. */
int64_t mig_policy_effective_ceiling_ns(const MigPolicySample *sample);

/*
 * bytes / bps in ns without overflow, rounded up; -1 if either is unknown or
 * bps is 0.
 */
int64_t mig_policy_transfer_ns(int64_t bytes, int64_t bps);

/* ---- QEMU's own rule, as pure functions (threshold.c) ---- */

/* QEMU asks for the exact figure (a round ends) when this holds. */
bool mig_threshold_wants_exact(int64_t pending_bytes, int64_t threshold_bytes);
/* QEMU switches over when this holds. */
bool mig_threshold_may_stop(int64_t pending_bytes, int64_t threshold_bytes);

/* ---- the policies of this directory ---- */
extern const MigPolicyOps mig_policy_threshold;
extern const MigPolicyOps mig_policy_classic;
extern const MigPolicyOps mig_policy_stall;
extern const MigPolicyOps mig_policy_predict;
extern const MigPolicyOps mig_policy_frequent_set;
extern const MigPolicyOps mig_policy_memory_pattern;

#endif
