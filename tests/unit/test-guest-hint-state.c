/*
 * Guest hints: the registry as tables of events, its bounds and its leases.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"
#include "guest-hint-state.h"

/* One step of a table, 1 ms after the one before; HOST is or-ed in. */
enum { HELLO = MIG_HINT_OP__MAX, READY, LOST, HOST = 0x100 };

typedef struct Step {
    int what;                   /* of those, or a MigHintOp */
    const char *id, *tag;
    MigHintError error;
    MigHintWhere where;
} Step;

#define JOIN MIG_HINT_JOIN
#define ENTER MIG_HINT_ENTER
#define LEAVE MIG_HINT_LEAVE
#define GONE MIG_HINT_GONE
#define ALIVE MIG_HINT_ALIVE
#define OK MIG_HINT_OK
#define UNKNOWN MIG_HINT_UNKNOWN
#define NO_CLIENT MIG_HINT_NO_CLIENT
#define INSIDE MIG_HINT_INSIDE
#define OUTSIDE MIG_HINT_OUTSIDE

static MigHintError apply(MigHintState *s, MigHintSource source, MigHintOp op,
                          const char *id, const char *tag, int64_t lease_ms,
                          int64_t now_ns)
{
    MigHintEvent event = {
        .source = source, .op = op, .id = id, .tag = tag, .lease_ms = lease_ms,
    };

    return mig_hint_state_apply(s, &event, now_ns);
}

static MigHintError guest(MigHintState *s, MigHintOp op, const char *id)
{
    return apply(s, MIG_HINT_GUEST, op, id, NULL, -1, s->now_ns);
}

static void state_known(MigHintState *s, int64_t now_ns)
{
    mig_hint_state_init(s);
    g_assert_cmpint(mig_hint_state_hello(s, 0, now_ns), ==, OK);
    g_assert_cmpint(mig_hint_state_ready(s, now_ns), ==, OK);
}

static void run_table(const Step *steps, size_t n)
{
    MigHintState s;
    MigHintError error;
    MigHintWhere where;
    size_t i;

    mig_hint_state_init(&s);
    for (i = 0; i < n; i++) {
        const Step *t = &steps[i];
        int64_t now_ns = i * MS;

        switch (t->what) {
        case HELLO:
            error = mig_hint_state_hello(&s, 0, now_ns);
            break;
        case READY:
            error = mig_hint_state_ready(&s, now_ns);
            break;
        case LOST:
            mig_hint_state_lost(&s, MIG_HINT_WHY_CLOSED);
            error = OK;
            break;
        default:
            error = apply(&s, t->what & HOST ? MIG_HINT_HOST : MIG_HINT_GUEST,
                          t->what & ~HOST, t->id, t->tag, -1, now_ns);
        }
        where = mig_hint_state_where(&s, now_ns, NULL);
        if (error != t->error || where != t->where) {
            g_error("step %zu: %s, %s", i, mig_hint_error_name(error),
                    mig_hint_where_name(where));
        }
    }
}

#define TABLE(name, ...)                                 \
static void name(void)                                   \
{                                                        \
    static const Step steps[] = { __VA_ARGS__ };         \
    run_table(steps, G_N_ELEMENTS(steps));               \
}

TABLE(test_statement,
    { ENTER, "a", NULL, OK, UNKNOWN },
    { READY, NULL, NULL, MIG_HINT_NO_HELLO, UNKNOWN },
    { HELLO, NULL, NULL, OK, UNKNOWN },
    { JOIN, "b", NULL, OK, UNKNOWN },
    { READY, NULL, NULL, OK, OUTSIDE },         /* a was not stated */
    { ENTER, "b", NULL, OK, INSIDE },
    { HELLO, NULL, NULL, OK, INSIDE },          /* in force until ready */
    { JOIN, "b", NULL, OK, OUTSIDE },           /* stated anew: outside */
    { READY, NULL, NULL, OK, OUTSIDE },
    { HELLO, NULL, NULL, OK, OUTSIDE },
    { READY, NULL, NULL, OK, NO_CLIENT },
    { LOST, NULL, NULL, OK, UNKNOWN },
    { READY, NULL, NULL, MIG_HINT_NO_HELLO, UNKNOWN })

TABLE(test_all_inside,
    { HELLO, NULL, NULL, OK, UNKNOWN },
    { READY, NULL, NULL, OK, NO_CLIENT },
    { ENTER, "a", NULL, OK, INSIDE },
    { JOIN, "b", NULL, OK, OUTSIDE },
    { ENTER, "b", NULL, OK, INSIDE },
    { JOIN, "b", NULL, OK, INSIDE },            /* again: no change */
    { ALIVE, "b", NULL, OK, INSIDE },
    { LEAVE, "a", NULL, OK, OUTSIDE },
    { GONE, "a", NULL, OK, INSIDE },            /* it disappeared */
    { GONE, "a", NULL, MIG_HINT_NO_CLIENT_OF_ID, INSIDE },
    { ALIVE, "a", NULL, MIG_HINT_NO_CLIENT_OF_ID, INSIDE },
    { LEAVE, "c", NULL, OK, OUTSIDE },          /* joins, outside */
    { LEAVE, "c", NULL, MIG_HINT_NOT_INSIDE, OUTSIDE },
    { GONE, "b", NULL, OK, OUTSIDE },
    { GONE, "c", NULL, OK, NO_CLIENT })

TABLE(test_nesting,
    { HELLO, NULL, NULL, OK, UNKNOWN },
    { READY, NULL, NULL, OK, NO_CLIENT },
    { ENTER, "a", "x", OK, INSIDE },
    { ENTER, "a", "y", OK, INSIDE },
    { ENTER, "a", "x", OK, INSIDE },
    { LEAVE, "a", "z", MIG_HINT_NOT_INSIDE, INSIDE },
    { LEAVE, "a", "y", OK, INSIDE },            /* from the middle */
    { LEAVE, "a", "y", MIG_HINT_NOT_INSIDE, INSIDE },
    { LEAVE, "a", "x", OK, INSIDE },
    { LEAVE, "a", "x", OK, OUTSIDE },
    { LEAVE, "a", NULL, MIG_HINT_NOT_INSIDE, OUTSIDE },
    { ENTER, "a", NULL, OK, INSIDE },
    { LEAVE, "a", NULL, OK, OUTSIDE })

TABLE(test_host,
    { HOST | ENTER, "a", NULL, OK, INSIDE },    /* without any guest */
    { HOST | LEAVE, "a", NULL, OK, OUTSIDE },
    { ENTER, "a", NULL, OK, OUTSIDE },          /* not believed: no hello */
    { HOST | ENTER, "a", NULL, OK, INSIDE },
    { HELLO, NULL, NULL, OK, INSIDE },
    { JOIN, "a", NULL, OK, INSIDE },
    { READY, NULL, NULL, OK, OUTSIDE },         /* two clients called a */
    { ENTER, "a", NULL, OK, INSIDE },
    { LOST, NULL, NULL, OK, INSIDE },
    { HOST | GONE, "a", NULL, OK, UNKNOWN })

static void test_names(void)
{
    MigHintState s;
    char id[MIG_HINT_ID_MAX + 2];

    state_known(&s, 0);
    memset(id, 'x', sizeof(id));
    id[MIG_HINT_ID_MAX + 1] = '\0';
    g_assert_cmpint(guest(&s, JOIN, id), ==, MIG_HINT_BAD_NAME);
    id[MIG_HINT_ID_MAX] = '\0';
    g_assert_cmpint(guest(&s, JOIN, id), ==, OK);
    g_assert_cmpstr(mig_hint_state_nth(&s, 0)->id, ==, id);
    g_assert_null(mig_hint_state_nth(&s, 1));
    g_assert_cmpint(guest(&s, JOIN, ""), ==, MIG_HINT_BAD_NAME);
    g_assert_cmpint(guest(&s, JOIN, "a b"), ==, MIG_HINT_BAD_NAME);
    g_assert_cmpint(guest(&s, JOIN, "a\"b"), ==, MIG_HINT_BAD_NAME);
    g_assert_cmpint(guest(&s, JOIN, "a\xc3\xa4"), ==, MIG_HINT_BAD_NAME);
    g_assert_cmpint(guest(&s, JOIN, "A.z_0:9-"), ==, OK);
    id[0] = 'y';
    g_assert_cmpint(apply(&s, MIG_HINT_GUEST, ENTER, "a", id, -1, 0), ==, OK);
    g_assert_cmpstr(mig_hint_state_nth(&s, 2)->tag[0], ==, id);
    g_assert_cmpint(apply(&s, MIG_HINT_GUEST, ENTER, "a", "", -1, 0), ==,
                    MIG_HINT_BAD_NAME);
}

static void test_nesting_bound(void)
{
    MigHintState s;
    int i;

    state_known(&s, 0);
    for (i = 0; i < MIG_HINT_NESTING_MAX; i++) {
        g_assert_cmpint(guest(&s, ENTER, "a"), ==, OK);
    }
    for (i = 0; i < 1000; i++) {
        g_assert_cmpint(guest(&s, ENTER, "a"), ==, MIG_HINT_TOO_DEEP);
    }
    g_assert_cmpint(mig_hint_state_nth(&s, 0)->depth, ==,
                    MIG_HINT_NESTING_MAX);
    for (i = 0; i < MIG_HINT_NESTING_MAX; i++) {
        g_assert_cmpint(mig_hint_state_where(&s, 0, NULL), ==, INSIDE);
        g_assert_cmpint(guest(&s, LEAVE, "a"), ==, OK);
    }
    g_assert_cmpint(mig_hint_state_where(&s, 0, NULL), ==, OUTSIDE);
}

static void fill(MigHintState *s, MigHintSource source, int n, char prefix)
{
    char id[8];
    int i;

    for (i = 0; i < n; i++) {
        g_snprintf(id, sizeof(id), "%c%d", prefix, i);
        g_assert_cmpint(apply(s, source, ENTER, id, NULL, -1, s->now_ns), ==,
                        OK);
    }
}

/* Neither side can take the other's room; what does not fit is not ignored. */
static void test_clients_bound(void)
{
    MigHintState s;
    MigHintWhy why;

    state_known(&s, 0);
    fill(&s, MIG_HINT_GUEST, MIG_HINT_GUEST_CLIENTS_MAX, 'g');
    fill(&s, MIG_HINT_HOST, MIG_HINT_HOST_CLIENTS_MAX, 'h');
    g_assert_cmpint(mig_hint_state_where(&s, 0, &why), ==, INSIDE);
    g_assert_cmpint(why, ==, MIG_HINT_WHY_KNOWN);
    g_assert_cmpint(apply(&s, MIG_HINT_HOST, JOIN, "x", NULL, -1, 0), ==,
                    MIG_HINT_TOO_MANY_CLIENTS);
    g_assert_cmpint(mig_hint_state_where(&s, 0, &why), ==, INSIDE);
    g_assert_cmpint(why, ==, MIG_HINT_WHY_KNOWN);

    /* The guest's is unknown from here; the host's hints still count. */
    g_assert_cmpint(guest(&s, JOIN, "x"), ==, MIG_HINT_TOO_MANY_CLIENTS);
    g_assert_cmpint(mig_hint_state_where(&s, 0, &why), ==, INSIDE);
    g_assert_cmpint(why, ==, MIG_HINT_WHY_OVERFLOW);
    g_assert_cmpint(guest(&s, LEAVE, "g0"), ==, OK);
    g_assert_cmpint(mig_hint_state_where(&s, 0, NULL), ==, INSIDE);

    /* A new statement replaces the old clients one by one, and is complete. */
    g_assert_cmpint(mig_hint_state_hello(&s, 0, 0), ==, OK);
    fill(&s, MIG_HINT_GUEST, MIG_HINT_GUEST_CLIENTS_MAX, 'n');
    g_assert_cmpint(mig_hint_state_ready(&s, 0), ==, OK);
    g_assert_cmpint(mig_hint_state_where(&s, 0, &why), ==, INSIDE);
    g_assert_cmpint(why, ==, MIG_HINT_WHY_KNOWN);
    g_assert_cmpint(guest(&s, GONE, "g1"), ==, MIG_HINT_NO_CLIENT_OF_ID);

    /* One that is not complete is not believed. */
    g_assert_cmpint(mig_hint_state_hello(&s, 0, 0), ==, OK);
    fill(&s, MIG_HINT_GUEST, MIG_HINT_GUEST_CLIENTS_MAX, 'm');
    g_assert_cmpint(guest(&s, JOIN, "x"), ==, MIG_HINT_TOO_MANY_CLIENTS);
    g_assert_cmpint(mig_hint_state_ready(&s, 0), ==, OK);
    mig_hint_state_where(&s, 0, &why);
    g_assert_cmpint(why, ==, MIG_HINT_WHY_OVERFLOW);
}

static void test_lease(void)
{
    MigHintState s;

    state_known(&s, 0);
    g_assert_cmpint(mig_hint_state_deadline_ns(&s), ==, -1);
    g_assert_cmpint(apply(&s, MIG_HINT_GUEST, ENTER, "a", NULL,
                          MIG_HINT_LEASE_MAX_MS + 1, 0), ==,
                    MIG_HINT_BAD_LEASE);
    g_assert_cmpint(apply(&s, MIG_HINT_GUEST, ENTER, "a", NULL, -2, 0), ==,
                    MIG_HINT_BAD_LEASE);
    g_assert_null(mig_hint_state_nth(&s, 0));

    apply(&s, MIG_HINT_GUEST, ENTER, "a", NULL, 100, 0);
    apply(&s, MIG_HINT_HOST, JOIN, "b", NULL, 50, 0);
    g_assert_cmpint(mig_hint_state_deadline_ns(&s), ==, 50 * MS);
    g_assert_cmpint(mig_hint_state_where(&s, 50 * MS - 1, NULL), ==, OUTSIDE);
    g_assert_cmpint(mig_hint_state_where(&s, 50 * MS, NULL), ==, INSIDE);
    g_assert_cmpint(s.n_expired, ==, 1);
    g_assert_cmpint(mig_hint_state_deadline_ns(&s), ==, 100 * MS);

    /* Any word of the client renews it, by as much as before; 0 ends it. */
    apply(&s, MIG_HINT_GUEST, ALIVE, "a", NULL, -1, 99 * MS);
    g_assert_cmpint(mig_hint_state_where(&s, 198 * MS, NULL), ==, INSIDE);
    apply(&s, MIG_HINT_GUEST, LEAVE, "a", NULL, -1, 198 * MS);
    apply(&s, MIG_HINT_GUEST, LEAVE, "a", NULL, -1, 250 * MS);  /* an error */
    g_assert_cmpint(mig_hint_state_deadline_ns(&s), ==, 350 * MS);
    apply(&s, MIG_HINT_GUEST, ALIVE, "a", NULL, 0, 300 * MS);
    g_assert_cmpint(mig_hint_state_deadline_ns(&s), ==, -1);
    g_assert_cmpint(mig_hint_state_where(&s, 1000 * SEC, NULL), ==, OUTSIDE);

    /* At the end of time nothing overflows. */
    apply(&s, MIG_HINT_GUEST, ENTER, "a", NULL, 100, INT64_MAX - 1);
    g_assert_cmpint(mig_hint_state_where(&s, INT64_MAX - 1, NULL), ==, INSIDE);
}

static void test_channel_lease(void)
{
    MigHintState s;
    MigHintWhy why;

    mig_hint_state_init(&s);
    g_assert_cmpint(mig_hint_state_hello(&s, MIG_HINT_LEASE_MAX_MS + 1, 0), ==,
                    MIG_HINT_BAD_LEASE);
    g_assert_cmpint(mig_hint_state_hello(&s, 1000, 0), ==, OK);
    mig_hint_state_ready(&s, 0);
    guest(&s, JOIN, "a");
    apply(&s, MIG_HINT_HOST, ENTER, "h", NULL, -1, 0);
    mig_hint_state_heard(&s, 900 * MS);
    g_assert_cmpint(mig_hint_state_where(&s, 1899 * MS, &why), ==, OUTSIDE);
    g_assert_cmpint(mig_hint_state_where(&s, 1900 * MS, &why), ==, INSIDE);
    g_assert_cmpint(why, ==, MIG_HINT_WHY_LAPSED);
    g_assert_cmpint(mig_hint_state_deadline_ns(&s), ==, -1);
}

/* A clock that goes back stands still: no lease ends early, or never. */
static void test_clock_backwards(void)
{
    MigHintState s;

    state_known(&s, 10 * SEC);
    apply(&s, MIG_HINT_GUEST, JOIN, "a", NULL, 1000, 10 * SEC);
    apply(&s, MIG_HINT_GUEST, ALIVE, "a", NULL, -1, 3 * SEC);
    g_assert_cmpint(mig_hint_state_where(&s, 0, NULL), ==, OUTSIDE);
    g_assert_cmpint(mig_hint_state_deadline_ns(&s), ==, 11 * SEC);
    g_assert_cmpint(mig_hint_state_where(&s, 11 * SEC, NULL), ==, NO_CLIENT);
}

static void test_texts(void)
{
    int i;

    for (i = 0; i < MIG_HINT_ERROR__MAX; i++) {
        g_assert_true(mig_hint_name_valid(mig_hint_error_name(i), 40));
    }
    for (i = 0; i < MIG_HINT_WHERE__MAX; i++) {
        g_assert_true(mig_hint_name_valid(mig_hint_where_name(i), 40));
    }
    for (i = 0; i < MIG_HINT_WHY__MAX; i++) {
        g_assert_true(mig_hint_name_valid(mig_hint_why_name(i), 40));
    }
    g_assert_cmpstr(mig_hint_error_name(-1), ==, "unknown");
    g_assert_cmpstr(mig_hint_where_name(99), ==, "unknown");
    g_assert_cmpstr(mig_hint_why_name(99), ==, "unknown");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hint/state/statement", test_statement);
    g_test_add_func("/hint/state/all-inside", test_all_inside);
    g_test_add_func("/hint/state/nesting", test_nesting);
    g_test_add_func("/hint/state/host", test_host);
    g_test_add_func("/hint/state/names", test_names);
    g_test_add_func("/hint/state/nesting-bound", test_nesting_bound);
    g_test_add_func("/hint/state/clients-bound", test_clients_bound);
    g_test_add_func("/hint/state/lease", test_lease);
    g_test_add_func("/hint/state/channel-lease", test_channel_lease);
    g_test_add_func("/hint/state/clock-backwards", test_clock_backwards);
    g_test_add_func("/hint/state/texts", test_texts);
    return g_test_run();
}
