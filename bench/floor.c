/* The floor: what a durable stream of records costs when nothing is verified.
 *
 * For each batch: the RFC 6962 leaves of its rows and the tree over them, one random touch of a
 * slot's memory for each row, the rows appended to a file, the file synced by a second thread while
 * the next batch is hashed. No signature, no index, no rules. SHA-256 is done in two ways: with the processor's SHA instructions where it has them,
 * and sixteen hashes abreast in vector registers; the caller asks for one.
 *
 * floor FILE METHOD RECORDS BATCH ROW_BYTES SLOTS SLOT_BYTES
 *   METHOD  ni | lanes
 * prints: seconds, and the root of the first batch (hex), which the caller checks.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__SHA__)
#include <immintrin.h>
#endif

#define LANES 16
typedef uint32_t lane __attribute__((vector_size(4 * LANES)));

static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define ROTATE(x, n) (((x) >> (n)) | ((x) << (32 - (n))))

static void compress_lanes(lane state[8], const lane block[16])
{
    lane w[16];
    memcpy(w, block, sizeof w);
    lane a = state[0], b = state[1], c = state[2], d = state[3];
    lane e = state[4], f = state[5], g = state[6], h = state[7];
    for (int round = 0; round < 64; round += 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (round > 0) {
                lane w1 = w[(i + 1) & 15], w14 = w[(i + 14) & 15];
                w[i] += (ROTATE(w1, 7) ^ ROTATE(w1, 18) ^ (w1 >> 3)) + w[(i + 9) & 15] +
                        (ROTATE(w14, 17) ^ ROTATE(w14, 19) ^ (w14 >> 10));
            }
            lane t1 = h + (ROTATE(e, 6) ^ ROTATE(e, 11) ^ ROTATE(e, 25)) + ((e & f) ^ (~e & g)) +
                      K[round + i] + w[i];
            lane t2 = (ROTATE(a, 2) ^ ROTATE(a, 13) ^ ROTATE(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

/* Hashes LANES padded messages of `blocks` blocks each; message l starts at messages + l * stride. */
static void hash_lanes(uint8_t *out, const uint8_t *messages, size_t stride, int blocks)
{
    lane state[8], words[16];
    for (int i = 0; i < 8; i++) state[i] = (lane){0} + START[i];
    for (int block = 0; block < blocks; block++) {
        for (int i = 0; i < 16; i++)
            for (int l = 0; l < LANES; l++) {
                uint32_t word;
                memcpy(&word, messages + l * stride + 64 * block + 4 * i, 4);
                words[i][l] = __builtin_bswap32(word);
            }
        compress_lanes(state, words);
    }
    for (int l = 0; l < LANES; l++)
        for (int i = 0; i < 8; i++) {
            uint32_t word = __builtin_bswap32(state[i][l]);
            memcpy(out + 32 * l + 4 * i, &word, 4);
        }
}

#if defined(__SHA__)
static void hash_ni(uint8_t *out, const uint8_t *message, int blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bULL, 0x0405060700010203ULL);
    __m128i t = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)START), 0xB1);
    __m128i s1 = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(START + 4)), 0x1B);
    __m128i s0 = _mm_alignr_epi8(t, s1, 8);
    s1 = _mm_blend_epi16(s1, t, 0xF0);
    for (int block = 0; block < blocks; block++) {
        __m128i m[4], save0 = s0, save1 = s1;
        for (int i = 0; i < 4; i++)
            m[i] = _mm_shuffle_epi8(
                _mm_loadu_si128((const __m128i *)(message + 64 * block + 16 * i)), swap);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (i >= 4) {
                __m128i last = m[(i + 3) & 3], mixed = _mm_sha256msg1_epu32(m[i & 3], m[(i + 1) & 3]);
                mixed = _mm_add_epi32(mixed, _mm_alignr_epi8(last, m[(i + 2) & 3], 4));
                m[i & 3] = _mm_sha256msg2_epu32(mixed, last);
            }
            __m128i wk = _mm_add_epi32(m[i & 3], _mm_loadu_si128((const __m128i *)(K + 4 * i)));
            s1 = _mm_sha256rnds2_epu32(s1, s0, wk);
            s0 = _mm_sha256rnds2_epu32(s0, s1, _mm_shuffle_epi32(wk, 0x0E));
        }
        s0 = _mm_add_epi32(s0, save0), s1 = _mm_add_epi32(s1, save1);
    }
    t = _mm_shuffle_epi32(s0, 0x1B);
    s1 = _mm_shuffle_epi32(s1, 0xB1);
    s0 = _mm_blend_epi16(t, s1, 0xF0);
    s1 = _mm_alignr_epi8(s1, t, 8);
    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(s0, swap));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_shuffle_epi8(s1, swap));
}
#endif

/* Hashes `count` padded messages, `stride` bytes apart. */
static void hash_all(int ni, uint8_t *out, const uint8_t *messages, size_t count, int blocks)
{
    size_t stride = 64 * (size_t)blocks, done = 0;
#if defined(__SHA__)
    if (ni) {
        for (; done < count; done++) hash_ni(out + 32 * done, messages + stride * done, blocks);
        return;
    }
#endif
    for (; done + LANES <= count; done += LANES)
        hash_lanes(out + 32 * done, messages + stride * done, stride, blocks);
    if (done < count) {
        static uint8_t rest[LANES * 1152];
        uint8_t hashes[LANES * 32];
        memcpy(rest, messages + stride * done, stride * (count - done));
        hash_lanes(hashes, rest, stride, blocks);
        memcpy(out + 32 * done, hashes, 32 * (count - done));
    }
    (void)ni;
}

static void pad(uint8_t *message, size_t length, int blocks)
{
    memset(message + length, 0, 64 * (size_t)blocks - length);
    message[length] = 0x80;
    uint64_t bits = __builtin_bswap64(8 * (uint64_t)length);
    memcpy(message + 64 * blocks - 8, &bits, 8);
}

/* RFC 6962 root: level by level, an odd last node moves up as it is. `messages` is laid out by
 * main: padding stands already, only prefix and content are written. */
static void tree(int ni, uint8_t *hashes, const uint8_t *rows, size_t count, size_t row_bytes,
                 uint8_t *leaf_messages, uint8_t *node_messages)
{
    int blocks = (int)((row_bytes + 1 + 9 + 63) / 64);
    for (size_t i = 0; i < count; i++)
        memcpy(leaf_messages + 64 * blocks * i + 1, rows + row_bytes * i, row_bytes);
    hash_all(ni, hashes, leaf_messages, count, blocks);
    while (count > 1) {
        size_t pairs = count / 2;
        for (size_t i = 0; i < pairs; i++) memcpy(node_messages + 128 * i + 1, hashes + 64 * i, 64);
        uint8_t odd[32];
        memcpy(odd, hashes + 32 * (count - 1), 32);
        hash_all(ni, hashes, node_messages, pairs, 2);
        if (count & 1) memcpy(hashes + 32 * pairs, odd, 32);
        count = pairs + (count & 1);
    }
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t written, synced;
static int file, is_closing, has_failed;

/* Syncs what was written since the last sync, again and again, until all of it is on disk. */
static void *keep_syncing(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (written == synced && !is_closing) pthread_cond_wait(&changed, &lock);
        size_t until = written;
        if (until == synced) break;
        pthread_mutex_unlock(&lock);
        int failure = fdatasync(file);
        pthread_mutex_lock(&lock);
        has_failed |= failure;
        synced = until;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    if (argc != 8) return 2;
    int ni = strcmp(argv[2], "ni") == 0;
#if !defined(__SHA__)
    if (ni) return 3;
#endif
    size_t records = strtoull(argv[3], 0, 10), batch = strtoull(argv[4], 0, 10);
    size_t row_bytes = strtoull(argv[5], 0, 10), slots = strtoull(argv[6], 0, 10);
    size_t slot_bytes = strtoull(argv[7], 0, 10);
    int blocks = (int)((row_bytes + 1 + 9 + 63) / 64);
    uint8_t *rows = malloc(records * row_bytes), *table = calloc(slots, slot_bytes);
    uint8_t *hashes = malloc(32 * (batch + LANES));
    uint8_t *leaves = calloc(batch + LANES, 64 * blocks), *nodes = calloc(batch / 2 + LANES, 128);
    uint32_t *order = malloc(4 * records);
    if (!rows || !table || !hashes || !leaves || !nodes || !order) return 4;
    uint64_t chance = 88172645463325252ULL;
    for (size_t i = 0; i < records * row_bytes; i++) {
        rows[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    for (size_t i = 0; i < records; i++) {
        chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
        order[i] = (uint32_t)(chance % slots);
    }
    for (size_t i = 0; i < slots * slot_bytes; i += 4096) table[i] = 1;
    for (size_t i = 0; i < batch; i++) pad(leaves + 64 * blocks * i, row_bytes + 1, blocks);
    for (size_t i = 0; i < batch / 2; i++) nodes[128 * i] = 1, pad(nodes + 128 * i, 65, 2);
    file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) return 5;
    uint8_t first[32];
    pthread_t syncing;
    double started = now();
    if (pthread_create(&syncing, 0, keep_syncing, 0) != 0) return 7;
    for (size_t at = 0; at + batch <= records; at += batch) {
        tree(ni, hashes, rows + at * row_bytes, batch, row_bytes, leaves, nodes);
        if (at == 0) memcpy(first, hashes, 32);
        for (size_t i = at; i < at + batch; i++) table[order[i] * slot_bytes] += 1;
        size_t bytes = batch * row_bytes;
        if (write(file, rows + at * row_bytes, bytes) != (ssize_t)bytes) return 6;
        pthread_mutex_lock(&lock);
        written++;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    is_closing = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(syncing, 0);
    if (has_failed) return 8;
    double seconds = now() - started;
    printf("%.6f ", seconds);
    for (int i = 0; i < 32; i++) printf("%02x", first[i]);
    printf("\n");
    return 0;
}
