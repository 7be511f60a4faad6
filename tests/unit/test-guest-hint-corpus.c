/*
 * Guest hints: what the fuzzer has found worth keeping, run once more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include "../fuzz/hint.h"

int main(int argc, char **argv)
{
    const char *dir = g_getenv("MIG_HINT_CORPUS"), *name;
    GDir *found;
    int n = 0;

    g_assert_nonnull(dir);
    found = g_dir_open(dir, 0, NULL);
    g_assert_nonnull(found);
    while ((name = g_dir_read_name(found))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autofree char *data = NULL;
        size_t size;

        g_assert_true(g_file_get_contents(path, &data, &size, NULL));
        /* Named before it runs: a crash is told by its input. */
        g_printerr("%s\n", name);
        LLVMFuzzerTestOneInput((const uint8_t *)data, size);
        n++;
        g_print("ok %d - %s\n", n, name);
    }
    g_dir_close(found);
    g_assert_cmpint(n, >, 10);
    g_print("1..%d\n", n);
    return 0;
}
