"""The small functions that a C file is written with: what of them a file uses goes into it."""

import re

from . import convolution, fourier

HEAD = """\
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define DG_RESTRICT __restrict__
#else
#define DG_RESTRICT
#endif
#define DG_INF ((float)INFINITY)
#define DG_NAN ((float)NAN)

/* Numbers near 0 are slow on many processors, and nobody hears them: inside of process they are 0. Where a processor cannot
   be told so, states are 0 below 1e-30, before it comes to that. */
#define DG_KEPT(x) (x)
#if defined(__GNUC__) && defined(__SSE2__)
#define DG_FLUSH const unsigned dg_mode = __builtin_ia32_stmxcsr(); __builtin_ia32_ldmxcsr(dg_mode | 0x8040u);
#define DG_RESTORE __builtin_ia32_ldmxcsr(dg_mode);
#elif defined(__GNUC__) && defined(__aarch64__)
#define DG_FLUSH uint64_t dg_mode; __asm__ volatile("mrs %0, fpcr" : "=r"(dg_mode)); \\
    __asm__ volatile("msr fpcr, %0" : : "r"(dg_mode | (UINT64_C(1) << 24)));
#define DG_RESTORE __asm__ volatile("msr fpcr, %0" : : "r"(dg_mode));
#elif defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP)
#define DG_FLUSH uint32_t dg_mode; __asm__ volatile("vmrs %0, fpscr" : "=r"(dg_mode)); \\
    __asm__ volatile("vmsr fpscr, %0" : : "r"(dg_mode | (UINT32_C(1) << 24)));
#define DG_RESTORE __asm__ volatile("vmsr fpscr, %0" : : "r"(dg_mode));
#else
#define DG_FLUSH
#define DG_RESTORE
#undef DG_KEPT
#define DG_KEPT(x) (fabsf(x) < 1e-30f ? 0.0f : (x))
#endif
"""

# The sine is reduced to half a turn in double, which holds for any phase that a float can tell, and has no branch, so that
# compilers take several lanes at once. Exponential and logarithm: Cephes, by S. L. Moshier.
FUNCTIONS = {
    "dg_bits": "static inline uint32_t dg_bits(float x) { union { float f; uint32_t u; } b; b.f = x; return b.u; }",
    "dg_float": "static inline float dg_float(uint32_t x) { union { float f; uint32_t u; } b; b.u = x; return b.f; }",
    "dg_max": "static inline float dg_max(float a, float b) { return a > b || a != a ? a : b; }",
    "dg_min": "static inline float dg_min(float a, float b) { return a < b || a != a ? a : b; }",
    "dg_max_int32": "static inline int32_t dg_max_int32(int32_t a, int32_t b) { return a > b ? a : b; }",
    "dg_min_int32": "static inline int32_t dg_min_int32(int32_t a, int32_t b) { return a < b ? a : b; }",
    "dg_max_uint32": "static inline uint32_t dg_max_uint32(uint32_t a, uint32_t b) { return a > b ? a : b; }",
    "dg_min_uint32": "static inline uint32_t dg_min_uint32(uint32_t a, uint32_t b) { return a < b ? a : b; }",
    "dg_sign": "static inline float dg_sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }",
    "dg_ipow": """\
static inline float dg_ipow(float x, int n) {
    float y = 1.0f;
    for (; n; n >>= 1) { if (n & 1) y *= x; x *= x; }
    return y;
}""",
    "dg_to_int32": """\
/* Of NaN 0, of what does not fit the nearest: C leaves both open. */
static inline int32_t dg_to_int32(float x) {
    return x != x ? 0 : x >= 2147483648.0f ? INT32_MAX : x <= -2147483648.0f ? INT32_MIN : (int32_t)x;
}""",
    "dg_to_uint32": """\
static inline uint32_t dg_to_uint32(float x) {
    return !(x > 0.0f) ? 0u : x >= 4294967296.0f ? UINT32_MAX : (uint32_t)x;
}""",
    "dg_div_int32": """\
static inline int32_t dg_div_int32(int32_t a, int32_t b) {
    return b == 0 ? -1 : b == -1 ? (int32_t)(0u - (uint32_t)a) : a / b;
}""",
    "dg_rem_int32": """\
static inline int32_t dg_rem_int32(int32_t a, int32_t b) { return b == 0 ? a : b == -1 ? 0 : a % b; }""",
    "dg_div_uint32": "static inline uint32_t dg_div_uint32(uint32_t a, uint32_t b) { return b == 0 ? UINT32_MAX : a / b; }",
    "dg_rem_uint32": "static inline uint32_t dg_rem_uint32(uint32_t a, uint32_t b) { return b == 0 ? a : a % b; }",
    "dg_place": """\
/* A place that is inside, the nearest to the one that is asked for. */
static inline int dg_place(int32_t at, int most) { return at < 0 ? 0 : at > most ? most : (int)at; }""",
    "dg_place_u": """\
static inline int dg_place_u(uint32_t at, int most) { return at > (uint32_t)most ? most : (int)at; }""",
    "dg_logistic": "static inline float dg_logistic(float x) { return 1.0f / (1.0f + dg_exp(-x)); }",
    "dg_threefry": """\
/* threefry2x32 in 20 rounds: the numbers of jax.random. */
static inline uint32_t dg_threefry(uint32_t k0, uint32_t k1, uint32_t x0, uint32_t x1, int half) {
    const uint32_t k2 = k0 ^ k1 ^ 0x1BD11BDAu;
#define DG_R(r) x0 += x1; x1 = (x1 << r) | (x1 >> (32 - r)); x1 ^= x0;
    x0 += k0; x1 += k1;
    DG_R(13) DG_R(15) DG_R(26) DG_R(6) x0 += k1; x1 += k2 + 1u;
    DG_R(17) DG_R(29) DG_R(16) DG_R(24) x0 += k2; x1 += k0 + 2u;
    DG_R(13) DG_R(15) DG_R(26) DG_R(6) x0 += k0; x1 += k1 + 3u;
    DG_R(17) DG_R(29) DG_R(16) DG_R(24) x0 += k1; x1 += k2 + 4u;
    DG_R(13) DG_R(15) DG_R(26) DG_R(6) x0 += k2; x1 += k0 + 5u;
#undef DG_R
    return half ? x1 : x0;
}""",
    "dg_turned": """\
/* The sine of x + shift * pi. */
static inline float dg_turned(float x, double shift) {
    const double turns = (double)x * 0.31830988618379067 + shift;
    const double t = turns + 6755399441055744.0;
    const float r = (float)((turns - (t - 6755399441055744.0)) * 3.1415926535897931);
    union { double d; uint64_t u; } b;
    const float s = r * r;
    const float p = r + r * s * (-1.666666044e-01f + s * (8.333087440e-03f + s * (-1.981105342e-04f + s * 2.608789571e-06f)));
    b.d = t;
    return dg_float(dg_bits(p) ^ ((uint32_t)b.u << 31));
}""",
    "dg_sin": "static inline float dg_sin(float x) { return dg_turned(x, 0.0); }",
    "dg_cos": "static inline float dg_cos(float x) { return dg_turned(x, 0.5); }",
    "dg_exp": """\
static inline float dg_exp(float x) {
    const float y = x < -103.0f ? -103.0f : x > 88.8f ? 88.8f : x == x ? x : 0.0f;
    const float k = (y * 1.44269504f + 12582912.0f) - 12582912.0f;
    const float r = (y - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    {
        const int32_t e = (int32_t)k, h = e >> 1;
        p = p * dg_float((uint32_t)(h + 127) << 23) * dg_float((uint32_t)(e - h + 127) << 23);
    }
    return x != x ? x : x > 88.8f ? DG_INF : x < -104.0f ? 0.0f : p;
}""",
    "dg_log": """\
static inline float dg_log(float x) {
    const float large = x < 1.17549435e-38f ? x * 8388608.0f : x;
    const uint32_t b = dg_bits(large) + (0x3f800000u - 0x3f3504f3u);
    const float e = (float)((int32_t)(b >> 23) - 127) - (x < 1.17549435e-38f ? 23.0f : 0.0f);
    const float m = dg_float((b & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float z = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    p = p * m * z + e * -2.12194440e-4f - 0.5f * z + m + e * 0.693359375f;
    return x > 0.0f ? (x < DG_INF ? p : x) : x == 0.0f ? -DG_INF : DG_NAN;
}""",
    "dg_tanh": "static inline float dg_tanh(float x) { return tanhf(x); }",
    **fourier.FUNCTIONS,
    **convolution.FUNCTIONS,
}
LIBM = {
    name: f"static inline float dg_{name}(float x) {{ return {name}f(x); }}" for name in ("sin", "cos", "exp", "log", "tanh")
}


def used(body: str, math: str) -> str:
    """The functions that `body` calls, and those that they call, in order."""
    known = FUNCTIONS | ({f"dg_{name}": text for name, text in LIBM.items()} if math == "libm" else {})
    found: set[str] = set()
    names = set(re.findall(r"\bdg_\w+", body))
    while names:
        name = names.pop()
        if name in known and name not in found:
            found.add(name)
            names |= set(re.findall(r"\bdg_\w+", known[name]))
    order = ["dg_bits", "dg_float", "dg_turned", *(name for name in known if name not in ("dg_logistic",)), "dg_logistic"]
    return "\n".join([known[name] for name in dict.fromkeys(order) if name in found])
