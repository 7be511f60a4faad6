/*
 * Dirty traces: the reader.  trace.h describes the format.
 *
 * A file is not trusted: every size is checked before anything is allocated
 * for it, bitmaps pass through a buffer of fixed size, and zstd's window is
 * bounded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "trace.h"
#include <errno.h>
#include <stdio.h>
#include <zstd.h>

#define TRACE_BUFFER_BYTES 65536
/* Words handed out at once. */
#define TRACE_PIECE_WORDS 4096
/* 8 MiB: what the highest level that the writer offers uses. */
#define TRACE_WINDOW_LOG_MAX 23

struct MigTraceReader {
    MigTraceSource *source;
    void *opaque;
    char *error;
    ZSTD_DStream *zstd;
    GChecksum *digest;
    bool frame_ended;
    bool ended;

    MigTraceHeader header;
    MigTraceBlock *blocks;      /* with n_named names to free */
    size_t n_named;
    bool *zero_seen;

    bool in_record;
    size_t next_block;
    int64_t time_ns;
    uint64_t records;
    uint64_t dirtied_pages;

    /* the bitmap that is being read; kind is ERROR while there is none */
    MigTraceItemKind kind;
    size_t block;
    uint64_t words_left;        /* of the run */
    uint64_t next_word;
    bool any_run;

    ZSTD_inBuffer in;
    size_t plain_at, plain_fill;
    uint8_t packed[TRACE_BUFFER_BYTES];
    uint8_t plain[TRACE_BUFFER_BYTES];
    uint64_t words[TRACE_PIECE_WORDS];
};

static bool G_GNUC_PRINTF(2, 3) trace_fail(MigTraceReader *r,
                                           const char *format, ...)
{
    va_list args;

    if (!r->error) {
        va_start(args, format);
        r->error = g_strdup_vprintf(format, args);
        va_end(args);
    }
    return false;
}

static bool trace_cut_off(MigTraceReader *r)
{
    return trace_fail(r, "the trace is cut off: the recorder was ended before "
                      "it finished, or the copy is not complete");
}

/* Everything that only a damaged file, or a broken writer, can hold. */
static bool trace_corrupt(MigTraceReader *r, const char *what)
{
    return trace_fail(r, "the trace is corrupt: %s", what);
}

/* ---- bytes: source -> digest and zstd -> plain ---- */

/* 1: there is input; 0: the file is at its end; -1: error. */
static int trace_fill(MigTraceReader *r)
{
    int64_t n;

    if (r->in.pos < r->in.size) {
        return 1;
    }
    n = r->source(r->opaque, r->packed, sizeof(r->packed));
    if (n < 0 || n > (int64_t)sizeof(r->packed)) {
        trace_fail(r, "the trace could not be read");
        return -1;
    }
    r->in = (ZSTD_inBuffer) { r->packed, n, 0 };
    return n > 0;
}

/* Bytes outside the compressed payload. */
static bool trace_get_raw(MigTraceReader *r, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len) {
        int got = trace_fill(r);
        size_t n;

        if (got <= 0) {
            return got < 0 ? false : trace_cut_off(r);
        }
        n = MIN(len, r->in.size - r->in.pos);
        memcpy(to, r->packed + r->in.pos, n);
        r->in.pos += n;
        to += n;
        len -= n;
    }
    return true;
}

/* More plain bytes, unless the frame ends without any. */
static bool trace_decompress(MigTraceReader *r)
{
    ZSTD_outBuffer out = { r->plain, sizeof(r->plain), 0 };

    while (out.pos == 0 && !r->frame_ended) {
        int got = trace_fill(r);
        size_t from = r->in.pos, left;

        if (got < 0) {
            return false;
        }
        left = ZSTD_decompressStream(r->zstd, &out, &r->in);
        if (ZSTD_isError(left)) {
            return trace_corrupt(r, ZSTD_getErrorName(left));
        }
        g_checksum_update(r->digest, r->packed + from, r->in.pos - from);
        r->frame_ended = left == 0;
        if (got == 0 && out.pos == 0 && !r->frame_ended) {
            return trace_cut_off(r);
        }
    }
    r->plain_at = 0;
    r->plain_fill = out.pos;
    return true;
}

static bool trace_get(MigTraceReader *r, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len) {
        size_t n = MIN(len, r->plain_fill - r->plain_at);

        memcpy(to, r->plain + r->plain_at, n);
        r->plain_at += n;
        to += n;
        len -= n;
        if (len) {
            if (!trace_decompress(r)) {
                return false;
            }
            if (r->plain_fill == 0) {
                return trace_corrupt(r, "it has no end record");
            }
        }
    }
    return true;
}

static uint64_t trace_load(const uint8_t *from, size_t n)
{
    uint64_t value = 0;

    while (n--) {
        value = value << 8 | from[n];
    }
    return value;
}

static bool trace_get_number(MigTraceReader *r, uint64_t *value, size_t n)
{
    uint8_t buf[8];

    if (!trace_get(r, buf, n)) {
        return false;
    }
    *value = trace_load(buf, n);
    return true;
}

static bool trace_get_leb(MigTraceReader *r, uint64_t *value)
{
    uint8_t byte;
    int shift;

    *value = 0;
    for (shift = 0; shift < 63; shift += 7) {
        if (!trace_get(r, &byte, 1)) {
            return false;
        }
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return true;
        }
    }
    return trace_corrupt(r, "a number is too long");
}

static bool trace_get_text(MigTraceReader *r, char **text)
{
    char buf[MIG_TRACE_TEXT_MAX + 1];
    uint64_t len;

    if (!trace_get_number(r, &len, 2)) {
        return false;
    }
    if (len > MIG_TRACE_TEXT_MAX) {
        return trace_corrupt(r, "a name is too long");
    }
    if (!trace_get(r, buf, len)) {
        return false;
    }
    if (!g_utf8_validate(buf, len, NULL)) {
        return trace_corrupt(r, "a name is not text");
    }
    *text = g_strndup(buf, len);
    return true;
}

/* ---- header ---- */

static bool trace_get_prefix(MigTraceReader *r)
{
    uint8_t prefix[MIG_TRACE_PREFIX_BYTES];
    uint64_t version, features;

    if (!trace_get_raw(r, prefix, MIG_TRACE_MAGIC_BYTES)) {
        return false;
    }
    if (memcmp(prefix, MIG_TRACE_MAGIC, MIG_TRACE_MAGIC_BYTES)) {
        return trace_fail(r, "this is not a dirty trace");
    }
    if (!trace_get_raw(r, prefix + MIG_TRACE_MAGIC_BYTES,
                       sizeof(prefix) - MIG_TRACE_MAGIC_BYTES)) {
        return false;
    }
    version = trace_load(prefix + MIG_TRACE_MAGIC_BYTES, 4);
    features = trace_load(prefix + MIG_TRACE_MAGIC_BYTES + 4, 4);
    if (version != MIG_TRACE_VERSION) {
        return trace_fail(r, "the trace has format version %" PRIu64 ", this "
                          "program reads version %d", version,
                          MIG_TRACE_VERSION);
    }
    if (features) {
        return trace_fail(r, "the trace has features (0x%" PRIx64 ") that "
                          "this program does not know", features);
    }
    g_checksum_update(r->digest, prefix, sizeof(prefix));
    return true;
}

static bool trace_get_block(MigTraceReader *r, size_t i, int64_t *total)
{
    uint64_t bytes, page = r->header.page_bytes;
    char *name;

    if (!trace_get_text(r, &name)) {
        return false;
    }
    r->blocks[i].name = name;
    r->n_named = i + 1;
    if (!trace_get_number(r, &bytes, 8)) {
        return false;
    }
    if (bytes == 0 || bytes % page ||
        bytes > MIG_TRACE_RAM_BYTES_MAX - *total) {
        return trace_corrupt(r, "a block has an impossible size");
    }
    r->blocks[i].bytes = bytes;
    *total += bytes;
    return true;
}

static bool trace_get_header(MigTraceReader *r)
{
    uint64_t letter, page, word, interval, n;
    char *accel = NULL, *label = NULL;
    int64_t total = 0;
    bool ok;
    size_t i;

    if (!trace_get_number(r, &letter, 1)) {
        return false;
    }
    if (letter != 'H') {
        return trace_corrupt(r, "it does not begin with a header");
    }
    if (!trace_get_number(r, &page, 4) || !trace_get_number(r, &word, 1) ||
        !trace_get_number(r, &interval, 8)) {
        return false;
    }
    if (page < MIG_TRACE_PAGE_BYTES_MIN || page > MIG_TRACE_PAGE_BYTES_MAX ||
        (page & (page - 1))) {
        return trace_corrupt(r, "its pages have an impossible size");
    }
    if (word != sizeof(uint64_t) || interval == 0 || interval > INT64_MAX) {
        return trace_corrupt(r, "its header makes no sense");
    }
    r->header.page_bytes = page;
    r->header.interval_ns = interval;

    ok = trace_get_text(r, &accel) && trace_get_text(r, &label);
    r->header.accel = accel;
    r->header.label = label;
    if (!ok || !trace_get_number(r, &n, 4)) {
        return false;
    }
    if (n < 1 || n > MIG_TRACE_BLOCKS_MAX) {
        return trace_corrupt(r, "it has an impossible number of blocks");
    }
    r->blocks = g_new0(MigTraceBlock, n);
    r->zero_seen = g_new0(bool, n);
    for (i = 0; i < n; i++) {
        if (!trace_get_block(r, i, &total)) {
            return false;
        }
    }
    r->header.blocks = r->blocks;
    r->header.n_blocks = n;
    return true;
}

MigTraceReader *mig_trace_reader_new(MigTraceSource *source, void *opaque,
                                     char **errmsg)
{
    MigTraceReader *r = g_new0(MigTraceReader, 1);

    *errmsg = NULL;
    r->source = source;
    r->opaque = opaque;
    r->digest = g_checksum_new(G_CHECKSUM_SHA256);
    r->zstd = ZSTD_createDStream();
    if (!r->zstd ||
        ZSTD_isError(ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax,
                                            TRACE_WINDOW_LOG_MAX))) {
        trace_fail(r, "zstd could not be set up");
    }
    if (r->error || !trace_get_prefix(r) || !trace_get_header(r)) {
        *errmsg = g_strdup(r->error);
        mig_trace_reader_free(r);
        return NULL;
    }
    return r;
}

const MigTraceHeader *mig_trace_reader_header(const MigTraceReader *r)
{
    return &r->header;
}

/* ---- items ---- */

static bool trace_get_bitmap(MigTraceReader *r, MigTraceItemKind kind)
{
    uint64_t block;

    if (!trace_get_leb(r, &block)) {
        return false;
    }
    if (block >= r->header.n_blocks) {
        return trace_corrupt(r, "a bitmap belongs to no block");
    }
    if (kind == MIG_TRACE_ZERO) {
        if (r->in_record || r->zero_seen[block]) {
            return trace_corrupt(r, "zero pages come twice, or too late");
        }
        r->zero_seen[block] = true;
    } else {
        if (!r->in_record || block < r->next_block) {
            return trace_corrupt(r, "a bitmap is out of order");
        }
        r->next_block = block + 1;
    }
    r->kind = kind;
    r->block = block;
    r->next_word = 0;
    r->any_run = false;
    return true;
}

/* The next run's bounds; the bitmap is over when r->kind is ERROR again. */
static bool trace_get_run(MigTraceReader *r)
{
    uint64_t skip, count, n_words;

    if (!trace_get_leb(r, &skip) || !trace_get_leb(r, &count)) {
        return false;
    }
    if (count == 0) {
        if (skip || !r->any_run) {
            return trace_corrupt(r, "a bitmap ends badly");
        }
        r->kind = MIG_TRACE_ERROR;
        return true;
    }
    n_words = mig_trace_block_words(&r->header, r->block);
    if (skip > n_words - r->next_word ||
        count > n_words - r->next_word - skip) {
        return trace_corrupt(r, "a bitmap is longer than its block");
    }
    r->any_run = true;
    r->next_word += skip;
    r->words_left = count;
    return true;
}

static bool trace_get_words(MigTraceReader *r, MigTraceItem *item)
{
    size_t i, n = MIN(r->words_left, TRACE_PIECE_WORDS);
    int64_t pages = mig_trace_block_pages(&r->header, r->block);
    size_t rest = pages % MIG_TRACE_WORD_PAGES;

    if (!trace_get(r, r->words, n * sizeof(*r->words))) {
        return false;
    }
    for (i = 0; i < n; i++) {
        r->words[i] = GUINT64_FROM_LE(r->words[i]);
        if (!r->words[i]) {
            return trace_corrupt(r, "a run holds a zero word");
        }
        if (r->kind == MIG_TRACE_WORDS) {
            r->dirtied_pages += __builtin_popcountll(r->words[i]);
        }
    }
    *item = (MigTraceItem) {
        .time_ns = r->time_ns,
        .block = r->block,
        .first_word = r->next_word,
        .words = r->words,
        .n_words = n,
    };
    r->next_word += n;
    r->words_left -= n;
    if (rest && r->next_word == mig_trace_block_words(&r->header, r->block) &&
        r->words[n - 1] >> rest) {
        return trace_corrupt(r, "a bit beyond the end of a block is set");
    }
    return true;
}

static bool trace_get_record(MigTraceReader *r)
{
    uint64_t time_ns;

    if (!trace_get_number(r, &time_ns, 8)) {
        return false;
    }
    if (time_ns > INT64_MAX || (int64_t)time_ns < r->time_ns) {
        return trace_corrupt(r, "time goes back");
    }
    r->time_ns = time_ns;
    r->in_record = true;
    r->next_block = 0;
    r->records++;
    return true;
}

/* Totals, the frame's end, the digest, and nothing behind it. */
static bool trace_get_end(MigTraceReader *r)
{
    uint8_t want[MIG_TRACE_DIGEST_BYTES], got[MIG_TRACE_DIGEST_BYTES];
    uint64_t records, dirtied_pages;
    size_t len = sizeof(got);
    int more;

    if (!trace_get_number(r, &records, 8) ||
        !trace_get_number(r, &dirtied_pages, 8)) {
        return false;
    }
    if (records != r->records || dirtied_pages != r->dirtied_pages) {
        return trace_corrupt(r, "its totals do not add up");
    }
    if (r->plain_at == r->plain_fill && !trace_decompress(r)) {
        return false;
    }
    if (r->plain_at < r->plain_fill) {
        return trace_corrupt(r, "there is more after the end record");
    }
    if (!trace_get_raw(r, want, sizeof(want))) {
        return false;
    }
    g_checksum_get_digest(r->digest, got, &len);
    if (memcmp(want, got, sizeof(got))) {
        return trace_corrupt(r, "its digest is wrong");
    }
    more = trace_fill(r);
    if (more) {
        return more < 0 ? false : trace_corrupt(r, "there is more after its "
                                                "end");
    }
    r->ended = true;
    return true;
}

static bool trace_next(MigTraceReader *r, MigTraceItem *item,
                       MigTraceItemKind *kind)
{
    uint64_t letter;

    for (;;) {
        if (r->words_left) {
            *kind = r->kind;
            return trace_get_words(r, item);
        }
        if (r->kind != MIG_TRACE_ERROR) {
            if (!trace_get_run(r)) {
                return false;
            }
            continue;
        }
        if (!trace_get_number(r, &letter, 1)) {
            return false;
        }
        switch (letter) {
        case 'Z':
        case 'B':
            if (!trace_get_bitmap(r, letter == 'Z' ? MIG_TRACE_ZERO
                                                   : MIG_TRACE_WORDS)) {
                return false;
            }
            break;
        case 'R':
            *kind = MIG_TRACE_RECORD;
            item->time_ns = 0;
            if (!trace_get_record(r)) {
                return false;
            }
            item->time_ns = r->time_ns;
            return true;
        case 'E':
            *kind = MIG_TRACE_END;
            item->time_ns = r->time_ns;
            return trace_get_end(r);
        default:
            return trace_corrupt(r, "it holds something unknown");
        }
    }
}

MigTraceItemKind mig_trace_read(MigTraceReader *r, MigTraceItem *item)
{
    MigTraceItemKind kind = MIG_TRACE_ERROR;

    *item = (MigTraceItem) { .time_ns = r->time_ns };
    if (r->error) {
        return MIG_TRACE_ERROR;
    }
    if (r->ended) {
        return MIG_TRACE_END;
    }
    return trace_next(r, item, &kind) ? kind : MIG_TRACE_ERROR;
}

const char *mig_trace_reader_error(const MigTraceReader *r)
{
    return r->error;
}

void mig_trace_reader_free(MigTraceReader *r)
{
    size_t i;

    if (!r) {
        return;
    }
    for (i = 0; i < r->n_named; i++) {
        g_free((char *)r->blocks[i].name);
    }
    g_free(r->blocks);
    g_free(r->zero_seen);
    g_free((char *)r->header.accel);
    g_free((char *)r->header.label);
    ZSTD_freeDStream(r->zstd);
    g_checksum_free(r->digest);
    g_free(r->error);
    g_free(r);
}

int64_t mig_trace_file_source(void *opaque, void *buf, size_t len)
{
    size_t n = fread(buf, 1, len, opaque);

    return n == 0 && ferror(opaque) ? -1 : (int64_t)n;
}
