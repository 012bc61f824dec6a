"""The fast Fourier transform in C."""

# Stockham's: a stage for each factor of the length, from one half of the memory to the other, which sorts by itself. A large
# prime factor takes its square in time. Tables hold exp(-2 pi i t / n); a shorter transform takes every `step`-th of them.
FUNCTIONS = {
    "dg_fft": """\
/* x: n real parts, then n imaginary ones; y is as large. The result is in x. */
static void dg_fft(int n, float sign, const float *w, int step, float *x, float *y) {
    int s = 1, left = n, p, m, k, q, r, j;
    float *from = x, *to = y;
    while (left > 1) {
        p = left % 4 == 0 ? 4 : left % 2 == 0 ? 2 : 3;
        while (left % p) p = p * p > left ? left : p + 2;
        m = left / p;
        for (k = 0; k < m; k++) {
            const float *w1 = w + 2 * (k * s * step), *w2 = w + 4 * (k * s * step), *w3 = w + 6 * (k * s * step);
            const float *a = from + s * k;
            float *b = to + s * p * k;
            if (p == 4) {
                const float c1 = w1[0], s1 = sign * w1[1], c2 = w2[0], s2 = sign * w2[1], c3 = w3[0], s3 = sign * w3[1];
                for (q = 0; q < s; q++) {
                    const float *u = a + q, *v = a + q + n;
                    const float er = u[0] + u[2 * s * m], ei = v[0] + v[2 * s * m];
                    const float dr = u[0] - u[2 * s * m], di = v[0] - v[2 * s * m];
                    const float fr = u[s * m] + u[3 * s * m], fi = v[s * m] + v[3 * s * m];
                    const float gr = sign * (v[s * m] - v[3 * s * m]), gi = sign * (u[3 * s * m] - u[s * m]);
                    b[q] = er + fr;
                    b[q + n] = ei + fi;
                    b[q + s] = (dr + gr) * c1 - (di + gi) * s1;
                    b[q + s + n] = (dr + gr) * s1 + (di + gi) * c1;
                    b[q + 2 * s] = (er - fr) * c2 - (ei - fi) * s2;
                    b[q + 2 * s + n] = (er - fr) * s2 + (ei - fi) * c2;
                    b[q + 3 * s] = (dr - gr) * c3 - (di - gi) * s3;
                    b[q + 3 * s + n] = (dr - gr) * s3 + (di - gi) * c3;
                }
                continue;
            }
            for (r = 0; r < p; r++) {
                const float c = w[2 * (r * k * s * step)], d = sign * w[2 * (r * k * s * step) + 1];
                for (q = 0; q < s; q++) {
                    float re = 0.0f, im = 0.0f;
                    for (j = 0; j < p; j++) {
                        const float *t = w + 2 * ((r * j % p) * (n / p) * step);
                        const float ur = a[q + s * m * j], ui = a[q + s * m * j + n];
                        re += ur * t[0] - ui * (sign * t[1]);
                        im += ui * t[0] + ur * (sign * t[1]);
                    }
                    b[q + s * r] = re * c - im * d;
                    b[q + s * r + n] = re * d + im * c;
                }
            }
        }
        { float *swap = from; from = to; to = swap; }
        s *= p;
        left = m;
    }
    if (from != x) for (k = 0; k < 2 * n; k++) x[k] = from[k];
}""",
    "dg_rfft": """\
/* Of n real numbers in x; real and imaginary parts come to 3 n and 4 n. Two halves of an even length are one complex row. */
static void dg_rfft(int n, const float *w, float *x) {
    const int m = n / 2;
    float *z = x + n, *re = x + 3 * n, *im = x + 4 * n;
    int k;
    if (n % 2) {
        for (k = 0; k < n; k++) { z[k] = x[k]; z[k + n] = 0.0f; }
        dg_fft(n, 1.0f, w, 1, z, x + 3 * n);
        for (k = 0; k <= m; k++) { re[k] = z[k]; im[k] = z[k + n]; }
        return;
    }
    for (k = 0; k < m; k++) { z[k] = x[2 * k]; z[k + m] = x[2 * k + 1]; }
    dg_fft(m, 1.0f, w, 2, z, x + 2 * n);
    for (k = 0; k <= m; k++) {
        const int a = k % m, b = (m - k) % m;
        const float c = k < m ? w[2 * k] : -1.0f, d = k < m ? w[2 * k + 1] : 0.0f;
        const float or_ = 0.5f * (z[a + m] + z[b + m]), oi = 0.5f * (z[b] - z[a]);
        re[k] = 0.5f * (z[a] + z[b]) + c * or_ - d * oi;
        im[k] = 0.5f * (z[a + m] - z[b + m]) + c * oi + d * or_;
    }
}""",
    "dg_irfft": """\
/* The way back. The imaginary parts at 0 and, of an even length, at its half, are not looked at. */
static void dg_irfft(int n, const float *w, float *x) {
    const int m = n / 2;
    float *z = x + n, *re = x + 3 * n, *im = x + 4 * n;
    int k;
    im[0] = 0.0f;
    if (n % 2) {
        for (k = 0; k < n; k++) {
            z[k] = k <= m ? re[k] : re[n - k];
            z[k + n] = k <= m ? im[k] : -im[n - k];
        }
        dg_fft(n, -1.0f, w, 1, z, x + 3 * n);
        for (k = 0; k < n; k++) x[k] = z[k] / (float)n;
        return;
    }
    im[m] = 0.0f;
    for (k = 0; k < m; k++) {
        const float er = re[k] + re[m - k], ei = im[k] - im[m - k], dr = re[k] - re[m - k], di = im[k] + im[m - k];
        const float c = w[2 * k], d = -w[2 * k + 1];
        z[k] = er - (c * di + d * dr);
        z[k + m] = ei + (c * dr - d * di);
    }
    dg_fft(m, -1.0f, w, 2, z, x + 2 * n);
    for (k = 0; k < m; k++) { x[2 * k] = z[k] / (float)n; x[2 * k + 1] = z[k + m] / (float)n; }
}""",
}
