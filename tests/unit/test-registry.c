/*
 * Registry: what it takes, what it refuses, and the words for every code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"

static void noop_decide(void *state, const MigPolicySample *sample,
                        MigPolicyVerdict *verdict)
{
}

static void refuse(const MigPolicyOps *ops, const char *pattern)
{
    size_t before = 0, after = 0;
    char *errmsg;

    while (mig_policy_nth(before)) {
        before++;
    }
    g_assert_false(mig_policy_register(ops, &errmsg));
    g_assert_nonnull(errmsg);
    if (!g_pattern_match_simple(pattern, errmsg)) {
        g_error("'%s' does not look like '%s'", errmsg, pattern);
    }
    g_free(errmsg);
    while (mig_policy_nth(after)) {
        after++;
    }
    g_assert_cmpuint(before, ==, after);
}

static void test_builtin(void)
{
    static const char *const names[] = {
        "threshold", "classic", "stall", "predict", "frequent-set",
        "memory-pattern"
    };
    size_t i;

    mig_policy_register_builtin();
    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        const MigPolicyOps *ops = mig_policy_find(names[i]);

        g_assert_nonnull(ops);
        g_assert_cmpstr(ops->name, ==, names[i]);
        g_assert_true(mig_policy_nth(i) == ops);
        g_assert_cmpuint(strlen(ops->summary), >, 10);
        g_assert_null(strchr(ops->summary, '\n'));
    }
    g_assert_null(mig_policy_nth(i));
    g_assert_null(mig_policy_find("native"));
    g_assert_null(mig_policy_find(""));
}

static void test_refusals(void)
{
    static const MigPolicyOps no_decide = { .name = "a", .summary = "s" };
    static const MigPolicyOps no_summary = {
        .name = "a", .decide = noop_decide
    };
    static const MigPolicyOps no_name = {
        .summary = "s", .decide = noop_decide
    };
    static const char *const bad_names[] = {
        "", "A", "a_b", "-a", "a-", "a--b", "1a", "a b", "\303\244"
    };
    static const MigPolicyOps taken = {
        .name = "stall", .summary = "s", .decide = noop_decide
    };
    size_t i;

    refuse(&no_decide, "*'a'*decide*");
    refuse(&no_summary, "*'a'*summary*");
    refuse(&no_name, "*(null)*");
    for (i = 0; i < G_N_ELEMENTS(bad_names); i++) {
        MigPolicyOps ops = {
            .name = bad_names[i], .summary = "s", .decide = noop_decide
        };

        refuse(&ops, "policy name*");
    }
    refuse(&taken, "*'stall' exists*");
}

static void test_tunable_refusals(void)
{
    static const struct {
        MigPolicyTunable t[2];
        size_t n;
        const char *pattern;
    } cases[] = {
        { { { "x-a", 0, 10, 11, "%", "why" } }, 1, "*'x-a'*11*0..10*" },
        { { { "x-a", 5, 10, 4, "%", "why" } }, 1, "*'x-a'*4*5..10*" },
        { { { "y-a", 0, 10, 1, "%", "why" } }, 1, "*'x'*tunable 0*" },
        { { { "x", 0, 10, 1, "%", "why" } }, 1, "*tunable 0*" },
        { { { "xa", 0, 10, 1, "%", "why" } }, 1, "*tunable 0*" },
        { { { NULL, 0, 10, 1, "%", "why" } }, 1, "*tunable 0*" },
        { { { "x-a", 0, 10, 1, NULL, "why" } }, 1, "*tunable 0*" },
        { { { "x-a", 0, 10, 1, "%", NULL } }, 1, "*tunable 0*" },
        { { { "x-a", 0, 10, 1, "%", "why" },
            { "x-a", 0, 10, 1, "%", "why" } }, 2, "*'x-a' exists*" },
    };
    static const MigPolicyTunable steals = {
        "refresh-interval-ms", 0, 10, 1, "ms", "why"
    };
    static const MigPolicyOps thief = {
        .name = "refresh", .summary = "s", .decide = noop_decide,
        .tunables = &steals, .n_tunables = 1,
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        MigPolicyOps ops = {
            .name = "x", .summary = "s", .decide = noop_decide,
            .tunables = cases[i].t, .n_tunables = cases[i].n,
        };

        refuse(&ops, cases[i].pattern);
        g_assert_null(mig_policy_find("x"));
        g_assert_null(mig_policy_find_tunable("x-a"));
    }
    refuse(&thief, "*'refresh-interval-ms' exists*");
}

static void check_tunable(const MigPolicyTunable *t)
{
    g_assert_true(mig_policy_find_tunable(t->name) == t);
    g_assert_cmpint(t->min, <=, t->def);
    g_assert_cmpint(t->def, <=, t->max);
    g_assert_cmpuint(strlen(t->unit), >, 0);
    g_assert_true(g_str_has_suffix(t->why, "."));
}

static MigPolicy *try_tunable(const char *policy, const char *name,
                              int64_t value, char **errmsg)
{
    MigPolicyConfig config = {
        .policy = policy, .ram_bytes = TEST_RAM, .page_bytes = PAGE,
        .tunable_names = &name, .tunable_values = &value, .n_tunables = 1,
    };

    return mig_policy_new(&config, errmsg);
}

static void check_range(const char *policy, const MigPolicyTunable *t)
{
    int64_t good[] = { t->min, t->def, t->max };
    int64_t bad[] = { t->min - 1, t->max + 1 };
    size_t i;
    char *errmsg;

    for (i = 0; i < G_N_ELEMENTS(good); i++) {
        MigPolicy *p = try_tunable(policy, t->name, good[i], &errmsg);

        g_assert_cmpstr(errmsg, ==, NULL);
        mig_policy_free(p);
    }
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_null(try_tunable(policy, t->name, bad[i], &errmsg));
        g_assert_nonnull(strstr(errmsg, t->name));
        g_free(errmsg);
    }
}

static void test_tunables(void)
{
    const MigPolicyOps *ops;
    size_t i, j, n = 0;
    char *errmsg;

    for (i = 0; mig_policy_driver_tunables[i].name; i++) {
        check_tunable(&mig_policy_driver_tunables[i]);
        check_range("threshold", &mig_policy_driver_tunables[i]);
        n++;
    }
    g_assert_cmpuint(n, ==, 3);
    for (i = 0; (ops = mig_policy_nth(i)); i++) {
        for (j = 0; j < ops->n_tunables; j++) {
            check_tunable(&ops->tunables[j]);
            check_range(ops->name, &ops->tunables[j]);
            /* Another policy's is checked as well. */
            check_range("threshold", &ops->tunables[j]);
        }
    }
    g_assert_null(try_tunable("stall", "stall-nonsense", 1, &errmsg));
    g_assert_nonnull(strstr(errmsg, "stall-nonsense"));
    g_free(errmsg);
}

static void test_new_refusals(void)
{
    MigPolicyConfig config = {
        .policy = "nonsense", .ram_bytes = TEST_RAM, .page_bytes = PAGE,
    };
    char *errmsg;

    g_assert_null(mig_policy_new(&config, &errmsg));
    g_assert_nonnull(strstr(errmsg, "nonsense"));
    g_free(errmsg);
    config.policy = "stall";
    config.page_bytes = 0;
    g_assert_null(mig_policy_new(&config, &errmsg));
    g_free(errmsg);
    config.page_bytes = PAGE;
    config.ram_bytes = -1;
    g_assert_null(mig_policy_new(&config, &errmsg));
    g_free(errmsg);
    mig_policy_free(NULL);
}

static void check_words(const char *(*name)(int), const char *(*text)(int),
                        int n)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTable *texts = g_hash_table_new(g_str_hash, g_str_equal);
    int i;

    for (i = 0; i < n; i++) {
        g_assert_cmpstr(name(i), !=, "unknown");
        g_assert_true(g_hash_table_add(names, (void *)name(i)));
        if (text) {
            g_assert_true(g_hash_table_add(texts, (void *)text(i)));
            g_assert_true(g_ascii_isupper(text(i)[0]));
            g_assert_true(g_str_has_suffix(text(i), "."));
        }
    }
    g_assert_cmpstr(name(n), ==, "unknown");
    g_assert_cmpstr(name(-1), ==, "unknown");
    if (text) {
        g_assert_nonnull(text(n));
        g_assert_nonnull(text(-1));
    }
    g_hash_table_destroy(names);
    g_hash_table_destroy(texts);
}

static const char *action_name(int i)
{
    return mig_policy_action_name(i);
}

static const char *outlook_name(int i)
{
    return mig_policy_outlook_name(i);
}

static const char *outlook_text(int i)
{
    return mig_policy_outlook_text(i);
}

static const char *reason_name(int i)
{
    return mig_policy_reason_name(i);
}

static const char *reason_text(int i)
{
    return mig_policy_reason_text(i);
}

/* From the second on: the first is "unknown", and rightly so. */
static const char *workload_name(int i)
{
    return mig_policy_workload_name(i + 1);
}

static const char *workload_text(int i)
{
    return mig_policy_workload_text(i + 1);
}

static void test_words(void)
{
    check_words(action_name, NULL, MIG_ACTION__MAX);
    check_words(outlook_name, outlook_text, MIG_OUTLOOK__MAX);
    check_words(workload_name, workload_text, MIG_WORKLOAD__MAX - 1);
    check_words(reason_name, reason_text, MIG_REASON__MAX);
}

/* Last: it fills the registry. */
static void test_full(void)
{
    static char names[64][16];
    static MigPolicyOps ops[64];
    char *errmsg;
    int i;

    for (i = 0; i < 64; i++) {
        g_snprintf(names[i], sizeof(names[i]), "filler%d", i);
        ops[i] = (MigPolicyOps) {
            .name = names[i], .summary = "s", .decide = noop_decide
        };
        if (!mig_policy_register(&ops[i], &errmsg)) {
            break;
        }
    }
    g_assert_cmpint(i, ==, 26);
    g_assert_nonnull(strstr(errmsg, "no room"));
    g_free(errmsg);
    /* What is there stays there, and asking again changes nothing. */
    mig_policy_register_builtin();
    g_assert_true(mig_policy_find("predict") == &mig_policy_predict);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mig_policy_register_builtin();
    g_test_add_func("/registry/builtin", test_builtin);
    g_test_add_func("/registry/refusals", test_refusals);
    g_test_add_func("/registry/tunable-refusals", test_tunable_refusals);
    g_test_add_func("/registry/tunables", test_tunables);
    g_test_add_func("/registry/new-refusals", test_new_refusals);
    g_test_add_func("/registry/words", test_words);
    g_test_add_func("/registry/full", test_full);
    return g_test_run();
}
