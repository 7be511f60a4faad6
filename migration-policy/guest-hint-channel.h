/*
 * Guest hints: the protocol between guest and host.
 *
 * Lines of text, in both directions; docs/guest-hint-protocol.md has the
 * grammar with examples.  What comes from the guest is untrusted.  So:
 *
 *  - a line has at most MIG_HINT_LINE_MAX bytes; of a longer one everything up
 *    to its newline is dropped, and what follows is read as usual;
 *  - a bad line is counted, answered by one short line (and one a second at
 *    most), and otherwise as if it had never come;
 *  - a guest that sends more than MIG_HINT_LINES_PER_S, beyond a burst, is not
 *    listened to until it has been slower for a while, and what it said is
 *    forgotten: a state with lines missing is worse than none;
 *  - answers that nobody takes are dropped, never stored.
 *
 * No I/O: whoever owns the wire (in QEMU the chardev backend, under the BQL)
 * feeds what arrives and sends what mig_hint_channel_take() gives.  The cost
 * of a call is linear in its bytes, times the number of clients at most.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_POLICY_GUEST_HINT_CHANNEL_H
#define MIG_POLICY_GUEST_HINT_CHANNEL_H

#include "guest-hint-state.h"

#define MIG_HINT_PROTOCOL_VERSION 1
/* Without the newline: the longest valid line needs 85. */
#define MIG_HINT_LINE_MAX 120
/*
 * A full statement of 64 clients, each with 16 tags, is 1090 lines: it fits
 * into a burst.  At 256 lines a second parsing costs well below 0.1% of a CPU.
 */
#define MIG_HINT_BURST_LINES 2048
#define MIG_HINT_LINES_PER_S 256
#define MIG_HINT_ERROR_INTERVAL_NS INT64_C(1000000000)
#define MIG_HINT_OUTPUT_MAX 256

/* For query-migrate and tests; all only grow. */
typedef struct MigHintCounters {
    int64_t lines;              /* seen, good or bad */
    int64_t error[MIG_HINT_ERROR__MAX];
    int64_t dropped_bytes;      /* of lines that were too long */
    int64_t floods;
    int64_t dropped_output;     /* answers that did not fit */
} MigHintCounters;

typedef struct MigHintChannel {
    MigHintState *state;
    bool open;
    bool skipping;              /* to the end of a line that is too long */
    bool flooded;
    char line[MIG_HINT_LINE_MAX + 1];
    size_t line_len;
    int64_t now_ns;             /* the latest time seen */
    int64_t lines_left;         /* token bucket */
    int64_t refilled_ns;        /* when a token was last put into it */
    int64_t error_told_ns;      /* -1: never */
    char output[MIG_HINT_OUTPUT_MAX];
    size_t output_len;
    MigHintCounters counters;
} MigHintChannel;

/* state outlives the channel, and is its guest side's only writer. */
void mig_hint_channel_init(MigHintChannel *ch, MigHintState *state);

/*
 * The guest opened its side, or may have: asks it to state what it has.  On a
 * wire that knows no open (isa-serial) call it once, at the start.
 */
void mig_hint_channel_open(MigHintChannel *ch, int64_t now_ns);

/* The guest closed its side, or the machine was reset. */
void mig_hint_channel_close(MigHintChannel *ch, int64_t now_ns);

/*
 * Ask the guest to state what it has; nothing is forgotten meanwhile.  Called
 * when a migration starts, and at the destination when the guest runs.
 */
void mig_hint_channel_query(MigHintChannel *ch, int64_t now_ns);

/*
 * Bytes from the guest, cut anywhere.  Afterwards ask
 * mig_hint_state_where(), and send what mig_hint_channel_take() has.
 */
void mig_hint_channel_feed(MigHintChannel *ch, const void *data, size_t len,
                           int64_t now_ns);

/* Moves up to size bytes for the guest into buf; returns how many. */
size_t mig_hint_channel_take(MigHintChannel *ch, char *buf, size_t size);

#endif
