/*
 * What the engine's tables say, one line an entry, for scripts/list-tunables.
 *
 * Fields are separated by tabs.  Linked with the engine's own objects, so that
 * names, ranges and sentences are never typed a second time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include "policy.h"

static void print_tunable(const char *owner, const MigPolicyTunable *t)
{
    printf("tunable\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%s\t%s\n",
           owner, t->name, t->min, t->max, t->def, t->unit, t->why);
}

int main(void)
{
    const MigPolicyTunable *t;
    const MigPolicyOps *ops;
    size_t i, j;

    mig_policy_register_builtin();

    for (t = mig_policy_driver_tunables; t->name; t++) {
        print_tunable("", t);
    }
    for (i = 0; (ops = mig_policy_nth(i)); i++) {
        printf("policy\t%s\t%s\n", ops->name, ops->summary);
        for (j = 0; j < ops->n_tunables; j++) {
            print_tunable(ops->name, &ops->tunables[j]);
        }
    }
    for (i = 0; i < MIG_ACTION__MAX; i++) {
        printf("action\t%s\n", mig_policy_action_name(i));
    }
    for (i = 0; i < MIG_OUTLOOK__MAX; i++) {
        printf("outlook\t%s\t%s\n", mig_policy_outlook_name(i),
               mig_policy_outlook_text(i));
    }
    for (i = 0; i < MIG_REASON__MAX; i++) {
        printf("reason\t%s\t%s\n", mig_policy_reason_name(i),
               mig_policy_reason_text(i));
    }
    for (i = 0; i < MIG_WORKLOAD__MAX; i++) {
        printf("workload\t%s\t%s\n", mig_policy_workload_name(i),
               mig_policy_workload_text(i));
    }
    return 0;
}
