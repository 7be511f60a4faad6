/*
 * Tell the hypervisor when it is a good time to migrate this machine.
 *
 *     #include <migration-hint.h>
 *
 *     migration_hint_enter("exchange");
 *     ...                              // few writes: cheap to be moved now
 *     migration_hint_leave();
 *
 * Hints are advice: no call fails, or needs a result to be looked at, or waits
 * (but for a daemon that hangs: 50 ms, once a second at most).  Where no daemon
 * runs (migration-hintd) a call costs some ten nanoseconds, and so does one that
 * does not change whether the process is inside.  All functions may be called by
 * all threads at any time, but not from signal handlers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_HINT_H
#define MIGRATION_HINT_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Open a tag, and close one.  Tags nest: the process is inside from its first
 * enter to its last leave, whichever threads they are called by, and only those
 * two are told to anyone.  tag is a name for people, of up to 32 letters,
 * digits, '.', '_', ':' and '-', or NULL.  A leave too many does nothing.
 *
 * The first enter makes the process one whose opinion counts: from then on,
 * outside its tags it asks a migration to wait.
 */
void migration_hint_enter(const char *tag);
void migration_hint_leave(void);

/*
 * Count from now on, outside of any tag: for a program whose first phase is one
 * in which it had better not be moved.
 */
void migration_hint_join(void);

/* Count no longer, whatever is open: a program that has no opinion any more. */
void migration_hint_close(void);

/*
 * For programs whose threads have phases of their own.  Between begin and end
 * the calling thread is a worker: its enter and leave are its own, and the
 * process is inside when all of its workers are (or when a thread that is no
 * worker has a tag open).  A worker that ends is one no longer.
 */
void migration_hint_worker_begin(void);
void migration_hint_worker_end(void);

struct migration_hint_status {
    int connected;      /* a daemon listens */
    int inside;         /* this process is inside, as it is told to others */
    int depth;          /* tags that the calling thread would have to leave */
};

/* Tries to connect if need be, so that it can be asked first of all. */
void migration_hint_query(struct migration_hint_status *status);

#ifdef __cplusplus
}
#endif

#endif
