/*
 * Dirty traces: which pages a guest wrote, interval by interval.
 *
 * QEMU records one without migrating; the simulator replays it.  The log is
 * cleared at each record, so a trace does not depend on any policy.
 *
 * The format, version 1; numbers are little-endian:
 *
 *   magic       8 bytes     89 4d 49 47 54 0d 0a 1a ("\x89MIGT\r\n\x1a")
 *   version     u32         1; a reader refuses what is newer
 *   features    u32         0; a reader refuses what it does not know
 *   payload     one zstd frame with its own checksum
 *   digest      32 bytes    SHA-256 of everything before it; then the end
 *
 * The payload is a sequence of items, each beginning with one letter:
 *
 *   'H'  page_bytes u32, word_bytes u8 (8), interval_ns u64,
 *        accel str, label str, n_blocks u32,
 *        then for each block: name str, bytes u64
 *        -- once, first; str is u16 length and as many bytes of UTF-8
 *   'Z'  block leb, bitmap  -- pages that were all zero at the start; at most
 *        once a block, before the first 'R'; QEMU sends those in a few bytes
 *   'R'  time_ns u64        -- a record begins: nanoseconds since the start,
 *        not less than the one before
 *   'B'  block leb, bitmap  -- the pages of one block that were written since
 *        the record before; at most once a block in a record, blocks in
 *        ascending order; a block without any is left out
 *   'E'  records u64, dirtied_pages u64 -- once, last: totals, by which a
 *        writer that lost something is recognised
 *
 *   bitmap  runs: skip leb, count leb, count words u64; ends with skip 0,
 *           count 0.  skip is the number of zero words left out before the
 *           run.  Bit i of word w is page 64 * w + i of the block.
 *   leb     unsigned LEB128
 *
 * A record in which nothing was written costs nine bytes before compression.
 * Cost and memory of writing and reading grow with 64-bit words, not pages,
 * and the memory is bounded whatever a file claims.
 *
 * The writer is the only part that QEMU links: it reads no clock, starts no
 * thread, and its bytes leave through a callback.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIG_TRACE_H
#define MIG_TRACE_H

#include "../env.h"

#define MIG_TRACE_VERSION 1
#define MIG_TRACE_MAGIC "\x89MIGT\r\n\x1a"
#define MIG_TRACE_MAGIC_BYTES 8
#define MIG_TRACE_PREFIX_BYTES 16       /* magic, version, features */
#define MIG_TRACE_DIGEST_BYTES 32
#define MIG_TRACE_WORD_PAGES 64

/* What a sane file stays within; writer and reader refuse what does not. */
#define MIG_TRACE_PAGE_BYTES_MIN 512
#define MIG_TRACE_PAGE_BYTES_MAX (1 << 20)
#define MIG_TRACE_BLOCKS_MAX 4096
#define MIG_TRACE_TEXT_MAX 1023
#define MIG_TRACE_RAM_BYTES_MAX (INT64_C(1) << 50)

typedef struct MigTraceBlock {
    const char *name;
    int64_t bytes;              /* a multiple of page_bytes */
} MigTraceBlock;

typedef struct MigTraceHeader {
    int64_t page_bytes;         /* a power of two */
    int64_t interval_ns;        /* intended time between two records */
    const char *accel;          /* "tcg", "kvm", or what made the trace */
    const char *label;          /* for people: the guest and its work */
    const MigTraceBlock *blocks;
    size_t n_blocks;
} MigTraceHeader;

/* Pages and words of a block; the last word may be used in part. */
int64_t mig_trace_block_pages(const MigTraceHeader *header, size_t block);
size_t mig_trace_block_words(const MigTraceHeader *header, size_t block);

/* ---- writing (trace-write.c) ---- */

typedef struct MigTraceWriter MigTraceWriter;

/* Takes len bytes; false when they could not be written. */
typedef bool MigTraceSink(void *opaque, const void *buf, size_t len);

/* zstd's level: the default is cheap enough to record with. */
#define MIG_TRACE_LEVEL_DEFAULT 3
#define MIG_TRACE_LEVEL_MAX 19

/*
 * Begins a trace: called once, by whoever records.  header is copied.  level
 * is zstd's, 0 for the default.  Returns NULL and sets *errmsg (g_free) when
 * the header is outside the limits above or zstd refuses.
 */
MigTraceWriter *mig_trace_writer_new(const MigTraceHeader *header, int level,
                                     MigTraceSink *sink, void *opaque,
                                     char **errmsg);

/*
 * Each of these returns false on the first error and from then on; see
 * mig_trace_writer_error().  n_words must be mig_trace_block_words().
 *
 * _zero: pages all zero at the start; at most once a block, before any record.
 * _record: begins a record, time_ns after the start.
 * _bitmap: pages of one block written since the record before.  Blocks in
 * ascending order; one without any may be left out.  A block that has shrunk
 * or grown is the caller's to refuse.
 * _finish: totals, checksums, and the last bytes to the sink.
 */
bool mig_trace_write_zero(MigTraceWriter *w, size_t block,
                          const uint64_t *words, size_t n_words);
bool mig_trace_write_record(MigTraceWriter *w, int64_t time_ns);
bool mig_trace_write_bitmap(MigTraceWriter *w, size_t block,
                            const uint64_t *words, size_t n_words);
bool mig_trace_writer_finish(MigTraceWriter *w);

/* What went wrong, NULL if nothing did; lives as long as the writer. */
const char *mig_trace_writer_error(const MigTraceWriter *w);

/* So far: records begun, pages in their bitmaps, bytes given to the sink. */
int64_t mig_trace_writer_records(const MigTraceWriter *w);
int64_t mig_trace_writer_dirtied_pages(const MigTraceWriter *w);
int64_t mig_trace_writer_bytes(const MigTraceWriter *w);

/* In any state, also without _finish (the file is then cut off); NULL is ok. */
void mig_trace_writer_free(MigTraceWriter *w);

/* ---- reading (trace-read.c) ---- */

typedef struct MigTraceReader MigTraceReader;

/* Reads up to len bytes: how many, 0 at the end, -1 on an error. */
typedef int64_t MigTraceSource(void *opaque, void *buf, size_t len);

typedef enum MigTraceItemKind {
    MIG_TRACE_ERROR,
    MIG_TRACE_ZERO,             /* words of a bitmap of zero pages */
    MIG_TRACE_RECORD,           /* a record begins */
    MIG_TRACE_WORDS,            /* words of a bitmap of the record */
    MIG_TRACE_END,              /* all read, all checksums hold */
} MigTraceItemKind;

typedef struct MigTraceItem {
    int64_t time_ns;            /* of the record; 0 before the first */
    size_t block;
    size_t first_word;          /* in the block */
    const uint64_t *words;      /* none is zero; valid until the next call */
    size_t n_words;
} MigTraceItem;

/*
 * Opens a trace and reads its header.  Returns NULL and sets *errmsg (g_free)
 * for anything that is not a whole header of this version.
 */
MigTraceReader *mig_trace_reader_new(MigTraceSource *source, void *opaque,
                                     char **errmsg);
const MigTraceHeader *mig_trace_reader_header(const MigTraceReader *r);

/*
 * The next item.  A bitmap comes in pieces of bounded size, in ascending
 * order.  What was read is known to be good only when MIG_TRACE_END comes:
 * that is when the checksums have been verified.  After an error or the end
 * the same is returned again.
 */
MigTraceItemKind mig_trace_read(MigTraceReader *r, MigTraceItem *item);

/* One clear sentence, NULL if nothing went wrong; lives as the reader does. */
const char *mig_trace_reader_error(const MigTraceReader *r);
void mig_trace_reader_free(MigTraceReader *r);

/* A MigTraceSource; opaque is a FILE *. */
int64_t mig_trace_file_source(void *opaque, void *buf, size_t len);

#endif
