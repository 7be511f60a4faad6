/*
 * Dirty traces: the writer.  trace.h describes the format.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "trace.h"
#include <zstd.h>

/* Plain bytes gathered before zstd sees them, and its output likewise. */
#define TRACE_BUFFER_BYTES 65536

struct MigTraceWriter {
    MigTraceSink *sink;
    void *opaque;
    char *error;
    ZSTD_CStream *zstd;
    GChecksum *digest;

    size_t n_blocks;
    int64_t *block_pages;
    bool *zero_seen;

    bool in_record;
    bool finished;
    size_t next_block;          /* least that the record may name */
    int64_t time_ns;
    int64_t records;
    int64_t dirtied_pages;
    int64_t bytes;

    size_t fill;
    uint8_t plain[TRACE_BUFFER_BYTES];
    uint8_t packed[TRACE_BUFFER_BYTES];
};

int64_t mig_trace_block_pages(const MigTraceHeader *header, size_t block)
{
    return header->blocks[block].bytes / header->page_bytes;
}

size_t mig_trace_block_words(const MigTraceHeader *header, size_t block)
{
    return (mig_trace_block_pages(header, block) + MIG_TRACE_WORD_PAGES - 1) /
           MIG_TRACE_WORD_PAGES;
}

static bool G_GNUC_PRINTF(2, 3) trace_fail(MigTraceWriter *w,
                                           const char *format, ...)
{
    va_list args;

    if (!w->error) {
        va_start(args, format);
        w->error = g_strdup_vprintf(format, args);
        va_end(args);
    }
    return false;
}

/* ---- bytes: plain -> zstd -> digest and sink ---- */

static bool trace_emit(MigTraceWriter *w, const void *buf, size_t len)
{
    if (!w->sink(w->opaque, buf, len)) {
        return trace_fail(w, "the trace could not be written after %" PRId64
                          " bytes", w->bytes);
    }
    w->bytes += len;
    return true;
}

static bool trace_compress(MigTraceWriter *w, ZSTD_EndDirective how)
{
    ZSTD_inBuffer in = { w->plain, w->fill, 0 };
    size_t left;

    do {
        ZSTD_outBuffer out = { w->packed, sizeof(w->packed), 0 };

        left = ZSTD_compressStream2(w->zstd, &out, &in, how);
        if (ZSTD_isError(left)) {
            return trace_fail(w, "zstd: %s", ZSTD_getErrorName(left));
        }
        g_checksum_update(w->digest, w->packed, out.pos);
        if (out.pos && !trace_emit(w, w->packed, out.pos)) {
            return false;
        }
    } while (how == ZSTD_e_end ? left != 0 : in.pos < in.size);
    w->fill = 0;
    return true;
}

static bool trace_put(MigTraceWriter *w, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    while (len) {
        size_t n = MIN(len, sizeof(w->plain) - w->fill);

        memcpy(w->plain + w->fill, from, n);
        w->fill += n;
        from += n;
        len -= n;
        if (w->fill == sizeof(w->plain) &&
            !trace_compress(w, ZSTD_e_continue)) {
            return false;
        }
    }
    return true;
}

static void trace_store(uint8_t *to, uint64_t value, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        to[i] = value >> (8 * i);
    }
}

static bool trace_put_number(MigTraceWriter *w, uint64_t value, size_t n)
{
    uint8_t buf[8];

    trace_store(buf, value, n);
    return trace_put(w, buf, n);
}

static bool trace_put_leb(MigTraceWriter *w, uint64_t value)
{
    uint8_t buf[10];
    size_t n = 0;

    while (value >= 0x80) {
        buf[n++] = (value & 0x7f) | 0x80;
        value >>= 7;
    }
    buf[n++] = value;
    return trace_put(w, buf, n);
}

static bool trace_put_text(MigTraceWriter *w, const char *text)
{
    size_t len = strlen(text);

    return trace_put_number(w, len, 2) && trace_put(w, text, len);
}

static bool trace_put_words(MigTraceWriter *w, const uint64_t *words, size_t n)
{
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
    return trace_put(w, words, n * sizeof(*words));
#else
    size_t i;

    for (i = 0; i < n; i++) {
        if (!trace_put_number(w, words[i], 8)) {
            return false;
        }
    }
    return true;
#endif
}

/* ---- items ---- */

static char *trace_check_header(const MigTraceHeader *h)
{
    int64_t page = h->page_bytes, total = 0;
    size_t i;

    if (page < MIG_TRACE_PAGE_BYTES_MIN || page > MIG_TRACE_PAGE_BYTES_MAX ||
        (page & (page - 1))) {
        return g_strdup_printf("a trace cannot have pages of %" PRId64
                               " bytes", page);
    }
    if (h->interval_ns <= 0) {
        return g_strdup("a trace needs the time between two records");
    }
    if (h->n_blocks < 1 || h->n_blocks > MIG_TRACE_BLOCKS_MAX) {
        return g_strdup_printf("a trace has 1 to %d blocks, not %zu",
                               MIG_TRACE_BLOCKS_MAX, h->n_blocks);
    }
    if (strlen(h->accel) > MIG_TRACE_TEXT_MAX ||
        strlen(h->label) > MIG_TRACE_TEXT_MAX) {
        return g_strdup_printf("accelerator and label of a trace have at most "
                               "%d bytes", MIG_TRACE_TEXT_MAX);
    }
    for (i = 0; i < h->n_blocks; i++) {
        const MigTraceBlock *b = &h->blocks[i];

        if (b->bytes <= 0 || b->bytes % page ||
            b->bytes > MIG_TRACE_RAM_BYTES_MAX - total) {
            return g_strdup_printf("block '%s' of a trace cannot have %" PRId64
                                   " bytes", b->name, b->bytes);
        }
        if (strlen(b->name) > MIG_TRACE_TEXT_MAX) {
            return g_strdup_printf("the name of block %zu is too long", i);
        }
        total += b->bytes;
    }
    return NULL;
}

static bool trace_put_header(MigTraceWriter *w, const MigTraceHeader *h)
{
    bool ok = trace_put(w, "H", 1) &&
              trace_put_number(w, h->page_bytes, 4) &&
              trace_put_number(w, sizeof(uint64_t), 1) &&
              trace_put_number(w, h->interval_ns, 8) &&
              trace_put_text(w, h->accel) &&
              trace_put_text(w, h->label) &&
              trace_put_number(w, h->n_blocks, 4);
    size_t i;

    for (i = 0; ok && i < h->n_blocks; i++) {
        ok = trace_put_text(w, h->blocks[i].name) &&
             trace_put_number(w, h->blocks[i].bytes, 8);
    }
    return ok;
}

static bool trace_put_prefix(MigTraceWriter *w)
{
    uint8_t prefix[MIG_TRACE_PREFIX_BYTES] = MIG_TRACE_MAGIC;

    trace_store(prefix + MIG_TRACE_MAGIC_BYTES, MIG_TRACE_VERSION, 4);
    trace_store(prefix + MIG_TRACE_MAGIC_BYTES + 4, 0, 4);
    g_checksum_update(w->digest, prefix, sizeof(prefix));
    return trace_emit(w, prefix, sizeof(prefix));
}

MigTraceWriter *mig_trace_writer_new(const MigTraceHeader *header, int level,
                                     MigTraceSink *sink, void *opaque,
                                     char **errmsg)
{
    MigTraceWriter *w;
    size_t i;

    *errmsg = trace_check_header(header);
    if (*errmsg) {
        return NULL;
    }
    if (level < 0 || level > MIG_TRACE_LEVEL_MAX) {
        *errmsg = g_strdup_printf("the level of compression is 1 to %d, not "
                                  "%d", MIG_TRACE_LEVEL_MAX, level);
        return NULL;
    }

    w = g_new0(MigTraceWriter, 1);
    w->sink = sink;
    w->opaque = opaque;
    w->n_blocks = header->n_blocks;
    w->block_pages = g_new0(int64_t, w->n_blocks);
    w->zero_seen = g_new0(bool, w->n_blocks);
    for (i = 0; i < w->n_blocks; i++) {
        w->block_pages[i] = mig_trace_block_pages(header, i);
    }
    w->digest = g_checksum_new(G_CHECKSUM_SHA256);
    w->zstd = ZSTD_createCStream();
    if (!w->zstd ||
        ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(
            w->zstd, ZSTD_c_compressionLevel,
            level ? level : MIG_TRACE_LEVEL_DEFAULT))) {
        trace_fail(w, "zstd could not be set up");
    }
    if (w->error || !trace_put_prefix(w) || !trace_put_header(w, header)) {
        *errmsg = g_strdup(w->error);
        mig_trace_writer_free(w);
        return NULL;
    }
    return w;
}

/* Pages in the bitmap, -1 (and an error) when it does not fit the block. */
static int64_t trace_check_bitmap(MigTraceWriter *w, size_t block,
                                  const uint64_t *words, size_t n_words)
{
    int64_t pages = 0;
    size_t i, rest;

    if (w->error) {
        return -1;
    }
    if (w->finished) {
        trace_fail(w, "the trace is finished already");
        return -1;
    }
    if (block >= w->n_blocks) {
        trace_fail(w, "the trace has no block %zu", block);
        return -1;
    }
    if (n_words != (w->block_pages[block] + MIG_TRACE_WORD_PAGES - 1) /
                   MIG_TRACE_WORD_PAGES) {
        trace_fail(w, "block %zu: a bitmap of %zu words does not fit", block,
                   n_words);
        return -1;
    }
    rest = w->block_pages[block] % MIG_TRACE_WORD_PAGES;
    if (rest && words[n_words - 1] >> rest) {
        trace_fail(w, "block %zu: a bit beyond its end is set", block);
        return -1;
    }
    for (i = 0; i < n_words; i++) {
        if (words[i]) {
            pages += __builtin_popcountll(words[i]);
        }
    }
    return pages;
}

static bool trace_put_bitmap(MigTraceWriter *w, char letter, size_t block,
                             const uint64_t *words, size_t n_words)
{
    size_t at = 0, from, to;

    if (!trace_put(w, &letter, 1) || !trace_put_leb(w, block)) {
        return false;
    }
    for (;;) {
        for (from = at; from < n_words && !words[from]; from++) {
            /* zero words are left out */
        }
        if (from == n_words) {
            break;
        }
        for (to = from; to < n_words && words[to]; to++) {
            /* the run */
        }
        if (!trace_put_leb(w, from - at) || !trace_put_leb(w, to - from) ||
            !trace_put_words(w, words + from, to - from)) {
            return false;
        }
        at = to;
    }
    return trace_put_leb(w, 0) && trace_put_leb(w, 0);
}

bool mig_trace_write_zero(MigTraceWriter *w, size_t block,
                          const uint64_t *words, size_t n_words)
{
    int64_t pages = trace_check_bitmap(w, block, words, n_words);

    if (pages < 0) {
        return false;
    }
    if (w->in_record || w->zero_seen[block]) {
        return trace_fail(w, "block %zu: its zero pages come once, before the "
                          "first record", block);
    }
    w->zero_seen[block] = true;
    return pages == 0 || trace_put_bitmap(w, 'Z', block, words, n_words);
}

bool mig_trace_write_record(MigTraceWriter *w, int64_t time_ns)
{
    if (w->error) {
        return false;
    }
    if (w->finished) {
        return trace_fail(w, "the trace is finished already");
    }
    if (time_ns < w->time_ns) {
        return trace_fail(w, "a record's time goes back from %" PRId64
                          " to %" PRId64 " ns", w->time_ns, time_ns);
    }
    w->time_ns = time_ns;
    w->in_record = true;
    w->next_block = 0;
    w->records++;
    return trace_put(w, "R", 1) && trace_put_number(w, time_ns, 8);
}

bool mig_trace_write_bitmap(MigTraceWriter *w, size_t block,
                            const uint64_t *words, size_t n_words)
{
    int64_t pages = trace_check_bitmap(w, block, words, n_words);

    if (pages < 0) {
        return false;
    }
    if (!w->in_record || block < w->next_block) {
        return trace_fail(w, "block %zu: a bitmap belongs to a record, in the "
                          "order of blocks", block);
    }
    w->next_block = block + 1;
    w->dirtied_pages += pages;
    return pages == 0 || trace_put_bitmap(w, 'B', block, words, n_words);
}

bool mig_trace_writer_finish(MigTraceWriter *w)
{
    uint8_t digest[MIG_TRACE_DIGEST_BYTES];
    size_t len = sizeof(digest);

    if (w->error) {
        return false;
    }
    if (w->finished) {
        return trace_fail(w, "the trace is finished already");
    }
    w->finished = true;
    if (!trace_put(w, "E", 1) || !trace_put_number(w, w->records, 8) ||
        !trace_put_number(w, w->dirtied_pages, 8) ||
        !trace_compress(w, ZSTD_e_end)) {
        return false;
    }
    g_checksum_get_digest(w->digest, digest, &len);
    return trace_emit(w, digest, len);
}

const char *mig_trace_writer_error(const MigTraceWriter *w)
{
    return w->error;
}

int64_t mig_trace_writer_records(const MigTraceWriter *w)
{
    return w->records;
}

int64_t mig_trace_writer_dirtied_pages(const MigTraceWriter *w)
{
    return w->dirtied_pages;
}

int64_t mig_trace_writer_bytes(const MigTraceWriter *w)
{
    return w->bytes;
}

void mig_trace_writer_free(MigTraceWriter *w)
{
    if (!w) {
        return;
    }
    ZSTD_freeCStream(w->zstd);
    g_checksum_free(w->digest);
    g_free(w->block_pages);
    g_free(w->zero_seen);
    g_free(w->error);
    g_free(w);
}
