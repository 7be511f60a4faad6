/*
 * A migration on paper: QEMU's loop around the engine's own objects.
 *
 * Transcribed from QEMU 10.0, with the series of this repository:
 * migration_iteration_run(), migration_update_counters() and
 * migration_completion() of migration/migration.c, ram_save_iterate() and
 * migration_bitmap_sync() of migration/ram.c, convergence_advise() of
 * migration/convergence.c.  Where it matters, it does the same:
 *
 *   - one iteration sends for 50 ms, and looks at its clock every 64 pages;
 *   - the threshold is the bandwidth of at least 100 ms x downtime-limit, and
 *     zero before the first 100 ms;
 *   - the exact query, which ends a round, comes when the estimate is below
 *     the threshold, and not before;
 *   - a page that is written between a sync and its turn goes out with its
 *     new content, and is dirty at the next sync all the same;
 *   - a policy is asked at each sync and each 100 ms; a tick that wants to
 *     switch over becomes a refresh; a refresh does not end a round.
 *
 * What the guest writes shows in the dirty log only, so between two syncs it
 * does not matter when exactly it writes: the writer is brought up to date once
 * an iteration.  With check, after every word that is sent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim.h"
#include "bandwidth.h"
#include "text.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define MAX_WAIT_MS 50          /* ram.c: MAX_WAIT */
#define CLOCK_PAGES 64          /* ram.c: between two looks at the clock */
#define BUFFER_DELAY_MS 100     /* migration-stats.h */
#define TICK_NS (100 * NS_PER_MS)
/* The shortest round while pages are withheld, as in the glue */
#define ROUND_NS (20 * NS_PER_MS)
#define IDLE_NS NS_PER_MS       /* nothing to send, and nothing to decide */

/*
 * Measured with tests/bench/sync-cost: 50 us per GiB of a big TCG guest.  Page
 * work: about 2.5 GiB/s by one migration thread, zero pages at 8 GiB/s.
 */
const SimCosts sim_costs_default = {
    .setup_ns = 5 * NS_PER_MS,
    .sync_ns = 150000,
    .sync_ns_per_gib = 50000,
    .page_ns = 1500,
    .zero_page_ns = 500,
    .page_head_bytes = 8,
    .zero_page_bytes = 9,
    .device_bytes = 256 << 10,
    .completion_ns = 15 * NS_PER_MS,
};

typedef struct Sim {
    const SimConfig *c;
    SimGuest *g;
    SimWriter *writer;
    SimOrder *order;
    MigPolicy *policy;
    const SimControllerKind *controller;
    void *controller_state;
    SimOrders orders;
    SimListener *listener;
    void *opaque;
    SimResult *r;
    char *error;

    SimLink link;
    int64_t now_ns;             /* since "migrate" */
    int64_t guest_ns;           /* the guest's own time */
    int64_t throttle_pct;
    int64_t dirtied_pages;
    uint64_t *raw;
    uint64_t *had;              /* sent at least once; NULL: no matter */

    /* migration.c */
    int64_t window_ms, window_bytes;
    int64_t threshold_bytes;
    int64_t mbps_bps;           /* what query-migrate shows; -1: nothing yet */

    /* convergence.c */
    MigBandwidth bandwidth;
    int64_t start_ns;
    int64_t mark_ns, mark_bytes, mark_pages, mark_zero_pages;
    int64_t next_sync_ns, next_tick_ns, last_sync_ns;
    int64_t sync_cost_ns;
    int64_t round_dirtied_pages;
    bool postcopy_asked;
    bool withhold;
    bool round_over;            /* nothing is left that may be sent */
    int64_t withheld_pages;     /* as of the last sync */

    int64_t next_poll_ns;
    MigPolicyVerdict verdict;
    bool over;
} Sim;

const char *sim_end_name(SimEnd end)
{
    static const char *const names[] = {
        [SIM_COMPLETED] = "completed", [SIM_POSTCOPY] = "postcopy",
        [SIM_FAILED] = "failed", [SIM_ABORTED] = "aborted",
        [SIM_GAVE_UP] = "gave-up",
    };

    return names[end];
}

static int64_t pending_bytes(const Sim *s)
{
    return s->g->pending_pages * s->g->page_bytes;
}

static void emit(Sim *s, SimEventKind kind, const char *text)
{
    SimEvent event = {
        .kind = kind,
        .time_ns = s->now_ns,
        .round = s->r->rounds,
        .pending_bytes = pending_bytes(s),
        .sent_bytes = s->r->sent_bytes,
        .dirtied_pages = s->dirtied_pages - s->round_dirtied_pages,
        .bandwidth_bps = mig_bandwidth_bps(&s->bandwidth),
        .verdict = s->verdict,
        .text = text,
    };

    if (s->listener) {
        s->listener(s->opaque, &event);
    }
}

static void finish(Sim *s, SimEnd end)
{
    s->r->end = end;
    s->r->total_ns = s->now_ns;
    s->over = true;
    emit(s, SIM_EVENT_END, sim_end_name(end));
}

static void invariant(Sim *s, char *error)
{
    if (error && !s->error) {
        s->error = g_strdup_printf("at %.3f s: %s", s->now_ns / 1e9, error);
    }
    g_free(error);
}

/* ---- time ---- */

static void pass_time(Sim *s, int64_t to_ns)
{
    s->guest_ns += (to_ns - s->now_ns) * (100 - s->throttle_pct) / 100;
    s->now_ns = to_ns;
    sim_writer_advance(s->writer, s->g, s->guest_ns);
}

/* The link has carried what was sent since the mark; idle time is left out. */
static void look_at_link(Sim *s)
{
    int64_t bytes = s->r->sent_bytes - s->mark_bytes;

    if (bytes) {
        mig_bandwidth_add(&s->bandwidth, s->now_ns - s->mark_ns, bytes,
                          s->r->pages - s->mark_pages,
                          s->r->zero_pages - s->mark_zero_pages);
    }
    s->mark_ns = s->now_ns;
    s->mark_bytes = s->r->sent_bytes;
    s->mark_pages = s->r->pages;
    s->mark_zero_pages = s->r->zero_pages;
}

static void update_counters(Sim *s)
{
    int64_t now_ms = s->now_ns / NS_PER_MS, spent_ms = now_ms - s->window_ms;
    int64_t bytes = s->r->sent_bytes - s->window_bytes;

    if (spent_ms < BUFFER_DELAY_MS) {
        return;
    }
    s->threshold_bytes = sim_muldiv(
        bytes, s->orders.downtime_limit_ns / NS_PER_MS, spent_ms);
    s->mbps_bps = bytes * 1000 / spent_ms;
    s->window_ms = now_ms;
    s->window_bytes = s->r->sent_bytes;
}

/* ---- syncs ---- */

static int64_t sync_cost_ns(const Sim *s)
{
    return s->c->free_sync_ns ? 0 : s->c->costs.sync_ns +
        sim_muldiv(s->c->costs.sync_ns_per_gib, s->r->ram_bytes, 1 << 30);
}

static void sync_bitmap(Sim *s, bool refresh)
{
    if (s->c->check) {
        invariant(s, sim_guest_check(s->g));
    }
    s->dirtied_pages += sim_guest_sync(s->g, s->raw);
    s->sync_cost_ns = sync_cost_ns(s);
    /* What the guest writes meanwhile is for the next sync to find. */
    pass_time(s, s->now_ns + s->sync_cost_ns);
    sim_order_synced(s->order, s->g, s->raw, s->now_ns, !refresh);
    s->round_over = false;
    s->withheld_pages = s->withhold
        ? sim_order_withheld_pages(s->order, s->g) : 0;
    if (s->c->check) {
        invariant(s, sim_guest_check(s->g));
    }
    s->last_sync_ns = s->now_ns;
    s->next_sync_ns = -1;
    s->mark_ns = s->now_ns;
    if (refresh) {
        s->r->refreshes++;
        s->r->refresh_spent_ns += s->sync_cost_ns;
    } else {
        s->r->rounds++;
    }
}

/* ---- stopping ---- */

/*
 * Downtime if the guest were stopped now, and until the last byte is in the
 * link's buffer.  That a page may be the destination's first is left out: only
 * who stops within the first round has any.
 */
static int64_t stop_now_ns(const Sim *s, int64_t *handed_over_ns)
{
    const SimCosts *c = &s->c->costs;
    int64_t zero = s->g->dirty_zero_pages, pages = s->g->dirty_pages - zero;
    int64_t bytes = pages * (s->g->page_bytes + c->page_head_bytes) +
                    zero * c->zero_page_bytes + c->device_bytes;
    int64_t from_ns = s->now_ns + sync_cost_ns(s);
    int64_t cpu_ns = pages * c->page_ns + zero * c->zero_page_ns;
    SimLink link = s->link;
    int64_t accepted_ns = sim_link_send(&link, from_ns, bytes, false);

    *handed_over_ns = MAX(accepted_ns, from_ns + cpu_ns) - s->now_ns;
    return MAX(link.busy_until_ns, from_ns + cpu_ns) - s->now_ns +
           c->completion_ns;
}

static void note_best(Sim *s)
{
    int64_t handed_over_ns, downtime_ns = stop_now_ns(s, &handed_over_ns);
    int64_t total_ns = s->now_ns + downtime_ns;

    if (s->r->best_total_ns < 0 || sim_cost_ns(total_ns, downtime_ns) <
        sim_cost_ns(s->r->best_total_ns, s->r->best_downtime_ns)) {
        s->r->best_total_ns = total_ns;
        s->r->best_downtime_ns = downtime_ns;
    }
}

/* All that is left goes out; QEMU uses its own order here. */
static void send_rest(Sim *s)
{
    size_t w;

    for (w = 0; w < s->g->n_words; w++) {
        if (s->g->pending[w]) {
            int64_t pages, zero;

            sim_guest_send(s->g, w, s->g->pending[w], &pages, &zero);
            s->r->pages += pages;
            s->r->zero_pages += zero;
            s->r->sent_bytes +=
                pages * (s->g->page_bytes + s->c->costs.page_head_bytes) +
                zero * s->c->costs.zero_page_bytes;
        }
    }
    s->r->sent_bytes += s->c->costs.device_bytes;
}

static void switch_over(Sim *s, SimEnd end)
{
    int64_t handed_over_ns, downtime_ns = stop_now_ns(s, &handed_over_ns);
    int64_t dirty = s->g->dirty_pages;

    s->r->reason = s->verdict.reason;
    s->r->forecast_ns = s->verdict.forecast.downtime_now_ns;
    s->r->guest_work_pct = s->guest_ns * 100 / MAX(s->now_ns, 1);
    emit(s, SIM_EVENT_SWITCHOVER, NULL);
    if (end == SIM_POSTCOPY) {
        /* The guest runs there as soon as its devices do; then the rest. */
        SimLink link = s->link;

        sim_link_send(&link, s->now_ns, s->c->costs.device_bytes, false);
        s->r->downtime_ns = link.busy_until_ns - s->now_ns +
                            s->c->costs.completion_ns;
    } else {
        s->r->downtime_ns = downtime_ns;
        s->r->handed_over_ns = handed_over_ns;
    }
    s->r->unsynced_pages = sim_guest_sync(s->g, NULL);
    if (s->c->check && s->g->pending_pages != dirty) {
        invariant(s, g_strdup_printf("%" PRId64 " pages are sent at the "
                  "switchover, %" PRId64 " were dirty", s->g->pending_pages,
                  dirty));
    }
    send_rest(s);
    s->now_ns += downtime_ns;
    if (s->c->check) {
        invariant(s, sim_guest_check(s->g));
        invariant(s, sim_guest_check_sent(s->g));
    }
    finish(s, end);
}

/* ---- the policy ---- */

typedef enum Advice { GO_ON, REFRESH, SWITCH, FAIL } Advice;

static void check_verdict(Sim *s, MigPolicySampleKind kind, bool native)
{
    bool stops = s->verdict.action == MIG_ACTION_SWITCHOVER;

    if (kind == MIG_SAMPLE_TICK) {
        return;
    }
    if (native && !stops) {
        invariant(s, g_strdup("QEMU's own rule stops, the engine does not"));
    }
    if (!strcmp(s->c->policy, "threshold") && stops && !native &&
        s->verdict.reason != MIG_REASON_TIMEOUT_ACTION &&
        s->verdict.reason != MIG_REASON_CEILING_ACTION) {
        invariant(s, g_strdup("threshold stops, QEMU's own rule does not"));
    }
}

static Advice advise(Sim *s, MigPolicySampleKind kind, bool native)
{
    MigPolicyVerdict before = s->verdict;
    MigPolicySample sample;

    if (kind == MIG_SAMPLE_TICK && !native && s->now_ns < s->next_tick_ns) {
        return GO_ON;
    }
    s->next_tick_ns = s->now_ns + TICK_NS;
    sample = (MigPolicySample) {
        .kind = kind,
        .round = s->r->rounds,
        .now_ns = s->now_ns,
        .elapsed_ns = s->now_ns - s->start_ns,
        .ram_bytes = s->r->ram_bytes,
        .page_bytes = s->g->page_bytes,
        .pending_bytes = pending_bytes(s),
        .withheld_bytes = s->withheld_pages * s->g->page_bytes,
        .history = sim_order_history(s->order),
        .dirtied_pages = s->dirtied_pages,
        .sent_bytes = s->r->sent_bytes,
        .bandwidth_bps = mig_bandwidth_bps(&s->bandwidth),
        .switchover_bps = MIG_POLICY_UNKNOWN,
        .threshold_bytes = s->threshold_bytes,
        .sync_cost_ns = s->sync_cost_ns,
        .refresh_spent_ns = s->r->refresh_spent_ns,
        .downtime_limit_ns = s->orders.downtime_limit_ns,
        .downtime_ceiling_ns = s->c->downtime_ceiling_ns,
        .timeout_ns = s->c->timeout_ns,
        .on_failure = s->c->on_failure,
    };
    mig_policy_decide(s->policy, &sample, &s->verdict);
    s->withhold = s->verdict.withhold;
    if (kind != MIG_SAMPLE_TICK || !s->withhold) {
        /* What may be sent is another question now. */
        s->round_over = false;
    }
    if (s->c->check) {
        check_verdict(s, kind, native);
    }
    if (native) {
        s->verdict.action = MIG_ACTION_SWITCHOVER;
        s->verdict.reason = MIG_REASON_BELOW_THRESHOLD;
    }
    s->next_sync_ns = s->verdict.next_sync_ns >= 0
        ? s->now_ns + s->verdict.next_sync_ns : -1;

    if (kind == MIG_SAMPLE_ROUND) {
        emit(s, SIM_EVENT_ROUND, NULL);
        s->round_dirtied_pages = s->dirtied_pages;
    } else if (before.action != s->verdict.action ||
               before.reason != s->verdict.reason ||
               before.outlook != s->verdict.outlook) {
        emit(s, SIM_EVENT_VERDICT, NULL);
    }

    switch (s->verdict.action) {
    case MIG_ACTION_SWITCHOVER:
        return native || kind != MIG_SAMPLE_TICK ? SWITCH : REFRESH;
    case MIG_ACTION_POSTCOPY:
        s->postcopy_asked = true;
        return GO_ON;
    case MIG_ACTION_THROTTLE:
        s->throttle_pct = s->verdict.throttle_pct;
        return GO_ON;
    case MIG_ACTION_CANCEL:
        return FAIL;
    default:
        return GO_ON;
    }
}

/* ---- the outside ---- */

static void poll_controller(Sim *s)
{
    SimView view = {
        .elapsed_ns = s->now_ns,
        .remaining_bytes = pending_bytes(s),
        .ram_bytes = s->r->ram_bytes,
        .sync_count = s->r->rounds + 1,
        .bandwidth_bps = s->mbps_bps,
    };

    if (!s->controller || s->now_ns < s->next_poll_ns) {
        return;
    }
    s->next_poll_ns += s->controller->poll_ns;
    s->orders.text[0] = '\0';
    s->controller->poll(s->controller_state, &view, &s->orders);
    if (s->orders.text[0]) {
        emit(s, SIM_EVENT_CONTROL, s->orders.text);
    }
}

/* ---- the loop ---- */

/*
 * A destination that touches a page for the first time is slow to read on, and
 * with shallow buffers the link has to wait for it.
 */
static void hold_up_link(Sim *s, int64_t at_ns, size_t word, uint64_t bits)
{
    uint64_t first = bits & ~s->had[word] & ~s->g->zero[word];

    s->had[word] |= bits;
    if (first) {
        s->link.busy_until_ns = MAX(s->link.busy_until_ns, at_ns) +
            __builtin_popcountll(first) * s->c->costs.first_page_ns;
    }
}

/* ram_save_iterate() */
static void send_some(Sim *s)
{
    const SimCosts *c = &s->c->costs;
    int64_t start_ns = s->now_ns, at_ns = start_ns, since_look = 0;
    size_t word;
    uint64_t bits;

    for (;;) {
        int64_t pages, zero, bytes;

        if (!sim_order_next(s->order, s->g, s->withhold, &word, &bits)) {
            s->round_over = true;
            break;
        }
        if (s->had) {
            hold_up_link(s, at_ns, word, bits);
        }
        sim_guest_send(s->g, word, bits, &pages, &zero);
        bytes = pages * (s->g->page_bytes + c->page_head_bytes) +
                zero * c->zero_page_bytes;
        s->r->pages += pages;
        s->r->zero_pages += zero;
        s->r->sent_bytes += bytes;
        at_ns += pages * c->page_ns + zero * c->zero_page_ns;
        at_ns = sim_link_send(&s->link, at_ns, bytes, true);
        if (s->c->check) {
            pass_time(s, at_ns);
        }
        since_look += pages + zero;
        if (since_look >= CLOCK_PAGES) {
            since_look -= CLOCK_PAGES;
            if ((at_ns - start_ns) / NS_PER_MS > MAX_WAIT_MS) {
                break;
            }
        }
    }
    if (at_ns == start_ns) {
        /* Nothing to send: no spinning until there is something to decide. */
        at_ns += IDLE_NS;
    }
    pass_time(s, at_ns);
}

/* The oracle's: syncs for nothing, and never stops. */
static void iterate_for_free(Sim *s)
{
    if (s->g->pending_pages == 0) {
        sync_bitmap(s, false);
        if (s->g->pending_pages == 0) {
            pass_time(s, s->now_ns + IDLE_NS);
        }
    } else if (s->now_ns >= s->last_sync_ns + s->c->free_sync_ns) {
        sync_bitmap(s, true);
    }
    note_best(s);
    send_some(s);
    update_counters(s);
    /* What comes from now on is dearer even without any downtime. */
    if (s->now_ns >= sim_cost_ns(s->r->best_total_ns,
                                 s->r->best_downtime_ns)) {
        finish(s, SIM_COMPLETED);
    }
}

/*
 * The end of convergence_iterate(): is a sync due, and does a round end with
 * it?  Where a history is kept a round ends when nothing is left that may be
 * sent.  If there was nothing at all since the last sync it waits until the
 * next one is due, instead of spinning; if there was little, because pages are
 * withheld, the shortest round's time.
 */
static bool sync_is_due(Sim *s, bool *round_ends)
{
    int64_t due_ns = s->now_ns;

    *round_ends = sim_order_history(s->order) && s->round_over;
    if (*round_ends) {
        if (sim_order_is_empty(s->order)) {
            due_ns = s->next_sync_ns >= 0 ? s->next_sync_ns
                                          : s->last_sync_ns + TICK_NS;
        } else if (s->withhold) {
            due_ns = s->last_sync_ns + MAX(ROUND_NS, s->sync_cost_ns * 20);
        }
        if (due_ns > s->now_ns) {
            pass_time(s, MIN(due_ns, s->now_ns + TICK_NS));
            s->mark_ns = s->now_ns;
        }
        return s->now_ns >= due_ns;
    }
    return s->next_sync_ns >= 0 && s->now_ns >= s->next_sync_ns;
}

/* migration_iteration_run(), then migration_rate_limit() */
static void iterate(Sim *s)
{
    MigPolicySampleKind kind = MIG_SAMPLE_TICK;
    Advice advice;
    bool native, due, round_ends;

    poll_controller(s);
    if (s->orders.abort) {
        finish(s, SIM_ABORTED);
        return;
    }
    look_at_link(s);
    due = sync_is_due(s, &round_ends);
    if (pending_bytes(s) < s->threshold_bytes) {
        sync_bitmap(s, false);
        kind = MIG_SAMPLE_ROUND;
    } else if (due) {
        sync_bitmap(s, !round_ends);
        kind = round_ends ? MIG_SAMPLE_ROUND : MIG_SAMPLE_REFRESH;
    }
    native = !pending_bytes(s) || pending_bytes(s) < s->threshold_bytes;
    advice = advise(s, kind, native);
    if (advice == REFRESH) {
        sync_bitmap(s, true);
        native = pending_bytes(s) < s->threshold_bytes;
        advice = advise(s, MIG_SAMPLE_REFRESH, native);
    }
    note_best(s);
    if (advice == FAIL) {
        s->r->reason = s->verdict.reason;
        finish(s, SIM_FAILED);
    } else if (native || advice == SWITCH) {
        switch_over(s, SIM_COMPLETED);
    } else if (s->postcopy_asked) {
        switch_over(s, SIM_POSTCOPY);
    } else {
        send_some(s);
        update_counters(s);
    }
}

static bool set_up(Sim *s, char **errmsg)
{
    const SimConfig *c = s->c;
    MigPolicyConfig policy = {
        .policy = c->policy,
        .ram_bytes = s->g->pages * s->g->page_bytes,
        .page_bytes = s->g->page_bytes,
        .tunable_names = c->tunable_names,
        .tunable_values = c->tunable_values,
        .n_tunables = c->n_tunables,
    };
    MigPageHistoryConfig history;

    *errmsg = NULL;
    mig_policy_register_builtin();
    s->policy = mig_policy_new(&policy, errmsg);
    if (!s->policy) {
        return false;
    }
    mig_policy_history_config(s->policy, &history);
    s->order = sim_order_new(c->order, s->g, &history,
                             mig_policy_ops(s->policy)->needs_history, errmsg);
    if (!s->order) {
        return false;
    }
    if (sim_order_history(s->order)) {
        s->raw = g_new0(uint64_t, s->g->n_words);
    }
    if (c->controller) {
        s->controller = sim_controller_find(c->controller);
        if (!s->controller) {
            *errmsg = g_strdup_printf("there is no controller '%s'",
                                      c->controller);
            return false;
        }
        s->controller_state = g_malloc0(s->controller->state_bytes);
    }
    if (c->costs.first_page_ns) {
        s->had = g_new0(uint64_t, s->g->n_words);
    }
    s->link = c->link;
    s->link.busy_until_ns = 0;
    s->link.carry = 0;
    mig_bandwidth_init(&s->bandwidth);
    s->r->ram_bytes = policy.ram_bytes;
    s->orders.downtime_limit_ns = c->downtime_limit_ns;
    s->mbps_bps = -1;
    s->next_sync_ns = -1;
    s->sync_cost_ns = MIG_POLICY_UNKNOWN;
    s->verdict.forecast.downtime_now_ns = MIG_POLICY_UNKNOWN;
    return true;
}

static void begin(Sim *s)
{
    sim_guest_begin(s->g);
    if (s->controller) {
        SimView view = { .ram_bytes = s->r->ram_bytes, .bandwidth_bps = -1 };

        if (s->controller->start) {
            s->controller->start(s->controller_state, &view, &s->orders);
        }
        if (s->orders.text[0]) {
            emit(s, SIM_EVENT_CONTROL, s->orders.text);
        }
        s->next_poll_ns = s->controller->poll_ns;
    }
    pass_time(s, s->c->costs.setup_ns);
    sim_order_begin(s->order, s->now_ns);
    s->start_ns = s->now_ns;
    s->last_sync_ns = s->now_ns;
    s->mark_ns = s->now_ns;
    s->window_ms = s->now_ns / NS_PER_MS;
    s->next_tick_ns = s->now_ns + TICK_NS;
}

bool sim_run(const SimConfig *config, SimGuest *g, SimWriter *writer,
             SimListener *listener, void *opaque, SimResult *result,
             char **errmsg)
{
    Sim s = {
        .c = config, .g = g, .writer = writer, .listener = listener,
        .opaque = opaque, .r = result,
    };
    bool ok;

    *result = (SimResult) {
        .downtime_ns = -1, .handed_over_ns = -1, .setup_ns = config->costs.setup_ns,
        .forecast_ns = -1, .best_total_ns = -1, .best_downtime_ns = -1,
        .unsynced_pages = -1,
    };
    ok = set_up(&s, errmsg);
    if (ok) {
        begin(&s);
        while (!s.over) {
            if (s.now_ns >= config->time_limit_ns) {
                finish(&s, SIM_GAVE_UP);
            } else if (config->free_sync_ns) {
                iterate_for_free(&s);
            } else {
                iterate(&s);
            }
        }
        if (result->downtime_ns < 0) {
            result->guest_work_pct = s.guest_ns * 100 / MAX(s.now_ns, 1);
        }
        result->writes = sim_writer_writes(writer);
        result->trace_loops = sim_writer_loops(writer);
        if (s.error) {
            *errmsg = s.error;
            ok = false;
        }
    }
    mig_policy_free(s.policy);
    sim_order_free(s.order);
    g_free(s.controller_state);
    g_free(s.raw);
    g_free(s.had);
    return ok;
}
