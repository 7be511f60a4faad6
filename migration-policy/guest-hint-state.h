/*
 * Guest hints: who is inside a tag.
 *
 * A program in the guest tags the segments of its work in which moving the
 * guest is cheap.  This is the registry of those programs ("clients") and of
 * the tags that each of them has open.  One rule: the guest is inside when
 * every registered client has at least one tag open.
 *
 *                 open, silent          hello ... ready
 *     (closed) ----------------> UNKNOWN --------------> known
 *         ^                         ^                      |
 *         |                         | close, lease lapsed, |
 *         +-------------------------+ flood, too many      |
 *                                   +----------------------+
 *     known: no client -> NO_CLIENT
 *            all inside -> INSIDE,  else OUTSIDE
 *
 * Only OUTSIDE ever holds a migration.  Two sources fill the registry: the
 * guest's channel (untrusted, bounded apart) and the host's own command, whose
 * clients count whether or not the channel is known.
 *
 * Source of the idea: Kuo, "A Task Guided Framework for Reducing the Service
 * Downtime of Virtual Machine Live Migration" (National Ilan University), and
 * Lin et al., "A Framework for Task-Guided Virtual Machine Live Migration",
 * LNCS 11226.  Different from there: several clients, leases, and a state that
 * may be unknown.
 *
 * Plain data, no allocation: embed it and call mig_hint_state_init().  Not
 * thread-safe: one lock (in QEMU the BQL) covers all calls.  Time is any
 * monotonic clock in ns; one that goes backwards counts as standing still.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_POLICY_GUEST_HINT_STATE_H
#define MIG_POLICY_GUEST_HINT_STATE_H

#include "env.h"

/*
 * Bounds.  Fixed, so that a guest can neither grow memory nor make a lookup
 * slow; a program tags a handful of phases, and a guest runs a few of them.
 */
#define MIG_HINT_ID_MAX 32              /* bytes, without the NUL */
#define MIG_HINT_TAG_MAX 32             /* bytes, without the NUL */
#define MIG_HINT_GUEST_CLIENTS_MAX 64
#define MIG_HINT_HOST_CLIENTS_MAX 16
#define MIG_HINT_CLIENTS_MAX \
    (MIG_HINT_GUEST_CLIENTS_MAX + MIG_HINT_HOST_CLIENTS_MAX)
#define MIG_HINT_NESTING_MAX 16         /* open tags of one client */
#define MIG_HINT_LEASE_MAX_MS 600000    /* 10 min: longer is as good as none */

/* Where a client comes from; ids of the two never collide. */
typedef enum MigHintSource {
    MIG_HINT_GUEST,                     /* over the channel */
    MIG_HINT_HOST,                      /* by the host's command */
    MIG_HINT_SOURCE__MAX,
} MigHintSource;

/* What a client does. */
typedef enum MigHintOp {
    MIG_HINT_JOIN,      /* be registered, outside (again: renew the lease) */
    MIG_HINT_ENTER,     /* open a tag; joins an unknown client */
    MIG_HINT_LEAVE,     /* close a tag; joins an unknown client, outside */
    MIG_HINT_GONE,      /* be no client any more, whatever is open */
    MIG_HINT_ALIVE,     /* renew the lease, nothing else */
    MIG_HINT_OP__MAX,
} MigHintOp;

typedef struct MigHintEvent {
    MigHintSource source;
    MigHintOp op;
    const char *id;
    const char *tag;    /* ENTER, LEAVE; NULL: no name, the innermost */
    /*
     * -1: as before (none at first); 0: none; else the client is gone when it
     * is not heard of for so long.
     */
    int64_t lease_ms;
} MigHintEvent;

/* What was wrong.  Each has a name: mig_hint_error_name(). */
typedef enum MigHintError {
    MIG_HINT_OK,
    /* of events */
    MIG_HINT_BAD_NAME,          /* id or tag: characters or length */
    MIG_HINT_BAD_LEASE,
    MIG_HINT_TOO_MANY_CLIENTS,
    MIG_HINT_TOO_DEEP,          /* tags nested too deep; nothing was opened */
    MIG_HINT_NOT_INSIDE,        /* no (such) tag is open */
    MIG_HINT_NO_CLIENT_OF_ID,
    /* of lines */
    MIG_HINT_LINE_TOO_LONG,
    MIG_HINT_BAD_CHARACTER,
    MIG_HINT_BAD_WORD,          /* no such verb, or a word out of place */
    MIG_HINT_BAD_VERSION,
    MIG_HINT_NO_HELLO,          /* hello has to come first */
    MIG_HINT_TOO_FAST,
    MIG_HINT_ERROR__MAX,
} MigHintError;

typedef enum MigHintWhere {
    MIG_HINT_UNKNOWN,
    MIG_HINT_NO_CLIENT,
    MIG_HINT_INSIDE,
    MIG_HINT_OUTSIDE,
    MIG_HINT_WHERE__MAX,
} MigHintWhere;

/* Why the guest's word is not known. */
typedef enum MigHintWhy {
    MIG_HINT_WHY_KNOWN,
    MIG_HINT_WHY_SILENT,        /* never said anything complete */
    MIG_HINT_WHY_CLOSED,
    MIG_HINT_WHY_LAPSED,        /* the channel's lease ran out */
    MIG_HINT_WHY_FLOODED,
    MIG_HINT_WHY_OVERFLOW,      /* it has more clients than fit */
    MIG_HINT_WHY__MAX,
} MigHintWhy;

typedef struct MigHintClient {
    char id[MIG_HINT_ID_MAX + 1];       /* "": free */
    MigHintSource source;
    uint32_t statement;                 /* in which it was last mentioned */
    int64_t lease_ms;                   /* 0: none */
    int64_t deadline_ns;                /* -1: none */
    int depth;                          /* open tags */
    /* Innermost last; "" for a tag without a name. */
    char tag[MIG_HINT_NESTING_MAX][MIG_HINT_TAG_MAX + 1];
} MigHintClient;

typedef struct MigHintState {
    int64_t now_ns;                     /* the latest time seen */
    MigHintWhy why;
    uint32_t statement;
    bool stating;                       /* between hello and ready */
    bool overflow;                      /* since hello */
    int64_t lease_ms;                   /* the channel's; 0: none */
    int64_t deadline_ns;                /* the channel's; -1: none */
    int n_clients[MIG_HINT_SOURCE__MAX];
    int64_t n_expired;                  /* leases run out, ever */
    MigHintClient client[MIG_HINT_CLIENTS_MAX];
} MigHintState;

void mig_hint_state_init(MigHintState *s);

/*
 * Apply what a client says.  Any error leaves the state as it was, with one
 * exception: a guest's client that does not fit makes the guest unknown until
 * its next complete statement, since "all are inside" can no longer be told.
 */
MigHintError mig_hint_state_apply(MigHintState *s, const MigHintEvent *event,
                                  int64_t now_ns);

/*
 * The guest begins to state all that it has (hello).  What was known before
 * stays in force until mig_hint_state_ready(), which drops every client of the
 * guest that was not mentioned in between.  lease_ms: the channel's, 0 for
 * none.  Called by the channel's parser.
 */
MigHintError mig_hint_state_hello(MigHintState *s, int64_t lease_ms,
                                  int64_t now_ns);
MigHintError mig_hint_state_ready(MigHintState *s, int64_t now_ns);

/* Something valid came over the channel: renew its lease. */
void mig_hint_state_heard(MigHintState *s, int64_t now_ns);

/*
 * The channel closed, or can no longer be believed: forget the guest's clients.
 * The host's stay.
 */
void mig_hint_state_lost(MigHintState *s, MigHintWhy why);

/* Lets leases run out, then tells where the guest is.  why may be NULL. */
MigHintWhere mig_hint_state_where(MigHintState *s, int64_t now_ns,
                                  MigHintWhy *why);

/* When the next lease runs out; -1: none does.  For the caller's timer. */
int64_t mig_hint_state_deadline_ns(const MigHintState *s);

/* i-th registered client, NULL past the end: for listings. */
const MigHintClient *mig_hint_state_nth(const MigHintState *s, size_t i);

/* 1 to max letters, digits, '.', '_', ':' or '-': safe to print anywhere. */
bool mig_hint_name_valid(const char *name, size_t max);

const char *mig_hint_error_name(MigHintError error);
const char *mig_hint_where_name(MigHintWhere where);
const char *mig_hint_why_name(MigHintWhy why);

#endif
