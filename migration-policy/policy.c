/*
 * Convergence policies for live migration: registry and driver.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "forecast.h"

/* ---- registry ---- */

#define MIG_POLICY_MAX 32

/* Filled before the first migration, read-only from then on. */
static const MigPolicyOps *mig_policies[MIG_POLICY_MAX];
static size_t mig_n_policies;

enum {
    DRIVER_REFRESH_INTERVAL,
    DRIVER_SYNC_BUDGET,
    DRIVER_ACTION_PATIENCE,
    DRIVER_N_TUNABLES,
};

const MigPolicyTunable mig_policy_driver_tunables[] = {
    [DRIVER_REFRESH_INTERVAL] = {
        .name = "refresh-interval-ms",
        .min = 10, .max = 10000, .def = 100, .unit = "ms",
        .why = "Shortest time between a sync and a refresh; QEMU's own "
               "bandwidth window, so that each refresh has something new to "
               "see.",
    },
    [DRIVER_SYNC_BUDGET] = {
        .name = "sync-budget-percent",
        .min = 0, .max = 50, .def = 5, .unit = "%",
        .why = "Share of the migration's time that refreshes may take: a sync "
               "stops the guest's device emulation, longer on a bigger "
               "guest; 0 forbids refreshes.",
    },
    [DRIVER_ACTION_PATIENCE] = {
        .name = "action-patience-ms",
        .min = 0, .max = 600000, .def = 3000, .unit = "ms",
        .why = "How long a migration must be seen not to converge, without a "
               "break, before convergence-action is taken, and between two "
               "throttle steps; a burst of writes must have its chance to "
               "end.",
    },
    [DRIVER_N_TUNABLES] = { .name = NULL },
};

/* Lower case letters, digits and single dashes inside. */
static bool mig_name_is_valid(const char *name)
{
    const char *c;

    if (!name || !g_ascii_islower(name[0])) {
        return false;
    }
    for (c = name; *c; c++) {
        if (*c == '-' ? (c[1] == '-' || !c[1])
                      : !(g_ascii_islower(*c) || g_ascii_isdigit(*c))) {
            return false;
        }
    }
    return true;
}

static bool mig_tunable_is_valid(const MigPolicyOps *ops, size_t i,
                                 char **errmsg)
{
    const MigPolicyTunable *t = &ops->tunables[i];
    size_t j, len = strlen(ops->name);

    if (!mig_name_is_valid(t->name) || strncmp(t->name, ops->name, len) ||
        t->name[len] != '-' || !t->unit || !t->why) {
        *errmsg = g_strdup_printf("policy '%s': tunable %zu needs a name "
                                  "'%s-...', a unit and a reason",
                                  ops->name, i, ops->name);
        return false;
    }
    if (t->min > t->def || t->def > t->max) {
        *errmsg = g_strdup_printf("tunable '%s': default %" PRId64 " is not "
                                  "within %" PRId64 "..%" PRId64, t->name,
                                  t->def, t->min, t->max);
        return false;
    }
    for (j = 0; j < i; j++) {
        if (!strcmp(ops->tunables[j].name, t->name)) {
            break;
        }
    }
    if (j < i || mig_policy_find_tunable(t->name)) {
        *errmsg = g_strdup_printf("tunable '%s' exists already", t->name);
        return false;
    }
    return true;
}

bool mig_policy_register(const MigPolicyOps *ops, char **errmsg)
{
    size_t i;

    *errmsg = NULL;
    if (!mig_name_is_valid(ops->name)) {
        *errmsg = g_strdup_printf("policy name '%s' is not made of lower "
                                  "case letters, digits and dashes",
                                  ops->name ? ops->name : "(null)");
        return false;
    }
    if (!ops->decide || !ops->summary) {
        *errmsg = g_strdup_printf("policy '%s' has no %s", ops->name,
                                  ops->decide ? "summary" : "decide hook");
        return false;
    }
    if (mig_policy_find(ops->name)) {
        *errmsg = g_strdup_printf("policy '%s' exists already", ops->name);
        return false;
    }
    if (mig_n_policies == MIG_POLICY_MAX) {
        *errmsg = g_strdup_printf("no room for policy '%s', there are %d",
                                  ops->name, MIG_POLICY_MAX);
        return false;
    }
    for (i = 0; i < ops->n_tunables; i++) {
        if (!mig_tunable_is_valid(ops, i, errmsg)) {
            return false;
        }
    }
    mig_policies[mig_n_policies++] = ops;
    return true;
}

void mig_policy_register_builtin(void)
{
    static const MigPolicyOps *const builtin[] = {
        &mig_policy_threshold,
        &mig_policy_classic,
        &mig_policy_stall,
        &mig_policy_predict,
        &mig_policy_frequent_set,
        &mig_policy_memory_pattern,
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(builtin); i++) {
        char *errmsg;

        if (mig_policy_find(builtin[i]->name) != builtin[i]) {
            bool ok = mig_policy_register(builtin[i], &errmsg);

            /* The unit tests register them all: this cannot fail. */
            g_assert(ok);
        }
    }
}

const MigPolicyOps *mig_policy_find(const char *name)
{
    size_t i;

    for (i = 0; i < mig_n_policies; i++) {
        if (!strcmp(mig_policies[i]->name, name)) {
            return mig_policies[i];
        }
    }
    return NULL;
}

const MigPolicyOps *mig_policy_nth(size_t i)
{
    return i < mig_n_policies ? mig_policies[i] : NULL;
}

const MigPolicyTunable *mig_policy_find_tunable(const char *name)
{
    size_t i, j;

    for (i = 0; i < DRIVER_N_TUNABLES; i++) {
        if (!strcmp(mig_policy_driver_tunables[i].name, name)) {
            return &mig_policy_driver_tunables[i];
        }
    }
    for (i = 0; i < mig_n_policies; i++) {
        for (j = 0; j < mig_policies[i]->n_tunables; j++) {
            if (!strcmp(mig_policies[i]->tunables[j].name, name)) {
                return &mig_policies[i]->tunables[j];
            }
        }
    }
    return NULL;
}

/* ---- driver: set-up ---- */

struct MigPolicy {
    const MigPolicyOps *ops;
    void *state;
    int64_t *tunable;           /* of the policy, in the order of ops */
    int64_t driver[DRIVER_N_TUNABLES];
    int64_t ram_bytes;
    int64_t page_bytes;
    int64_t throttle_initial_pct;
    int64_t throttle_increment_pct;
    int64_t throttle_max_pct;

    MigForecaster forecaster;
    MigPolicySample last;       /* clocks and counters: highest so far */
    MigPolicyForecast exact_forecast; /* of the last exact sample */
    MigPolicyOutlook exact_outlook;
    MigPolicyWorkload exact_workload;
    int64_t exact_ns;           /* elapsed at it, -1: none yet */
    int64_t sync_cost_ns;       /* what the next refresh is expected to take */
    int64_t failing_since_ns;   /* elapsed, -1: it is not */
    int64_t throttle_pct;       /* in force, 0: none */
    int64_t throttle_ns;        /* elapsed at the last step */
};

/* QEMU's defaults for cpu-throttle-*, where the caller gives none. */
#define THROTTLE_INITIAL_PCT 20
#define THROTTLE_INCREMENT_PCT 10
#define THROTTLE_MAX_PCT 99

static void mig_policy_set_throttle(MigPolicy *p, const MigPolicyConfig *config)
{
    p->throttle_max_pct = config->throttle_max_pct > 0
        ? MIN(config->throttle_max_pct, THROTTLE_MAX_PCT) : THROTTLE_MAX_PCT;
    p->throttle_initial_pct = config->throttle_initial_pct > 0
        ? config->throttle_initial_pct : THROTTLE_INITIAL_PCT;
    p->throttle_initial_pct = MIN(p->throttle_initial_pct,
                                  p->throttle_max_pct);
    p->throttle_increment_pct = config->throttle_increment_pct > 0
        ? config->throttle_increment_pct : THROTTLE_INCREMENT_PCT;
}

static bool mig_policy_set_tunable(MigPolicy *p, const char *name,
                                   int64_t value, char **errmsg)
{
    const MigPolicyTunable *t = mig_policy_find_tunable(name);
    size_t i;

    if (!t) {
        *errmsg = g_strdup_printf("there is no tunable '%s'", name);
        return false;
    }
    if (value < t->min || value > t->max) {
        *errmsg = g_strdup_printf("tunable '%s' must be within %" PRId64 "..%"
                                  PRId64 " %s, not %" PRId64, name, t->min,
                                  t->max, t->unit, value);
        return false;
    }
    for (i = 0; i < DRIVER_N_TUNABLES; i++) {
        if (t == &mig_policy_driver_tunables[i]) {
            p->driver[i] = value;
        }
    }
    for (i = 0; i < p->ops->n_tunables; i++) {
        if (t == &p->ops->tunables[i]) {
            p->tunable[i] = value;
        }
    }
    return true;
}

MigPolicy *mig_policy_new(const MigPolicyConfig *config, char **errmsg)
{
    const MigPolicyOps *ops = mig_policy_find(config->policy);
    MigPolicySetup setup;
    MigPolicy *p;
    size_t i;

    *errmsg = NULL;
    if (!ops) {
        *errmsg = g_strdup_printf("there is no convergence policy '%s'",
                                  config->policy);
        return NULL;
    }
    if (config->ram_bytes <= 0 || config->page_bytes <= 0) {
        *errmsg = g_strdup_printf("policy '%s' needs the sizes of RAM and of a "
                                  "page", ops->name);
        return NULL;
    }

    p = g_new0(MigPolicy, 1);
    p->ops = ops;
    p->ram_bytes = config->ram_bytes;
    p->page_bytes = config->page_bytes;
    p->tunable = g_new0(int64_t, ops->n_tunables);
    for (i = 0; i < ops->n_tunables; i++) {
        p->tunable[i] = ops->tunables[i].def;
    }
    for (i = 0; i < DRIVER_N_TUNABLES; i++) {
        p->driver[i] = mig_policy_driver_tunables[i].def;
    }
    for (i = 0; i < config->n_tunables; i++) {
        if (!mig_policy_set_tunable(p, config->tunable_names[i],
                                    config->tunable_values[i], errmsg)) {
            g_free(p->tunable);
            g_free(p);
            return NULL;
        }
    }
    mig_policy_set_throttle(p, config);
    mig_forecast_init(&p->forecaster);
    p->exact_ns = MIG_POLICY_UNKNOWN;
    p->failing_since_ns = MIG_POLICY_UNKNOWN;

    p->state = g_malloc0(ops->state_bytes);
    setup = (MigPolicySetup) {
        .ram_bytes = p->ram_bytes,
        .page_bytes = p->page_bytes,
        .tunable = p->tunable,
    };
    if (ops->init) {
        ops->init(p->state, &setup);
    }
    return p;
}

void mig_policy_free(MigPolicy *p)
{
    if (!p) {
        return;
    }
    if (p->ops->release) {
        p->ops->release(p->state);
    }
    g_free(p->state);
    g_free(p->tunable);
    g_free(p);
}

const MigPolicyOps *mig_policy_ops(const MigPolicy *p)
{
    return p->ops;
}

void mig_policy_history_config(const MigPolicy *p,
                               MigPageHistoryConfig *config)
{
    *config = mig_page_history_defaults;
    if (p->ops->history_config) {
        p->ops->history_config(p->state, config);
    }
}

/* ---- driver: pure helpers ---- */

int64_t mig_policy_effective_ceiling_ns(const MigPolicySample *sample)
{
    if (sample->downtime_ceiling_ns == 0) {
        return INT64_MAX;
    }
    return MAX(sample->downtime_limit_ns, sample->downtime_ceiling_ns);
}

int64_t mig_policy_transfer_ns(int64_t bytes, int64_t bps)
{
    int64_t s, rest, ns = 0;
    int digit;

    if (bytes < 0 || bps <= 0) {
        return MIG_POLICY_UNKNOWN;
    }
    s = bytes / bps;
    rest = bytes % bps;
    if (s >= INT64_MAX / MIG_POLICY_NS_PER_S) {
        return INT64_MAX;
    }
    if (rest <= INT64_MAX / MIG_POLICY_NS_PER_S) {
        ns = rest * MIG_POLICY_NS_PER_S / bps;
        rest = rest * MIG_POLICY_NS_PER_S % bps;
    } else {
        /* Long division, one decimal digit at a time, stays in 64 bits. */
        while (bps > INT64_MAX / 10) {
            rest >>= 1;
            bps >>= 1;
        }
        for (digit = 0; digit < 9; digit++) {
            rest *= 10;
            ns = ns * 10 + rest / bps;
            rest %= bps;
        }
    }
    return s * MIG_POLICY_NS_PER_S + ns + (rest != 0);
}

/* ---- driver: one sample ---- */

static int64_t mig_known(int64_t value)
{
    return value < 0 ? MIG_POLICY_UNKNOWN : value;
}

/* A counter (or clock) that is lower than before counts as standing still. */
static int64_t mig_counter(int64_t value, int64_t last)
{
    return value < 0 ? MIG_POLICY_UNKNOWN : MAX(value, last);
}

static void mig_policy_sanitise(MigPolicy *p, const MigPolicySample *in,
                                MigPolicySample *s)
{
    MigPolicySample *last = &p->last;

    *s = *in;
    s->round = MAX(in->round, last->round);
    s->now_ns = MAX(in->now_ns, last->now_ns);
    s->elapsed_ns = MAX(in->elapsed_ns, last->elapsed_ns);
    s->ram_bytes = in->ram_bytes > 0 ? in->ram_bytes : p->ram_bytes;
    s->page_bytes = in->page_bytes > 0 ? in->page_bytes : p->page_bytes;
    s->pending_bytes = mig_known(in->pending_bytes);
    s->withheld_bytes = mig_known(in->withheld_bytes);
    s->dirtied_pages = mig_counter(in->dirtied_pages, last->dirtied_pages);
    s->sent_bytes = mig_counter(in->sent_bytes, last->sent_bytes);
    s->bandwidth_bps = mig_known(in->bandwidth_bps);
    s->switchover_bps = mig_known(in->switchover_bps);
    s->threshold_bytes = mig_known(in->threshold_bytes);
    s->sync_cost_ns = mig_known(in->sync_cost_ns);
    s->refresh_spent_ns = mig_counter(in->refresh_spent_ns,
                                      last->refresh_spent_ns);
    s->downtime_limit_ns = mig_known(in->downtime_limit_ns);
    s->downtime_ceiling_ns = mig_known(in->downtime_ceiling_ns);
    s->timeout_ns = MAX(in->timeout_ns, 0);

    /* What is unknown for once does not lower the mark. */
    last->round = s->round;
    last->now_ns = s->now_ns;
    last->elapsed_ns = s->elapsed_ns;
    last->dirtied_pages = MAX(s->dirtied_pages, last->dirtied_pages);
    last->sent_bytes = MAX(s->sent_bytes, last->sent_bytes);
    last->refresh_spent_ns = MAX(s->refresh_spent_ns, last->refresh_spent_ns);
}

/* A ceiling verdict on so much downtime: true when it is known to be more. */
static bool mig_is_above_ceiling(const MigPolicySample *s, int64_t downtime_ns)
{
    return downtime_ns > mig_policy_effective_ceiling_ns(s);
}

/* The outlook as far as rounds and ceiling tell; a policy may know better. */
static MigPolicyOutlook mig_policy_outlook(const MigPolicy *p,
                                           const MigPolicySample *s,
                                           const MigPolicyForecast *fc)
{
    if (p->forecaster.n_rho == 0 || s->bandwidth_bps < 0) {
        return MIG_OUTLOOK_TOO_EARLY;
    }
    if (fc->rounds >= 0) {
        return MIG_OUTLOOK_CONVERGING;
    }
    if (p->ops->ignores_ceiling ||
        mig_is_above_ceiling(s, fc->downtime_now_ns)) {
        return MIG_OUTLOOK_NOT_CONVERGING;
    }
    return MIG_OUTLOOK_STALLED;
}

/* A tick knows nothing new: the last exact sample's view, grown older. */
static void mig_policy_carry_over(const MigPolicy *p, const MigPolicySample *s,
                                  MigPolicyVerdict *v)
{
    if (p->exact_ns < 0) {
        return;
    }
    v->forecast = p->exact_forecast;
    v->outlook = p->exact_outlook;
    v->workload = p->exact_workload;
    if (v->forecast.eta_ns >= 0) {
        v->forecast.eta_ns = MAX(v->forecast.eta_ns -
                                 (s->elapsed_ns - p->exact_ns), 0);
    }
}

/* The ceiling: a policy's wish, against what it would cost the guest now. */
static void mig_policy_apply_ceiling(const MigPolicy *p,
                                     const MigPolicySample *s,
                                     MigPolicyVerdict *v)
{
    int64_t downtime_ns = v->forecast.downtime_now_ns;

    if (v->action != MIG_ACTION_SWITCHOVER || p->ops->ignores_ceiling) {
        return;
    }
    if (mig_is_above_ceiling(s, downtime_ns)) {
        v->action = MIG_ACTION_CONTINUE;
        v->reason = MIG_REASON_ABOVE_CEILING;
        v->outlook = MIG_OUTLOOK_NOT_CONVERGING;
    } else if (downtime_ns < 0 && s->downtime_ceiling_ns != 0) {
        v->action = MIG_ACTION_CONTINUE;
        v->reason = MIG_REASON_BANDWIDTH_UNKNOWN;
    }
}

/* Not converging, and too much downtime at stake to end it all the same. */
static bool mig_policy_is_failing(const MigPolicy *p, const MigPolicySample *s,
                                  const MigPolicyVerdict *v)
{
    const MigPolicyForecast *fc = &v->forecast;

    if (v->outlook != MIG_OUTLOOK_NOT_CONVERGING) {
        return false;
    }
    return p->ops->ignores_ceiling ||
           mig_is_above_ceiling(s, fc->downtime_ns >= 0 ? fc->downtime_ns
                                                   : fc->downtime_now_ns);
}

/* The next throttle step, -1 when it is not due or there is none left. */
static int64_t mig_policy_throttle_step(MigPolicy *p, const MigPolicySample *s,
                                        const MigPolicyVerdict *v)
{
    int64_t patience_ns = p->driver[DRIVER_ACTION_PATIENCE] *
                          MIG_POLICY_NS_PER_MS;
    int64_t pct;

    if (p->throttle_pct == 0) {
        pct = p->throttle_initial_pct;
    } else if (s->elapsed_ns - p->throttle_ns < patience_ns ||
               v->outlook == MIG_OUTLOOK_CONVERGING) {
        return MIG_POLICY_UNKNOWN;
    } else {
        pct = MIN(p->throttle_pct + p->throttle_increment_pct,
                  p->throttle_max_pct);
    }
    if (pct <= p->throttle_pct) {
        return MIG_POLICY_UNKNOWN;
    }
    p->throttle_pct = pct;
    p->throttle_ns = s->elapsed_ns;
    return pct;
}

/*
 * Actions that end the migration for good wait for the time budget if there is
 * one: whoever gives it half an hour does not want it cancelled after three
 * seconds.  Throttling and post-copy need the time that is left.
 */
static bool mig_policy_action_waits(const MigPolicySample *s)
{
    return s->timeout_ns > 0 && (s->on_failure == MIG_ACTION_SWITCHOVER ||
                                 s->on_failure == MIG_ACTION_CANCEL);
}

/* convergence-action, when the ceiling or the time budget calls for it. */
static void mig_policy_apply_action(MigPolicy *p, const MigPolicySample *s,
                                    MigPolicyVerdict *v)
{
    int64_t patience_ns = p->driver[DRIVER_ACTION_PATIENCE] *
                          MIG_POLICY_NS_PER_MS;
    bool spent = s->timeout_ns > 0 && s->elapsed_ns >= s->timeout_ns;
    bool failing;

    /* What could not be sent says nothing: after a hold patience begins anew */
    if (s->held || !mig_policy_is_failing(p, s, v)) {
        p->failing_since_ns = MIG_POLICY_UNKNOWN;
    } else if (p->failing_since_ns < 0) {
        p->failing_since_ns = s->elapsed_ns;
    }
    failing = p->failing_since_ns >= 0 &&
              s->elapsed_ns - p->failing_since_ns >= patience_ns &&
              !mig_policy_action_waits(s);

    if (v->action != MIG_ACTION_CONTINUE || !(spent || failing)) {
        return;
    }
    if (s->on_failure == MIG_ACTION_THROTTLE) {
        v->throttle_pct = mig_policy_throttle_step(p, s, v);
        if (v->throttle_pct < 0) {
            return;
        }
    }
    if (s->on_failure != MIG_ACTION_CONTINUE) {
        v->action = s->on_failure;
        v->reason = spent ? MIG_REASON_TIMEOUT_ACTION
                          : MIG_REASON_CEILING_ACTION;
    } else if (spent) {
        v->reason = MIG_REASON_TIMEOUT;
    }
}

/* No refresh sooner than the interval, nor sooner than the budget allows. */
static void mig_policy_bound_refresh(MigPolicy *p, const MigPolicySample *s,
                                     MigPolicyVerdict *v)
{
    int64_t pct = p->driver[DRIVER_SYNC_BUDGET];
    int64_t interval_ns = p->driver[DRIVER_REFRESH_INTERVAL] *
                          MIG_POLICY_NS_PER_MS;
    double at_ns, afford_ns;

    /* A history lives off syncs: where there is one, it is to be fed. */
    if (v->next_sync_ns < 0 && s->history) {
        v->next_sync_ns = 0;
    }
    if (v->next_sync_ns < 0) {
        v->next_sync_ns = MIG_POLICY_UNKNOWN;
        return;
    }
    if (v->action != MIG_ACTION_CONTINUE && v->action != MIG_ACTION_THROTTLE) {
        v->next_sync_ns = MIG_POLICY_UNKNOWN;
        return;
    }
    if (pct == 0) {
        v->next_sync_ns = MIG_POLICY_UNKNOWN;
        return;
    }
    at_ns = (double)s->elapsed_ns + (double)v->next_sync_ns;
    if (p->exact_ns >= 0) {
        at_ns = MAX(at_ns, (double)p->exact_ns + (double)interval_ns);
    }
    /* When spent + cost is within pct of the time that has passed by then. */
    afford_ns = ((double)MAX(s->refresh_spent_ns, 0) +
                 (double)p->sync_cost_ns) * 100.0 / (double)pct;
    at_ns = MAX(at_ns, afford_ns) - (double)s->elapsed_ns;
    v->next_sync_ns = at_ns < 9e18 ? (int64_t)ceil(at_ns)
                                   : MIG_POLICY_UNKNOWN;
}

void mig_policy_decide(MigPolicy *p, const MigPolicySample *sample,
                       MigPolicyVerdict *verdict)
{
    MigPolicySample s;
    bool exact = sample->kind != MIG_SAMPLE_TICK;

    mig_policy_sanitise(p, sample, &s);
    *verdict = (MigPolicyVerdict) {
        .action = MIG_ACTION_CONTINUE,
        .reason = MIG_REASON_NONE,
        .outlook = MIG_OUTLOOK_TOO_EARLY,
        .throttle_pct = MIG_POLICY_UNKNOWN,
        .next_sync_ns = MIG_POLICY_UNKNOWN,
    };
    mig_forecast_update(&p->forecaster, &s, &verdict->forecast);
    if (exact) {
        verdict->outlook = mig_policy_outlook(p, &s, &verdict->forecast);
    } else {
        mig_policy_carry_over(p, &s, verdict);
    }

    p->ops->decide(p->state, &s, verdict);

    if (exact && mig_threshold_may_stop(s.pending_bytes, s.threshold_bytes)) {
        verdict->action = MIG_ACTION_SWITCHOVER;
        verdict->reason = MIG_REASON_BELOW_THRESHOLD;
        verdict->outlook = MIG_OUTLOOK_CONVERGING;
    } else {
        mig_policy_apply_ceiling(p, &s, verdict);
    }
    mig_policy_apply_action(p, &s, verdict);
    if (!s.history || (verdict->action != MIG_ACTION_CONTINUE &&
                       verdict->action != MIG_ACTION_THROTTLE)) {
        verdict->withhold = false;
    }

    if (verdict->action == MIG_ACTION_SWITCHOVER) {
        verdict->forecast.rounds = 0;
        verdict->forecast.eta_ns = verdict->forecast.downtime_now_ns;
        verdict->forecast.downtime_ns = verdict->forecast.downtime_now_ns;
        verdict->forecast.downtime_low_ns = verdict->forecast.downtime_now_ns;
        verdict->forecast.downtime_high_ns = verdict->forecast.downtime_now_ns;
    }
    if (exact) {
        p->exact_ns = s.elapsed_ns;
        p->exact_forecast = verdict->forecast;
        p->exact_outlook = verdict->outlook;
        p->exact_workload = verdict->workload;
        /* Falls slowly: one cheap sync does not make the next one cheap. */
        p->sync_cost_ns = MAX(s.sync_cost_ns, p->sync_cost_ns -
                                              p->sync_cost_ns / 8);
    }
    mig_policy_bound_refresh(p, &s, verdict);
}

/* ---- names and sentences ---- */

static const char *const mig_action_names[] = {
    [MIG_ACTION_CONTINUE] = "continue",
    [MIG_ACTION_SWITCHOVER] = "switchover",
    [MIG_ACTION_POSTCOPY] = "postcopy",
    [MIG_ACTION_THROTTLE] = "throttle",
    [MIG_ACTION_CANCEL] = "cancel",
};

static const struct {
    const char *name;
    const char *text;
} mig_outlooks[] = {
    [MIG_OUTLOOK_TOO_EARLY] = {
        "too-early", "Not enough has been seen yet to say."
    },
    [MIG_OUTLOOK_CONVERGING] = {
        "converging", "It will end within the downtime limit."
    },
    [MIG_OUTLOOK_STALLED] = {
        "stalled", "It will not get within the downtime limit; the policy can "
                   "end it within the downtime ceiling."
    },
    [MIG_OUTLOOK_NOT_CONVERGING] = {
        "not-converging", "It will get neither within the downtime limit nor "
                          "within the downtime ceiling by itself."
    },
}, mig_workloads[] = {
    [MIG_WORKLOAD_UNKNOWN] = {
        "unknown", "It is not known yet how the guest writes."
    },
    [MIG_WORKLOAD_IDLE] = {
        "idle", "The guest writes next to nothing."
    },
    [MIG_WORKLOAD_WRITE_LIGHT] = {
        "write-light", "The guest writes less than the link carries."
    },
    [MIG_WORKLOAD_LOCALISED] = {
        "localised", "The guest writes a small part of its memory over and "
                     "over."
    },
    [MIG_WORKLOAD_MEMORY_INTENSIVE] = {
        "memory-intensive", "The guest keeps writing to more memory than the "
                            "link carries."
    },
}, mig_reasons[] = {
    [MIG_REASON_NONE] = {
        "none", "Nothing has been seen yet."
    },
    [MIG_REASON_FIRST_ROUND] = {
        "first-round", "All of RAM is being sent for the first time."
    },
    [MIG_REASON_BANDWIDTH_UNKNOWN] = {
        "bandwidth-unknown", "The speed of the link is not known yet."
    },
    [MIG_REASON_PENDING_FALLING] = {
        "pending-falling", "What is left to send is getting less."
    },
    [MIG_REASON_WAITING_FOR_DIP] = {
        "waiting-for-dip", "What is left to send no longer gets less; waiting "
                           "for a moment when it is small."
    },
    [MIG_REASON_ABOVE_THRESHOLD] = {
        "above-threshold", "More is left to send than fits into the downtime "
                           "limit."
    },
    [MIG_REASON_BELOW_THRESHOLD] = {
        "below-threshold", "What is left to send fits into the downtime limit."
    },
    [MIG_REASON_DIP] = {
        "dip", "What is left to send no longer gets less, and is at a low."
    },
    [MIG_REASON_ROUNDS_PREDICTED] = {
        "rounds-predicted", "The predicted number of rounds has been sent."
    },
    [MIG_REASON_ROUND_LIMIT] = {
        "round-limit", "The limit on rounds is reached."
    },
    [MIG_REASON_GUESS_GREW] = {
        "guess-grew", "The predicted number of rounds grew: further rounds do "
                      "not pay."
    },
    [MIG_REASON_DIRTY_RATE] = {
        "dirty-rate", "The guest dirties memory faster than it can be sent."
    },
    [MIG_REASON_CLASSIC_ROUNDS] = {
        "classic-rounds", "The classic rule's limit on rounds is reached."
    },
    [MIG_REASON_CLASSIC_FEW_PAGES] = {
        "classic-few-pages", "So few pages are dirty that another round does "
                             "not pay."
    },
    [MIG_REASON_CLASSIC_SENT_LIMIT] = {
        "classic-sent-limit", "RAM has been sent several times over."
    },
    [MIG_REASON_CLASSIC_NOT_SHRINKING] = {
        "classic-not-shrinking", "The last round was larger than the one "
                                 "before it."
    },
    [MIG_REASON_HISTORY_UNKNOWN] = {
        "history-unknown", "It is not known yet which pages the guest writes "
                           "often."
    },
    [MIG_REASON_HOT_SET_CHANGING] = {
        "hot-set-changing", "What is left to send is still changing, or is "
                            "not all written often."
    },
    [MIG_REASON_HOT_SET_STABLE] = {
        "hot-set-stable", "Little but the pages that are written all the time "
                          "is left to send."
    },
    [MIG_REASON_PATTERN_CHANGING] = {
        "pattern-changing", "The way in which the guest writes memory still "
                            "changes, or what it writes gets less."
    },
    [MIG_REASON_MEMORY_INTENSIVE] = {
        "memory-intensive", "The guest keeps writing to the same memory "
                            "faster than it can be sent."
    },
    [MIG_REASON_ABOVE_CEILING] = {
        "above-ceiling", "The policy would switch over, but the guest would "
                         "be stopped for longer than the downtime ceiling."
    },
    [MIG_REASON_CEILING_ACTION] = {
        "ceiling-action", "It does not converge within the downtime ceiling: "
                          "the convergence action is taken."
    },
    [MIG_REASON_TIMEOUT_ACTION] = {
        "timeout-action", "The time budget is spent: the convergence action "
                          "is taken."
    },
    [MIG_REASON_TIMEOUT] = {
        "timeout", "The time budget is spent; it goes on, as the convergence "
                   "action says."
    },
};

G_STATIC_ASSERT(G_N_ELEMENTS(mig_action_names) == MIG_ACTION__MAX);
G_STATIC_ASSERT(G_N_ELEMENTS(mig_outlooks) == MIG_OUTLOOK__MAX);
G_STATIC_ASSERT(G_N_ELEMENTS(mig_workloads) == MIG_WORKLOAD__MAX);
G_STATIC_ASSERT(G_N_ELEMENTS(mig_reasons) == MIG_REASON__MAX);

const char *mig_policy_action_name(MigPolicyAction action)
{
    return (unsigned)action < MIG_ACTION__MAX ? mig_action_names[action]
                                              : "unknown";
}

const char *mig_policy_outlook_name(MigPolicyOutlook outlook)
{
    return (unsigned)outlook < MIG_OUTLOOK__MAX ? mig_outlooks[outlook].name
                                                : "unknown";
}

const char *mig_policy_outlook_text(MigPolicyOutlook outlook)
{
    return (unsigned)outlook < MIG_OUTLOOK__MAX ? mig_outlooks[outlook].text
                                                : "Unknown outlook.";
}

const char *mig_policy_workload_name(MigPolicyWorkload workload)
{
    return (unsigned)workload < MIG_WORKLOAD__MAX
           ? mig_workloads[workload].name : "unknown";
}

const char *mig_policy_workload_text(MigPolicyWorkload workload)
{
    return (unsigned)workload < MIG_WORKLOAD__MAX
           ? mig_workloads[workload].text : "Unknown workload.";
}

const char *mig_policy_reason_name(MigPolicyReason reason)
{
    return (unsigned)reason < MIG_REASON__MAX ? mig_reasons[reason].name
                                              : "unknown";
}

const char *mig_policy_reason_text(MigPolicyReason reason)
{
    return (unsigned)reason < MIG_REASON__MAX ? mig_reasons[reason].text
                                              : "Unknown reason.";
}
