/*
 * Guest hints: who is inside a tag.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest-hint-state.h"

#define HINT_NS_PER_MS INT64_C(1000000)

static const char *const hint_error_names[MIG_HINT_ERROR__MAX] = {
    [MIG_HINT_OK] = "ok",
    [MIG_HINT_BAD_NAME] = "bad-name",
    [MIG_HINT_BAD_LEASE] = "bad-lease",
    [MIG_HINT_TOO_MANY_CLIENTS] = "too-many-clients",
    [MIG_HINT_TOO_DEEP] = "too-deep",
    [MIG_HINT_NOT_INSIDE] = "not-inside",
    [MIG_HINT_NO_CLIENT_OF_ID] = "no-such-client",
    [MIG_HINT_LINE_TOO_LONG] = "line-too-long",
    [MIG_HINT_BAD_CHARACTER] = "bad-character",
    [MIG_HINT_BAD_WORD] = "bad-word",
    [MIG_HINT_BAD_VERSION] = "bad-version",
    [MIG_HINT_NO_HELLO] = "no-hello",
    [MIG_HINT_TOO_FAST] = "too-fast",
};

static const char *const hint_where_names[MIG_HINT_WHERE__MAX] = {
    [MIG_HINT_UNKNOWN] = "unknown",
    [MIG_HINT_NO_CLIENT] = "no-client",
    [MIG_HINT_INSIDE] = "inside",
    [MIG_HINT_OUTSIDE] = "outside",
};

static const char *const hint_why_names[MIG_HINT_WHY__MAX] = {
    [MIG_HINT_WHY_KNOWN] = "known",
    [MIG_HINT_WHY_SILENT] = "silent",
    [MIG_HINT_WHY_CLOSED] = "closed",
    [MIG_HINT_WHY_LAPSED] = "lapsed",
    [MIG_HINT_WHY_FLOODED] = "flooded",
    [MIG_HINT_WHY_OVERFLOW] = "overflow",
};

const char *mig_hint_error_name(MigHintError error)
{
    return (unsigned)error < MIG_HINT_ERROR__MAX ? hint_error_names[error]
                                                 : "unknown";
}

const char *mig_hint_where_name(MigHintWhere where)
{
    return (unsigned)where < MIG_HINT_WHERE__MAX ? hint_where_names[where]
                                                 : "unknown";
}

const char *mig_hint_why_name(MigHintWhy why)
{
    return (unsigned)why < MIG_HINT_WHY__MAX ? hint_why_names[why] : "unknown";
}

void mig_hint_state_init(MigHintState *s)
{
    memset(s, 0, sizeof(*s));
    s->now_ns = INT64_MIN;
    s->why = MIG_HINT_WHY_SILENT;
    s->deadline_ns = -1;
}

bool mig_hint_name_valid(const char *name, size_t max)
{
    size_t n;

    for (n = 0; name[n]; n++) {
        if (n == max || !(g_ascii_isalnum(name[n]) || name[n] == '.' ||
                          name[n] == '_' || name[n] == ':' ||
                          name[n] == '-')) {
            return false;
        }
    }
    return n > 0;
}

static bool hint_lease_valid(int64_t lease_ms)
{
    return lease_ms >= 0 && lease_ms <= MIG_HINT_LEASE_MAX_MS;
}

/* A time so late that a lease ends beyond the clock's range never comes. */
static int64_t hint_deadline(const MigHintState *s, int64_t lease_ms)
{
    int64_t lease_ns = lease_ms * HINT_NS_PER_MS;

    if (lease_ms == 0) {
        return -1;
    }
    return s->now_ns > INT64_MAX - lease_ns ? INT64_MAX : s->now_ns + lease_ns;
}

static void hint_drop(MigHintState *s, MigHintClient *c)
{
    s->n_clients[c->source]--;
    c->id[0] = '\0';
    c->depth = 0;
}

static void hint_drop_guest(MigHintState *s)
{
    int i;

    for (i = 0; i < MIG_HINT_CLIENTS_MAX; i++) {
        if (s->client[i].id[0] && s->client[i].source == MIG_HINT_GUEST) {
            hint_drop(s, &s->client[i]);
        }
    }
}

void mig_hint_state_lost(MigHintState *s, MigHintWhy why)
{
    hint_drop_guest(s);
    s->why = why;
    s->stating = false;
    s->overflow = false;
    s->lease_ms = 0;
    s->deadline_ns = -1;
}

/* Brings the clock up to date and lets leases run out. */
static void hint_advance(MigHintState *s, int64_t now_ns)
{
    MigHintClient *c;
    int i;

    if (now_ns <= s->now_ns) {
        return;
    }
    s->now_ns = now_ns;
    if (s->deadline_ns != -1 && s->deadline_ns <= s->now_ns) {
        s->n_expired++;
        mig_hint_state_lost(s, MIG_HINT_WHY_LAPSED);
    }
    for (i = 0; i < MIG_HINT_CLIENTS_MAX; i++) {
        c = &s->client[i];
        if (c->id[0] && c->deadline_ns != -1 && c->deadline_ns <= s->now_ns) {
            s->n_expired++;
            hint_drop(s, c);
        }
    }
}

static MigHintClient *hint_find(MigHintState *s, MigHintSource source,
                                const char *id)
{
    int i;

    for (i = 0; i < MIG_HINT_CLIENTS_MAX; i++) {
        if (s->client[i].id[0] && s->client[i].source == source &&
            strcmp(s->client[i].id, id) == 0) {
            return &s->client[i];
        }
    }
    return NULL;
}

/* A guest's client that the statement under way has not mentioned so far. */
static MigHintClient *hint_find_stale(MigHintState *s)
{
    int i;

    for (i = 0; i < MIG_HINT_CLIENTS_MAX; i++) {
        if (s->client[i].id[0] && s->client[i].source == MIG_HINT_GUEST &&
            s->client[i].statement != s->statement) {
            return &s->client[i];
        }
    }
    return NULL;
}

static MigHintClient *hint_add(MigHintState *s, const MigHintEvent *event)
{
    int max = event->source == MIG_HINT_GUEST ? MIG_HINT_GUEST_CLIENTS_MAX
                                              : MIG_HINT_HOST_CLIENTS_MAX;
    MigHintClient *stale, *c = NULL;
    int i;

    if (s->n_clients[event->source] == max) {
        /* What a guest does not state again has gone: make room. */
        stale = event->source == MIG_HINT_GUEST ? hint_find_stale(s) : NULL;
        if (!stale) {
            return NULL;
        }
        hint_drop(s, stale);
    }
    for (i = 0; i < MIG_HINT_CLIENTS_MAX && !c; i++) {
        if (!s->client[i].id[0]) {
            c = &s->client[i];
        }
    }
    g_assert(c);
    memset(c, 0, sizeof(*c));
    memcpy(c->id, event->id, strlen(event->id) + 1);
    c->source = event->source;
    c->statement = s->statement;
    c->deadline_ns = -1;
    s->n_clients[c->source]++;
    return c;
}

static MigHintError hint_enter(MigHintClient *c, const char *tag)
{
    if (c->depth >= MIG_HINT_NESTING_MAX) {
        return MIG_HINT_TOO_DEEP;
    }
    if (tag) {
        memcpy(c->tag[c->depth], tag, strlen(tag) + 1);
    } else {
        c->tag[c->depth][0] = '\0';
    }
    c->depth++;
    return MIG_HINT_OK;
}

/* The innermost tag of that name: tags of one program may overlap. */
static MigHintError hint_leave(MigHintClient *c, const char *tag)
{
    int i = c->depth - 1;

    while (tag && i >= 0 && strcmp(c->tag[i], tag)) {
        i--;
    }
    if (i < 0) {
        return MIG_HINT_NOT_INSIDE;
    }
    for (; i + 1 < c->depth; i++) {
        memcpy(c->tag[i], c->tag[i + 1], sizeof(c->tag[i]));
    }
    c->depth--;
    return MIG_HINT_OK;
}

MigHintError mig_hint_state_apply(MigHintState *s, const MigHintEvent *event,
                                  int64_t now_ns)
{
    MigHintError error = MIG_HINT_OK;
    MigHintClient *c;
    bool fresh = false;

    hint_advance(s, now_ns);

    if (!mig_hint_name_valid(event->id, MIG_HINT_ID_MAX) ||
        (event->tag && !mig_hint_name_valid(event->tag, MIG_HINT_TAG_MAX))) {
        return MIG_HINT_BAD_NAME;
    }
    if (event->lease_ms != -1 && !hint_lease_valid(event->lease_ms)) {
        return MIG_HINT_BAD_LEASE;
    }

    c = hint_find(s, event->source, event->id);
    if (!c) {
        if (event->op == MIG_HINT_GONE || event->op == MIG_HINT_ALIVE) {
            return MIG_HINT_NO_CLIENT_OF_ID;
        }
        c = hint_add(s, event);
        if (!c) {
            if (event->source == MIG_HINT_GUEST) {
                s->overflow = true;
                s->why = MIG_HINT_WHY_OVERFLOW;
            }
            return MIG_HINT_TOO_MANY_CLIENTS;
        }
        fresh = true;
    } else if (c->source == MIG_HINT_GUEST && c->statement != s->statement) {
        /* Stated anew: what was open before is stated, too, or has closed. */
        c->statement = s->statement;
        c->depth = 0;
        fresh = true;
    }

    switch (event->op) {
    case MIG_HINT_ENTER:
        error = hint_enter(c, event->tag);
        break;
    case MIG_HINT_LEAVE:
        error = fresh ? MIG_HINT_OK : hint_leave(c, event->tag);
        break;
    case MIG_HINT_GONE:
        hint_drop(s, c);
        return MIG_HINT_OK;
    default:
        break;
    }
    if (!error && event->lease_ms != -1) {
        c->lease_ms = event->lease_ms;
    }
    /* Even a client that errs is alive. */
    c->deadline_ns = hint_deadline(s, c->lease_ms);
    return error;
}

MigHintError mig_hint_state_hello(MigHintState *s, int64_t lease_ms,
                                  int64_t now_ns)
{
    hint_advance(s, now_ns);
    if (!hint_lease_valid(lease_ms)) {
        return MIG_HINT_BAD_LEASE;
    }
    s->statement++;
    s->stating = true;
    s->overflow = false;
    s->lease_ms = lease_ms;
    s->deadline_ns = hint_deadline(s, lease_ms);
    return MIG_HINT_OK;
}

MigHintError mig_hint_state_ready(MigHintState *s, int64_t now_ns)
{
    MigHintClient *stale;

    hint_advance(s, now_ns);
    if (!s->stating) {
        return MIG_HINT_NO_HELLO;
    }
    s->stating = false;
    while ((stale = hint_find_stale(s))) {
        hint_drop(s, stale);
    }
    s->why = s->overflow ? MIG_HINT_WHY_OVERFLOW : MIG_HINT_WHY_KNOWN;
    return MIG_HINT_OK;
}

void mig_hint_state_heard(MigHintState *s, int64_t now_ns)
{
    hint_advance(s, now_ns);
    s->deadline_ns = hint_deadline(s, s->lease_ms);
}

MigHintWhere mig_hint_state_where(MigHintState *s, int64_t now_ns,
                                  MigHintWhy *why)
{
    const MigHintClient *c;
    bool known, any = false, outside = false;
    int i;

    hint_advance(s, now_ns);
    known = s->why == MIG_HINT_WHY_KNOWN;
    for (i = 0; i < MIG_HINT_CLIENTS_MAX; i++) {
        c = &s->client[i];
        if (c->id[0] && (known || c->source == MIG_HINT_HOST)) {
            any = true;
            outside |= c->depth == 0;
        }
    }
    if (why) {
        *why = s->why;
    }
    if (!any) {
        return known ? MIG_HINT_NO_CLIENT : MIG_HINT_UNKNOWN;
    }
    return outside ? MIG_HINT_OUTSIDE : MIG_HINT_INSIDE;
}

int64_t mig_hint_state_deadline_ns(const MigHintState *s)
{
    int64_t first_ns = s->deadline_ns;
    int i;

    for (i = 0; i < MIG_HINT_CLIENTS_MAX; i++) {
        if (s->client[i].id[0] && s->client[i].deadline_ns != -1 &&
            (first_ns == -1 || s->client[i].deadline_ns < first_ns)) {
            first_ns = s->client[i].deadline_ns;
        }
    }
    return first_ns;
}

const MigHintClient *mig_hint_state_nth(const MigHintState *s, size_t i)
{
    int slot;

    for (slot = 0; slot < MIG_HINT_CLIENTS_MAX; slot++) {
        if (s->client[slot].id[0] && i-- == 0) {
            return &s->client[slot];
        }
    }
    return NULL;
}
