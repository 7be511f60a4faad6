/*
 * Dirty traces: round trip, the bytes as documented, and every way in which a
 * file can be wrong.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common.h"
#include "sim/trace.h"
#include <zstd.h>

/* ---- a file in memory ---- */

typedef struct Memory {
    const uint8_t *data;
    size_t len, at;
    size_t most;                /* bytes a read gives at most */
} Memory;

static int64_t memory_source(void *opaque, void *buf, size_t len)
{
    Memory *m = opaque;
    size_t n = MIN(MIN(len, m->most), m->len - m->at);

    memcpy(buf, m->data + m->at, n);
    m->at += n;
    return n;
}

static bool array_sink(void *opaque, const void *buf, size_t len)
{
    g_byte_array_append(opaque, buf, len);
    return true;
}

/* Reads it all: NULL when it is good, else the error (g_free). */
static char *read_all(const uint8_t *data, size_t len, size_t most)
{
    Memory m = { data, len, 0, most };
    MigTraceItemKind kind;
    MigTraceReader *r;
    MigTraceItem item;
    char *errmsg;

    r = mig_trace_reader_new(memory_source, &m, &errmsg);
    if (!r) {
        g_assert_nonnull(errmsg);
        return errmsg;
    }
    g_assert_null(errmsg);
    do {
        kind = mig_trace_read(r, &item);
    } while (kind != MIG_TRACE_ERROR && kind != MIG_TRACE_END);
    g_assert_cmpint(mig_trace_read(r, &item), ==, kind);
    g_assert_true((kind == MIG_TRACE_END) == !mig_trace_reader_error(r));
    errmsg = g_strdup(mig_trace_reader_error(r));
    mig_trace_reader_free(r);
    return errmsg;
}

static void assert_error(const GByteArray *file, const char *text)
{
    char *errmsg = read_all(file->data, file->len, SIZE_MAX);

    if (!errmsg || !strstr(errmsg, text)) {
        g_error("expected '%s', got '%s'", text, errmsg ? errmsg : "(none)");
    }
    g_free(errmsg);
}

/* ---- a small trace ---- */

static const MigTraceBlock small_blocks[] = {
    { "pc.ram", 200 * PAGE }, { "vga", 3 * PAGE }, { "/rom@etc", 64 * PAGE },
};

static const MigTraceHeader small_header = {
    .page_bytes = PAGE,
    .interval_ns = 100 * MS,
    .accel = "tcg",
    .label = "a test",
    .blocks = small_blocks,
    .n_blocks = G_N_ELEMENTS(small_blocks),
};

static GByteArray *small_trace(void)
{
    static const uint64_t ram[] = { 1, 0, UINT64_MAX, 0x80 };
    static const uint64_t zero[] = { 0, UINT64_MAX << 1, 0, 0 };
    static const uint64_t vga[] = { 5 };
    GByteArray *file = g_byte_array_new();
    MigTraceWriter *w;
    char *errmsg;

    w = mig_trace_writer_new(&small_header, 0, array_sink, file, &errmsg);
    g_assert_null(errmsg);
    g_assert_true(mig_trace_write_zero(w, 0, zero, 4));
    g_assert_true(mig_trace_write_record(w, 100 * MS));
    g_assert_true(mig_trace_write_bitmap(w, 0, ram, 4));
    g_assert_true(mig_trace_write_bitmap(w, 1, vga, 1));
    g_assert_true(mig_trace_write_record(w, 200 * MS));
    g_assert_true(mig_trace_write_record(w, 301 * MS));
    g_assert_true(mig_trace_write_bitmap(w, 1, vga, 1));
    g_assert_true(mig_trace_writer_finish(w));
    g_assert_cmpint(mig_trace_writer_records(w), ==, 3);
    g_assert_cmpint(mig_trace_writer_dirtied_pages(w), ==, 1 + 64 + 1 + 4);
    g_assert_cmpint(mig_trace_writer_bytes(w), ==, file->len);
    g_assert_null(mig_trace_writer_error(w));
    mig_trace_writer_free(w);
    return file;
}

/* ---- payloads by hand, packed with every checksum right ---- */

static void put(GByteArray *p, uint64_t value, size_t n)
{
    while (n--) {
        uint8_t byte = value;

        g_byte_array_append(p, &byte, 1);
        value >>= 8;
    }
}

static void put_text(GByteArray *p, const char *text)
{
    put(p, strlen(text), 2);
    g_byte_array_append(p, (const uint8_t *)text, strlen(text));
}

static GByteArray *payload_header(uint64_t page, uint64_t word,
                                  uint64_t interval, uint64_t n_blocks,
                                  const char *name, uint64_t bytes)
{
    GByteArray *p = g_byte_array_new();

    put(p, 'H', 1);
    put(p, page, 4);
    put(p, word, 1);
    put(p, interval, 8);
    put_text(p, "tcg");
    put_text(p, "by hand");
    put(p, n_blocks, 4);
    put_text(p, name);
    put(p, bytes, 8);
    return p;
}

/* A header with one block of 100 pages. */
static GByteArray *payload_start(void)
{
    return payload_header(PAGE, 8, 1, 1, "ram", 100 * PAGE);
}

static GByteArray *payload_record(void)
{
    GByteArray *p = payload_start();

    put(p, 'R', 1);
    put(p, 50, 8);
    return p;
}

static void payload_end(GByteArray *p, uint64_t records, uint64_t pages)
{
    put(p, 'E', 1);
    put(p, records, 8);
    put(p, pages, 8);
}

static GByteArray *pack(GByteArray *payload, int window_log)
{
    GByteArray *file = g_byte_array_new();
    GChecksum *digest = g_checksum_new(G_CHECKSUM_SHA256);
    size_t bound = ZSTD_compressBound(payload->len), n, len = 32;
    uint8_t *packed = g_malloc(bound), sum[32];
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    ZSTD_inBuffer in = { payload->data, payload->len, 0 };
    ZSTD_outBuffer out = { packed, bound, 0 };

    g_byte_array_append(file, (const uint8_t *)MIG_TRACE_MAGIC, 8);
    put(file, 1, 4);
    put(file, 0, 4);
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
    if (window_log) {
        ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, window_log);
        /* Or zstd sees that so little data needs no such window. */
        ZSTD_compressStream2(ctx, &out, &in, ZSTD_e_flush);
    }
    n = ZSTD_compressStream2(ctx, &out, &in, ZSTD_e_end);
    g_assert_cmpint(n, ==, 0);
    ZSTD_freeCCtx(ctx);
    g_byte_array_append(file, packed, out.pos);
    g_free(packed);
    g_checksum_update(digest, file->data, file->len);
    g_checksum_get_digest(digest, sum, &len);
    g_checksum_free(digest);
    g_byte_array_append(file, sum, 32);
    g_byte_array_unref(payload);
    return file;
}

static void assert_payload_error(GByteArray *payload, const char *text)
{
    GByteArray *file = pack(payload, 0);

    assert_error(file, text);
    g_byte_array_unref(file);
}

/* ---- tests ---- */

static void test_as_documented(void)
{
    GByteArray *file = small_trace(), *want = g_byte_array_new();
    uint8_t plain[1024];
    size_t n;
    int i;

    put(want, 'H', 1);
    put(want, 4096, 4);
    put(want, 8, 1);
    put(want, 100000000, 8);
    put_text(want, "tcg");
    put_text(want, "a test");
    put(want, 3, 4);
    for (i = 0; i < 3; i++) {
        put_text(want, small_blocks[i].name);
        put(want, small_blocks[i].bytes, 8);
    }
    put(want, 'Z', 1);
    put(want, 0, 1);            /* block */
    put(want, 1, 1);            /* skip */
    put(want, 1, 1);            /* count */
    put(want, UINT64_MAX << 1, 8);
    put(want, 0, 2);
    put(want, 'R', 1);
    put(want, 100000000, 8);
    put(want, 'B', 1);
    put(want, 0x010000, 3);     /* block 0, skip 0, count 1 */
    put(want, 1, 8);
    put(want, 0x0201, 2);       /* skip 1, count 2 */
    put(want, UINT64_MAX, 8);
    put(want, 0x80, 8);
    put(want, 0, 2);
    put(want, 'B', 1);
    put(want, 0x010001, 3);
    put(want, 5, 8);
    put(want, 0, 2);
    put(want, 'R', 1);
    put(want, 200000000, 8);
    put(want, 'R', 1);
    put(want, 301000000, 8);
    put(want, 'B', 1);
    put(want, 0x010001, 3);
    put(want, 5, 8);
    put(want, 0, 2);
    put(want, 'E', 1);
    put(want, 3, 8);
    put(want, 70, 8);

    g_assert_cmpmem(file->data, 8, "\x89MIGT\r\n\x1a", 8);
    n = ZSTD_decompress(plain, sizeof(plain), file->data + 16,
                        file->len - 16 - 32);
    g_assert_false(ZSTD_isError(n));
    g_assert_cmpmem(plain, n, want->data, want->len);
    g_byte_array_unref(want);
    g_byte_array_unref(file);
}

#define BIG_RECORDS 40

/* Random bitmaps: dense, sparse, empty, longer than a piece. */
static void random_bitmap(GRand *rand, uint64_t *words, int64_t pages)
{
    size_t n = (pages + 63) / 64, i;
    int how = g_rand_int_range(rand, 0, 5);

    memset(words, 0, n * 8);
    for (i = 0; how && i < n; i++) {
        switch (how) {
        case 1:
            words[i] = UINT64_MAX;
            break;
        case 2:
            words[i] = g_rand_int_range(rand, 0, 50) ? 0 : 1ULL << (i % 64);
            break;
        default:
            words[i] = (uint64_t)g_rand_int(rand) << (i % 33);
            break;
        }
    }
    if (pages % 64) {
        words[n - 1] &= (UINT64_C(1) << (pages % 64)) - 1;
    }
}

static void round_trip(size_t most)
{
    static const MigTraceBlock blocks[] = {
        { "a", 1 * PAGE }, { "b", 700001 * PAGE }, { "c", 4096 * 64 * PAGE },
        { "", 63 * PAGE },
    };
    MigTraceHeader header = { PAGE, 50 * MS, "kvm", "", blocks, 4 };
    GByteArray *file = g_byte_array_new();
    uint64_t *sent[BIG_RECORDS + 1][4], *got[4];
    GRand *rand = g_rand_new_with_seed(3);
    MigTraceItemKind kind;
    MigTraceReader *r;
    MigTraceWriter *w;
    MigTraceItem item;
    Memory m;
    char *errmsg;
    int k, b;

    w = mig_trace_writer_new(&header, 1, array_sink, file, &errmsg);
    g_assert_nonnull(w);
    /* Record 0 stands for the zero pages. */
    for (k = 0; k <= BIG_RECORDS; k++) {
        if (k) {
            g_assert_true(mig_trace_write_record(w, k * 51 * MS));
        }
        for (b = 0; b < 4; b++) {
            size_t n = mig_trace_block_words(&header, b);

            sent[k][b] = g_new(uint64_t, n);
            random_bitmap(rand, sent[k][b], mig_trace_block_pages(&header, b));
            g_assert_true(k ? mig_trace_write_bitmap(w, b, sent[k][b], n)
                            : mig_trace_write_zero(w, b, sent[k][b], n));
        }
    }
    g_assert_true(mig_trace_writer_finish(w));
    mig_trace_writer_free(w);

    m = (Memory) { file->data, file->len, 0, most };
    r = mig_trace_reader_new(memory_source, &m, &errmsg);
    g_assert_null(errmsg);
    g_assert_cmpint(mig_trace_reader_header(r)->page_bytes, ==, PAGE);
    g_assert_cmpint(mig_trace_reader_header(r)->interval_ns, ==, 50 * MS);
    g_assert_cmpstr(mig_trace_reader_header(r)->accel, ==, "kvm");
    g_assert_cmpstr(mig_trace_reader_header(r)->label, ==, "");
    g_assert_cmpint(mig_trace_reader_header(r)->n_blocks, ==, 4);
    for (b = 0; b < 4; b++) {
        g_assert_cmpstr(mig_trace_reader_header(r)->blocks[b].name, ==,
                        blocks[b].name);
        g_assert_cmpint(mig_trace_reader_header(r)->blocks[b].bytes, ==,
                        blocks[b].bytes);
        got[b] = g_new0(uint64_t, mig_trace_block_words(&header, b));
    }
    k = 0;
    do {
        kind = mig_trace_read(r, &item);
        if (kind == MIG_TRACE_ZERO || kind == MIG_TRACE_WORDS) {
            g_assert_true((kind == MIG_TRACE_ZERO) == (k == 0));
            memcpy(got[item.block] + item.first_word, item.words,
                   item.n_words * 8);
            continue;
        }
        for (b = 0; b < 4; b++) {
            size_t n = mig_trace_block_words(&header, b) * 8;

            g_assert_true(memcmp(got[b], sent[k][b], n) == 0);
            memset(got[b], 0, n);
        }
        if (kind == MIG_TRACE_RECORD) {
            k++;
            g_assert_cmpint(item.time_ns, ==, k * 51 * MS);
        }
    } while (kind != MIG_TRACE_ERROR && kind != MIG_TRACE_END);
    g_assert_cmpstr(mig_trace_reader_error(r), ==, NULL);
    g_assert_cmpint(kind, ==, MIG_TRACE_END);
    g_assert_cmpint(k, ==, BIG_RECORDS);
    mig_trace_reader_free(r);

    for (k = 0; k <= BIG_RECORDS; k++) {
        for (b = 0; b < 4; b++) {
            g_free(sent[k][b]);
        }
    }
    for (b = 0; b < 4; b++) {
        g_free(got[b]);
    }
    g_rand_free(rand);
    g_byte_array_unref(file);
}

static void test_round_trip(void)
{
    round_trip(SIZE_MAX);
    round_trip(7);
}

/* A terabyte in which little happens costs little. */
static void test_terabyte(void)
{
    static const MigTraceBlock block = { "ram", TIB };
    MigTraceHeader header = { PAGE, 100 * MS, "kvm", "big", &block, 1 };
    size_t n = TIB / PAGE / 64;
    uint64_t *words = g_new0(uint64_t, n);
    GByteArray *file = g_byte_array_new();
    MigTraceWriter *w;
    char *errmsg;
    int i;

    w = mig_trace_writer_new(&header, 0, array_sink, file, &errmsg);
    for (i = 1; i <= 10; i++) {
        words[i * (n / 11)] = 1;
        g_assert_true(mig_trace_write_record(w, i * SEC));
        g_assert_true(mig_trace_write_bitmap(w, 0, words, n));
    }
    for (; i <= 10000; i++) {
        g_assert_true(mig_trace_write_record(w, i * SEC));
    }
    g_assert_true(mig_trace_writer_finish(w));
    mig_trace_writer_free(w);
    g_assert_cmpint(file->len, <, 60000);
    errmsg = read_all(file->data, file->len, SIZE_MAX);
    g_assert_cmpstr(errmsg, ==, NULL);
    g_byte_array_unref(file);
    g_free(words);
}

static void test_cut_off(void)
{
    GByteArray *file = small_trace();
    size_t len;
    char *errmsg;

    errmsg = read_all(file->data, file->len, SIZE_MAX);
    g_assert_cmpstr(errmsg, ==, NULL);
    for (len = 0; len < file->len; len++) {
        size_t most;

        for (most = 1; most < 100; most += 50) {
            errmsg = read_all(file->data, len, most);
            g_assert_nonnull(errmsg);
            g_assert_nonnull(strstr(errmsg, "cut off"));
            g_free(errmsg);
        }
    }
    /* And too long is wrong as well. */
    put(file, 0, 1);
    assert_error(file, "corrupt: there is more after its end");
    g_byte_array_unref(file);
}

static void test_flipped(void)
{
    GByteArray *file = small_trace();
    size_t at;
    int bit;

    for (at = 0; at < file->len; at++) {
        for (bit = 0; bit < 8; bit++) {
            file->data[at] ^= 1 << bit;
            assert_error(file, at < 8 ? "not a dirty trace"
                               : at < 12 ? "version"
                               : at < 16 ? "features" : "the trace is ");
            file->data[at] ^= 1 << bit;
        }
        file->data[at] ^= 0xff;
        assert_error(file, "");
        file->data[at] ^= 0xff;
    }
    g_byte_array_unref(file);
}

/* The same over a payload of many blocks of zstd's, at some bytes of it. */
static void test_flipped_long(void)
{
    static const MigTraceBlock block = { "ram", 64 * 10000 * PAGE };
    MigTraceHeader header = { PAGE, 100 * MS, "tcg", "", &block, 1 };
    GByteArray *file = g_byte_array_new();
    uint64_t *words = g_new0(uint64_t, 10000);
    GRand *rand = g_rand_new_with_seed(1);
    MigTraceWriter *w;
    char *errmsg;
    size_t at;
    int i, j;

    w = mig_trace_writer_new(&header, 0, array_sink, file, &errmsg);
    for (i = 0; i < 20; i++) {
        for (j = 0; j < 10000; j++) {
            words[j] = (uint64_t)g_rand_int(rand) << 3;
        }
        g_assert_true(mig_trace_write_record(w, i * SEC));
        g_assert_true(mig_trace_write_bitmap(w, 0, words, 10000));
    }
    g_assert_true(mig_trace_writer_finish(w));
    mig_trace_writer_free(w);
    for (at = 16; at < file->len; at += 4099) {
        file->data[at] ^= 0x10;
        assert_error(file, "the trace is ");
        file->data[at] ^= 0x10;
    }
    g_rand_free(rand);
    g_free(words);
    g_byte_array_unref(file);
}

static void test_foreign(void)
{
    GByteArray *file = g_byte_array_new();
    const char text[] = "#!/bin/sh\necho this is something else\n";

    g_byte_array_append(file, (const uint8_t *)text, strlen(text));
    assert_error(file, "not a dirty trace");
    g_byte_array_unref(file);

    file = small_trace();
    file->data[8] = 2;
    assert_error(file, "format version 2, this program reads version 1");
    file->data[8] = 0;
    assert_error(file, "format version 0");
    file->data[8] = 1;
    file->data[15] = 1;
    assert_error(file, "features (0x1000000)");
    g_byte_array_unref(file);
}

static void test_absurd_header(void)
{
    char name[MIG_TRACE_TEXT_MAX + 2];
    GByteArray *p = payload_start();

    payload_end(p, 0, 0);
    p = pack(p, 0);
    g_assert_cmpstr(read_all(p->data, p->len, SIZE_MAX), ==, NULL);
    g_byte_array_unref(p);

    p = g_byte_array_new();
    put(p, 'R', 1);
    put(p, 1, 8);
    assert_payload_error(p, "header");
    assert_payload_error(payload_header(0, 8, 1, 1, "", PAGE), "pages");
    assert_payload_error(payload_header(4095, 8, 1, 1, "", PAGE), "pages");
    assert_payload_error(payload_header(1U << 31, 8, 1, 1, "", 1ULL << 31),
                         "pages");
    assert_payload_error(payload_header(PAGE, 4, 1, 1, "", PAGE), "header");
    assert_payload_error(payload_header(PAGE, 8, 0, 1, "", PAGE), "header");
    assert_payload_error(payload_header(PAGE, 8, 1ULL << 63, 1, "", PAGE),
                         "header");
    assert_payload_error(payload_header(PAGE, 8, 1, 0, "", PAGE), "number of");
    assert_payload_error(payload_header(PAGE, 8, 1, UINT32_MAX, "", PAGE),
                         "number of");
    assert_payload_error(payload_header(PAGE, 8, 1, 1, "", 0), "size");
    assert_payload_error(payload_header(PAGE, 8, 1, 1, "", PAGE + 1), "size");
    assert_payload_error(payload_header(PAGE, 8, 1, 1, "", 1ULL << 51), "size");
    assert_payload_error(payload_header(PAGE, 8, 1, 1, "",
                                        UINT64_MAX - 4095), "size");
    p = payload_header(PAGE, 8, 1, 2, "a", 1ULL << 50);
    put_text(p, "b");
    put(p, PAGE, 8);
    assert_payload_error(p, "size");
    assert_payload_error(payload_header(PAGE, 8, 1, 1, "\xff", PAGE), "text");
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_payload_error(payload_header(PAGE, 8, 1, 1, name, PAGE), "long");
    /* A window of zstd's that would cost 128 MiB. */
    p = payload_start();
    payload_end(p, 0, 0);
    p = pack(p, 27);
    assert_error(p, "corrupt");
    g_byte_array_unref(p);
}

static void test_absurd_items(void)
{
    GByteArray *p;

#define BAD(start, text, ...)                                       \
    do {                                                            \
        static const uint8_t bytes[] = { __VA_ARGS__ };             \
        p = start();                                                \
        g_byte_array_append(p, bytes, sizeof(bytes));               \
        payload_end(p, 1, 0);                                       \
        assert_payload_error(p, text);                              \
    } while (0)

    BAD(payload_start, "unknown", 'Q');
    BAD(payload_start, "out of order", 'B', 0, 0, 0);
    BAD(payload_record, "no block", 'B', 1, 0, 0);
    BAD(payload_record, "too late", 'Z', 0, 0, 0);
    BAD(payload_start, "twice", 'Z', 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        'Z', 0, 0, 0);
    BAD(payload_record, "ends badly", 'B', 0, 0, 0);
    BAD(payload_record, "ends badly", 'B', 0, 1, 0);
    BAD(payload_record, "longer", 'B', 0, 0, 3);
    BAD(payload_record, "longer", 'B', 0, 2, 1);
    BAD(payload_record, "longer", 'B', 0, 3, 1);
    /* Near 2^63: sums would overflow. */
    BAD(payload_record, "longer", 'B', 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0x7f);
    BAD(payload_record, "longer", 'B', 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0x7f);
    BAD(payload_record, "number is too long", 'B', 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
    BAD(payload_record, "zero word", 'B', 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    /* 100 pages: bit 36 of the second word is none. */
    BAD(payload_record, "beyond the end", 'B', 0, 1, 1, 0, 0, 0, 0, 0x10, 0,
        0, 0);
    BAD(payload_record, "time goes back", 'R', 49, 0, 0, 0, 0, 0, 0, 0);
    BAD(payload_record, "time goes back", 'R', 0, 0, 0, 0, 0, 0, 0, 0x80);
    BAD(payload_record, "out of order", 'B', 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 'B', 0, 0, 1, 1);
    /* The last page is there to be used. */
    BAD(payload_record, "add up", 'B', 0, 1, 1, 0, 0, 0, 0, 0x08, 0, 0, 0, 0,
        0);
#undef BAD

    assert_payload_error(payload_start(), "no end record");
    assert_payload_error(payload_record(), "no end record");
    p = payload_record();
    payload_end(p, 0, 0);
    assert_payload_error(p, "add up");
    p = payload_record();
    payload_end(p, 1, 1);
    assert_payload_error(p, "add up");
    p = payload_record();
    payload_end(p, 1, 0);
    put(p, 'R', 1);
    assert_payload_error(p, "more after the end record");
}

static int64_t failing_source(void *opaque, void *buf, size_t len)
{
    return -1;
}

static void test_source_error(void)
{
    char *errmsg;

    g_assert_null(mig_trace_reader_new(failing_source, NULL, &errmsg));
    g_assert_cmpstr(errmsg, ==, "the trace could not be read");
    g_free(errmsg);
}

/* ---- the writer's errors ---- */

static bool full_sink(void *opaque, const void *buf, size_t len)
{
    int64_t *room = opaque;

    *room -= len;
    return *room >= 0;
}

static void test_sink_error(void)
{
    uint64_t word = 1;
    int64_t room = 10;
    MigTraceWriter *w;
    char *errmsg;

    w = mig_trace_writer_new(&small_header, 0, full_sink, &room, &errmsg);
    g_assert_null(w);
    g_assert_nonnull(strstr(errmsg, "could not be written after 0 bytes"));
    g_free(errmsg);

    room = 20;
    w = mig_trace_writer_new(&small_header, 0, full_sink, &room, &errmsg);
    g_assert_nonnull(w);
    g_assert_true(mig_trace_write_record(w, 0));
    g_assert_false(mig_trace_writer_finish(w));
    errmsg = g_strdup(mig_trace_writer_error(w));
    g_assert_nonnull(strstr(errmsg, "could not be written after 16 bytes"));
    /* The first error stays. */
    g_assert_false(mig_trace_write_record(w, 0));
    g_assert_false(mig_trace_write_bitmap(w, 1, &word, 1));
    g_assert_false(mig_trace_write_zero(w, 1, &word, 1));
    g_assert_false(mig_trace_writer_finish(w));
    g_assert_cmpstr(mig_trace_writer_error(w), ==, errmsg);
    g_free(errmsg);
    mig_trace_writer_free(w);
}

static void assert_header_error(const MigTraceHeader *header, int level,
                                const char *text)
{
    GByteArray *file = g_byte_array_new();
    char *errmsg;

    g_assert_null(mig_trace_writer_new(header, level, array_sink, file,
                                       &errmsg));
    g_assert_nonnull(strstr(errmsg, text));
    g_assert_cmpint(file->len, ==, 0);
    g_free(errmsg);
    g_byte_array_unref(file);
}

static void test_writer_header(void)
{
    char *text = g_strnfill(MIG_TRACE_TEXT_MAX + 1, 'x');
    MigTraceBlock blocks[2] = { { "a", TIB }, { "b", TIB } };
    MigTraceHeader h = { PAGE, 1, "", "", blocks, 2 };

    assert_header_error(&h, -1, "level");
    assert_header_error(&h, MIG_TRACE_LEVEL_MAX + 1, "level");
    h.page_bytes = 5000;
    assert_header_error(&h, 0, "pages of 5000 bytes");
    h.page_bytes = -4096;
    assert_header_error(&h, 0, "pages of -4096");
    h.page_bytes = 1 << 21;
    assert_header_error(&h, 0, "pages of");
    h.page_bytes = PAGE;
    h.interval_ns = 0;
    assert_header_error(&h, 0, "time between");
    h.interval_ns = 1;
    h.n_blocks = 0;
    assert_header_error(&h, 0, "blocks");
    h.n_blocks = MIG_TRACE_BLOCKS_MAX + 1;
    assert_header_error(&h, 0, "blocks");
    h.n_blocks = 2;
    h.accel = text;
    assert_header_error(&h, 0, "at most");
    h.accel = "";
    h.label = text;
    assert_header_error(&h, 0, "at most");
    h.label = "";
    blocks[0].name = text;
    assert_header_error(&h, 0, "too long");
    blocks[0].name = "a";
    blocks[0].bytes = 0;
    assert_header_error(&h, 0, "block 'a'");
    blocks[0].bytes = PAGE + 1;
    assert_header_error(&h, 0, "block 'a'");
    blocks[0].bytes = MIG_TRACE_RAM_BYTES_MAX;
    assert_header_error(&h, 0, "block 'b'");
    g_free(text);
}

typedef bool Wrong(MigTraceWriter *w);

static const uint64_t one[] = { 1, 0, 0, 0 };

static bool wrong_before(MigTraceWriter *w)
{
    return mig_trace_write_bitmap(w, 0, one, 4);
}

static bool wrong_block(MigTraceWriter *w)
{
    return mig_trace_write_record(w, 1) && mig_trace_write_bitmap(w, 3, one, 1);
}

static bool wrong_words(MigTraceWriter *w)
{
    return mig_trace_write_record(w, 1) && mig_trace_write_bitmap(w, 0, one, 3);
}

static bool wrong_bit(MigTraceWriter *w)
{
    static const uint64_t beyond[] = { 8 };

    return mig_trace_write_record(w, 1) &&
           mig_trace_write_bitmap(w, 1, beyond, 1);
}

static bool wrong_order(MigTraceWriter *w)
{
    g_assert_true(mig_trace_write_record(w, 1));
    g_assert_true(mig_trace_write_bitmap(w, 1, one, 1));
    return mig_trace_write_bitmap(w, 1, one, 1);
}

static bool wrong_time(MigTraceWriter *w)
{
    g_assert_true(mig_trace_write_record(w, 1));
    g_assert_true(mig_trace_write_record(w, 1));
    return mig_trace_write_record(w, 0);
}

static bool wrong_zero(MigTraceWriter *w)
{
    g_assert_true(mig_trace_write_zero(w, 1, one, 1));
    return mig_trace_write_zero(w, 1, one, 1);
}

static bool wrong_late(MigTraceWriter *w)
{
    g_assert_true(mig_trace_write_record(w, 1));
    return mig_trace_write_zero(w, 1, one, 1);
}

static bool wrong_end(MigTraceWriter *w)
{
    g_assert_true(mig_trace_writer_finish(w));
    return mig_trace_write_record(w, 1);
}

static bool wrong_end_bitmap(MigTraceWriter *w)
{
    g_assert_true(mig_trace_writer_finish(w));
    return mig_trace_write_bitmap(w, 1, one, 1);
}

static bool wrong_end_end(MigTraceWriter *w)
{
    g_assert_true(mig_trace_writer_finish(w));
    return mig_trace_writer_finish(w);
}

static void test_writer_calls(void)
{
    static const struct {
        Wrong *call;
        const char *text;
    } cases[] = {
        { wrong_before, "belongs to a record" },
        { wrong_block, "no block 3" },
        { wrong_words, "3 words does not fit" },
        { wrong_bit, "beyond its end" },
        { wrong_order, "in the order of blocks" },
        { wrong_time, "goes back from 1 to 0" },
        { wrong_zero, "once" },
        { wrong_late, "before the first record" },
        { wrong_end, "finished" },
        { wrong_end_bitmap, "finished" },
        { wrong_end_end, "finished" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        GByteArray *file = g_byte_array_new();
        MigTraceWriter *w;
        char *errmsg;

        w = mig_trace_writer_new(&small_header, 0, array_sink, file, &errmsg);
        g_assert_false(cases[i].call(w));
        g_assert_nonnull(strstr(mig_trace_writer_error(w), cases[i].text));
        mig_trace_writer_free(w);
        g_byte_array_unref(file);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trace/as-documented", test_as_documented);
    g_test_add_func("/trace/round-trip", test_round_trip);
    g_test_add_func("/trace/terabyte", test_terabyte);
    g_test_add_func("/trace/cut-off", test_cut_off);
    g_test_add_func("/trace/flipped", test_flipped);
    g_test_add_func("/trace/flipped-long", test_flipped_long);
    g_test_add_func("/trace/foreign", test_foreign);
    g_test_add_func("/trace/absurd-header", test_absurd_header);
    g_test_add_func("/trace/absurd-items", test_absurd_items);
    g_test_add_func("/trace/source-error", test_source_error);
    g_test_add_func("/trace/sink-error", test_sink_error);
    g_test_add_func("/trace/writer-header", test_writer_header);
    g_test_add_func("/trace/writer-calls", test_writer_calls);
    return g_test_run();
}
