/*
 * Counts the program's allocations.
 *
 * Every allocation of this program passes here: the linker is told to wrap
 * them (see meson.build).  glib's own go through its library, so g_malloc and
 * its like are wrapped as well.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_ALLOCATIONS_H
#define TEST_ALLOCATIONS_H

static int allocations;

#define WRAP(name, ...)                                                 \
    void *__real_##name(__VA_ARGS__);                                   \
    void *__wrap_##name(__VA_ARGS__);                                   \
    void *__wrap_##name(__VA_ARGS__)

WRAP(malloc, size_t n)
{
    allocations++;
    return __real_malloc(n);
}

WRAP(calloc, size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

WRAP(realloc, void *mem, size_t n)
{
    allocations++;
    return __real_realloc(mem, n);
}

WRAP(g_malloc, gsize n)
{
    allocations++;
    return __real_g_malloc(n);
}

WRAP(g_malloc0, gsize n)
{
    allocations++;
    return __real_g_malloc0(n);
}

WRAP(g_malloc0_n, gsize n, gsize size)
{
    allocations++;
    return __real_g_malloc0_n(n, size);
}

#endif
