/* Maxima of products that need not be kept, for scoring on a processor.

   This file reads itself once for each kind of processor. LANES is how many floats a vector
   has, TARGET what the compiler may use, NAMED what a function is then called. The vectors of a
   loop are as many as the processor has registers for. Python has checked sizes and addresses:
   all arrays are contiguous, channels are at least LANES, and no number is NaN. */

#ifndef LANES

#include <math.h>
#include <stdint.h>

/* Vectors of enhancer positions in a panel; pairs of one window that are worked on at once. */
#define PANEL 2
#define PARTNERS 3
#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLLED _Pragma("GCC unroll 16") for
#define JOINED(name, lanes) name##_##lanes
#define EXPANDED(name, lanes) JOINED(name, lanes)
#define NAMED(name) EXPANDED(name, LANES)

typedef struct { int64_t span, kmer, tables, channels, pool, outputs; } kmer_shape;
typedef struct { int64_t positions, channels, taps, pool, outputs; } tap_shape;

#if defined(__x86_64__)
#include <immintrin.h>
#define LANES 16
#define ROWS 11
#define TAP_VECTORS 4
#define TARGET __attribute__((target("avx512f")))
#define LARGER(a, b) _mm512_max_ps(a, b)
#include "maxima.c"
#define LANES 8
#define ROWS 6
#define TAP_VECTORS 2
#define TARGET __attribute__((target("fma")))
#define LARGER(a, b) _mm256_max_ps(a, b)
#include "maxima.c"
#define LANES 4
#define ROWS 6
#define TAP_VECTORS 2
#define TARGET
#define LARGER(a, b) _mm_max_ps(a, b)
#include "maxima.c"
#define FOR_LANES(call) \
  if (lanes == 16) call(16); else if (lanes == 8) call(8); else call(4)
#else
#define LANES 4
#define ROWS 11
#define TAP_VECTORS 2
#define TARGET
#if defined(__aarch64__)
#include <arm_neon.h>
#define LARGER(a, b) vmaxq_f32(a, b)
#else
#define LARGER(a, b) ((vector)(((a) > (b) & (bits)(a)) | (~((a) > (b)) & (bits)(b))))
#endif
#include "maxima.c"
#define FOR_LANES(call) call(4)
#endif

/* How many floats a vector of this processor has. */
int64_t most_lanes(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return 16;
  if (__builtin_cpu_supports("fma")) return 8;
#endif
  return 4;
}

/* The largest entry of each row and each column of the relation matrix of some pairs of windows.

   panels: (windows, n_panels, channels, PANEL * lanes), enhancer positions side by side
   promoters: (windows, m, channels)
   enhancer, promoter: (n_pairs), the window of each
   by_row, by_column: (n_pairs, n_panels * PANEL * lanes) and (n_pairs, m), written
   room: (m, lanes), for whatever the call needs */
void position_maxima(int64_t lanes, int64_t n_pairs, int64_t n_panels, int64_t m,
                     int64_t channels, const float *panels, const float *promoters,
                     const int64_t *enhancer, const int64_t *promoter, float *by_row,
                     float *by_column, float *room) {
#define CALL(lanes) position_maxima_##lanes(n_pairs, n_panels, m, channels, panels, promoters, \
                                            enhancer, promoter, by_row, by_column, room)
  FOR_LANES(CALL);
#undef CALL
}

/* Convolution by look-up, max-pool, bias and ReLU.

   codes: (n, span), the k-mer that begins at each position
   rows: (k-mers * tables, channels), what each k-mer adds by each table
   bias: (channels)
   out: (n, outputs, channels), written */
void kmer_maxima(int64_t lanes, int64_t n, const kmer_shape *shape, const int32_t *codes,
                 const float *rows, const float *bias, float *out) {
#define CALL(lanes) kmer_maxima_##lanes(n, shape, codes, rows, bias, out)
  FOR_LANES(CALL);
#undef CALL
}

/* The pooled convolution of reweighted windows, without bias.

   products: (windows, positions, taps, channels), what each tap makes of each position
   windows: (n), which of them each turn is about
   begins: (n + 1), where its rows of `pairs` begin
   pairs: (rows, PARTNERS), the pairs that read it
   weights: (pairs, positions)
   out: (pairs, outputs, channels), written */
void tap_maxima(int64_t lanes, int64_t n, const tap_shape *shape, const float *products,
                const int64_t *windows, const int64_t *begins, const int64_t *pairs,
                const float *weights, float *out) {
#define CALL(lanes) tap_maxima_##lanes(n, shape, products, windows, begins, pairs, weights, out)
  FOR_LANES(CALL);
#undef CALL
}

#else /* LANES */

#define vector NAMED(vector)
#define bits NAMED(bits)
#define WIDTH (PANEL * LANES)

typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(4 * LANES)));

#define AT(address) (*(vector *)(address))
#define READ(address) (*(const vector *)(address))
#define ALL(number) ((vector){0} + (number))

/* The relations of a panel with some promoter positions, and what they change. */
INLINE void NAMED(relations)(const int rows, int64_t channels, const float *panel,
                             const float *promoter, vector *largest, float *room) {
  vector sums[ROWS][PANEL];
  UNROLLED(int j = 0; j < rows; j++)
    UNROLLED(int v = 0; v < PANEL; v++) sums[j][v] = ALL(0);
  for (int64_t k = 0; k < channels; k++) {
    vector column[PANEL];
    UNROLLED(int v = 0; v < PANEL; v++) column[v] = READ(panel + k * WIDTH + v * LANES);
    UNROLLED(int j = 0; j < rows; j++)
      UNROLLED(int v = 0; v < PANEL; v++) sums[j][v] += promoter[j * channels + k] * column[v];
  }
  UNROLLED(int j = 0; j < rows; j++)
    UNROLLED(int v = 0; v < PANEL; v++) {
      largest[v] = LARGER(largest[v], sums[j][v]);
      AT(room + j * LANES) = LARGER(READ(room + j * LANES), sums[j][v]);
    }
}

TARGET static void NAMED(position_maxima)(
    int64_t n_pairs, int64_t n_panels, int64_t m, int64_t channels, const float *panels,
    const float *promoters, const int64_t *enhancer, const int64_t *promoter, float *by_row,
    float *by_column, float *room) {
  for (int64_t x = 0; x < n_pairs; x++) {
    const float *window = promoters + promoter[x] * m * channels;
    for (int64_t j = 0; j < m; j++) AT(room + j * LANES) = ALL(-INFINITY);
    for (int64_t q = 0; q < n_panels; q++) {
      const float *panel = panels + (enhancer[x] * n_panels + q) * channels * WIDTH;
      vector largest[PANEL];
      UNROLLED(int v = 0; v < PANEL; v++) largest[v] = ALL(-INFINITY);
      if (m < ROWS)
        for (int64_t j = 0; j < m; j++)
          NAMED(relations)(1, channels, panel, window + j * channels, largest, room + j * LANES);
      else
        for (int64_t y = 0; y < m; y += ROWS) {
          /* The last block begins early rather than end late. */
          int64_t j = y < m - ROWS ? y : m - ROWS;
          NAMED(relations)(ROWS, channels, panel, window + j * channels, largest,
                           room + j * LANES);
        }
      UNROLLED(int v = 0; v < PANEL; v++)
        AT(by_row + (x * n_panels + q) * WIDTH + v * LANES) = largest[v];
    }
    for (int64_t j = 0; j < m; j++) {
      float best = room[j * LANES];
      for (int v = 1; v < LANES; v++) best = fmaxf(best, room[j * LANES + v]);
      by_column[x * m + j] = best;
    }
  }
}

INLINE void NAMED(kmer_group)(const int vectors, const kmer_shape *shape, const int32_t *codes,
                              const float *rows, const float *bias, float *out) {
  vector largest[4];
  UNROLLED(int v = 0; v < vectors; v++) largest[v] = ALL(-INFINITY);
  for (int64_t i = 0; i < shape->pool; i++) {
    vector sums[4];
    UNROLLED(int v = 0; v < vectors; v++) sums[v] = ALL(0);
    for (int64_t t = 0; t < shape->tables; t++) {
      const float *row =
          rows + (codes[i + t * shape->kmer] * shape->tables + t) * shape->channels;
      UNROLLED(int v = 0; v < vectors; v++) sums[v] += READ(row + v * LANES);
    }
    UNROLLED(int v = 0; v < vectors; v++) largest[v] = LARGER(largest[v], sums[v]);
  }
  UNROLLED(int v = 0; v < vectors; v++)
    AT(out + v * LANES) = LARGER(largest[v] + READ(bias + v * LANES), ALL(0));
}

/* Groups of `vectors` vectors make up the channels; the last begins early rather than end late. */
#define GROUPS(most, group)                                                       \
  do {                                                                            \
    const int64_t step = (channels < (most) * LANES ? 1 : (most)) * LANES;        \
    for (int64_t y = 0; y < channels; y += step) {                                \
      const int64_t g = y < channels - step ? y : channels - step;                \
      if (step == LANES) group(1); else group(most);                              \
    }                                                                             \
  } while (0)

TARGET static void NAMED(kmer_maxima)(int64_t n, const kmer_shape *shape, const int32_t *codes,
                                      const float *rows, const float *bias, float *out) {
  const int64_t channels = shape->channels;
  for (int64_t x = 0; x < n; x++)
    for (int64_t o = 0; o < shape->outputs; o++) {
      const int32_t *first = codes + x * shape->span + o * shape->pool;
      float *place = out + (x * shape->outputs + o) * channels;
#define GROUP(vectors) \
  NAMED(kmer_group)(vectors, shape, first, rows + g, bias + g, place + g)
      GROUPS(4, GROUP);
#undef GROUP
    }
}

INLINE void NAMED(tap_group)(const int vectors, const tap_shape *shape, const float *products,
                             const float *const *weights, float *const *out) {
  const int64_t of_tap = shape->channels, of_position = shape->taps * of_tap;
  vector largest[PARTNERS][TAP_VECTORS];
  UNROLLED(int p = 0; p < PARTNERS; p++)
    UNROLLED(int v = 0; v < vectors; v++) largest[p][v] = ALL(-INFINITY);
  for (int64_t i = 0; i < shape->pool; i++) {
    vector sums[PARTNERS][TAP_VECTORS];
    UNROLLED(int p = 0; p < PARTNERS; p++)
      UNROLLED(int v = 0; v < vectors; v++) sums[p][v] = ALL(0);
    for (int64_t k = 0; k < shape->taps; k++) {
      const float *product = products + (i + k) * of_position + k * of_tap;
      UNROLLED(int v = 0; v < vectors; v++) {
        const vector read = READ(product + v * LANES);
        UNROLLED(int p = 0; p < PARTNERS; p++) sums[p][v] += weights[p][i + k] * read;
      }
    }
    UNROLLED(int p = 0; p < PARTNERS; p++)
      UNROLLED(int v = 0; v < vectors; v++) largest[p][v] = LARGER(largest[p][v], sums[p][v]);
  }
  UNROLLED(int p = 0; p < PARTNERS; p++)
    UNROLLED(int v = 0; v < vectors; v++) AT(out[p] + v * LANES) = largest[p][v];
}

TARGET static void NAMED(tap_maxima)(int64_t n, const tap_shape *shape, const float *products,
                                     const int64_t *windows, const int64_t *begins,
                                     const int64_t *pairs, const float *weights, float *out) {
  const int64_t channels = shape->channels, of_position = shape->taps * channels;
  for (int64_t x = 0; x < n; x++)
    /* All partners read what an output needs of the window while it is in the innermost cache. */
    for (int64_t o = 0; o < shape->outputs; o++) {
      const float *read =
          products + (windows[x] * shape->positions + o * shape->pool) * of_position;
      for (int64_t row = begins[x]; row < begins[x + 1]; row++) {
        const float *weight[PARTNERS];
        float *place[PARTNERS];
        UNROLLED(int p = 0; p < PARTNERS; p++) {
          const int64_t pair = pairs[row * PARTNERS + p];
          weight[p] = weights + pair * shape->positions + o * shape->pool;
          place[p] = out + (pair * shape->outputs + o) * channels;
        }
#define GROUP(vectors)                                                            \
  do {                                                                            \
    float *const to[PARTNERS] = {place[0] + g, place[1] + g, place[2] + g};       \
    NAMED(tap_group)(vectors, shape, read + g, weight, to);                       \
  } while (0)
        GROUPS(TAP_VECTORS, GROUP);
#undef GROUP
      }
    }
}

#undef GROUPS
#undef AT
#undef READ
#undef ALL
#undef WIDTH
#undef vector
#undef bits
#undef LANES
#undef ROWS
#undef TAP_VECTORS
#undef TARGET
#undef LARGER
#endif
