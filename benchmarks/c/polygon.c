/* The algorithm of conevol/kernels/polygon.py in C: the yardstick of the speed
 * benchmark.  Same filter, same exact signs, same fan of triangles, same error
 * bound, same refinement; written as one would write it in C. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define U 0x1p-53
#define SIGN_FILTER (6 * U)
#define DD_FILTER (32 * U * U)
#define DENOMINATOR_ERROR (26 * U)
#define TERM_ERROR (23 * U)
#define NUMERATOR_ERROR (20 * U)
#define PRODUCT_ERROR (5 * U)
#define REFINE_ABOVE 3e-14
#define ANTIPODAL 0.05
#define MAX_EDGES 66

enum { INSIDE, OUTSIDE, CROSSES, CROSSES_PENCIL };
#define EMPTY (-1)

typedef double vec[3];
typedef struct {
    int m;
    int edge[MAX_EDGES];
    vec vert[MAX_EDGES];
} polygon;

static inline void two_sum(double a, double b, double *s, double *e) {
    double r = a + b, t = r - a;
    *e = (a - (r - t)) + (b - t);
    *s = r;
}
static inline void two_prod(double a, double b, double *p, double *e) {
    *p = a * b;
    *e = fma(a, b, -*p);
}
static inline double det2(double a, double b, double c, double d) {
    double w = b * c, e = fma(-b, c, w);
    return fma(a, d, -w) + e;
}
static inline void cross(const double *a, const double *b, double *v) {
    v[0] = det2(a[1], a[2], b[1], b[2]);
    v[1] = det2(a[2], a[0], b[2], b[0]);
    v[2] = det2(a[0], a[1], b[0], b[1]);
}
static inline double dot(const double *a, const double *b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
static inline double sizes(const double *a, const double *b) {
    return fabs(a[0] * b[0]) + fabs(a[1] * b[1]) + fabs(a[2] * b[2]);
}
static void dd_det2(double a, double b, double c, double d, double *hi, double *lo) {
    double p, pe, q, qe, s, e;
    two_prod(a, d, &p, &pe);
    two_prod(b, c, &q, &qe);
    two_sum(p, -q, &s, &e);
    e += pe - qe;
    *hi = s + e;
    *lo = e - (*hi - s);
}
static void dd_cross(const double *a, const double *b, vec hi, vec lo) {
    for (int l = 0; l < 3; l++) {
        int m = (l + 1) % 3, n = (l + 2) % 3;
        dd_det2(a[m], a[n], b[m], b[n], &hi[l], &lo[l]);
    }
}
static double dd_det3(const double *a, const double *b, const double *c, double *error) {
    vec hi, lo;
    dd_cross(a, b, hi, lo);
    double s = 0, tail = 0, permanent = 0;
    for (int l = 0; l < 3; l++) {
        int m = (l + 1) % 3, n = (l + 2) % 3;
        double p, e, f;
        two_prod(c[l], hi[l], &p, &e);
        two_sum(s, p, &s, &f);
        tail += f + e + c[l] * lo[l];
        permanent += fabs(c[l]) * (fabs(a[m] * b[n]) + fabs(a[n] * b[m]));
    }
    double value = s + tail;
    *error = U * fabs(value) + DD_FILTER * permanent;
    return value;
}
static int exact_det3_sign(const double *a, const double *b, const double *c) {
    double x[24];
    int length = 0;
    for (int l = 0; l < 3; l++)
        for (int swap = 0; swap < 2; swap++) {
            int m = (l + 1) % 3, n = (l + 2) % 3;
            double part[2];
            if (swap == 0) two_prod(a[m], b[n], &part[0], &part[1]);
            else two_prod(-a[n], b[m], &part[0], &part[1]);
            for (int h = 0; h < 2; h++) {
                double term[2];
                two_prod(part[h], c[l], &term[1], &term[0]);
                for (int g = 0; g < 2; g++) {
                    double q = term[g];
                    for (int i = 0; i < length; i++) two_sum(q, x[i], &q, &x[i]);
                    x[length++] = q;
                }
            }
        }
    for (int l = length - 1; l >= 0; l--)
        if (x[l] != 0) return x[l] > 0 ? 1 : -1;
    return 0;
}
static int doubtful_sign(const double *a, const double *b, const double *c) {
    double error, value = dd_det3(a, b, c, &error);
    if (value > error) return 1;
    if (value < -error) return -1;
    return exact_det3_sign(a, b, c);
}
static inline int vertex_sign(const polygon *p, int i, const vec *a, int c) {
    const double *n = a[c], *v = p->vert[i];
    double s = dot(n, v);
    if (fabs(s) > SIGN_FILTER * sizes(n, v)) return s > 0 ? 1 : -1;
    return doubtful_sign(a[p->edge[i]], a[p->edge[i + 1 < p->m ? i + 1 : 0]], n);
}
static int pencil_sign(const double *v, const double *a, const double *b) {
    int l = fabs(v[0]) >= fabs(v[1]) ? (fabs(v[0]) >= fabs(v[2]) ? 0 : 2)
                                     : (fabs(v[1]) >= fabs(v[2]) ? 1 : 2);
    int m = (l + 1) % 3, n = (l + 2) % 3;
    double s = det2(a[m], a[n], b[m], b[n]);
    return s == 0 ? 0 : ((s > 0) == (v[l] > 0) ? 1 : -1);
}
static int locate(const polygon *p, const vec *a, int c, int *sign) {
    if (p->m == 0) return CROSSES;
    if (p->m == 1) {
        vec v;
        cross(a[p->edge[0]], a[c], v);
        if (v[0] != 0 || v[1] != 0 || v[2] != 0) return CROSSES;
        return dot(a[p->edge[0]], a[c]) > 0 ? INSIDE : OUTSIDE;
    }
    if (p->m == 2) {
        int s = vertex_sign(p, 0, a, c);
        sign[0] = s;
        sign[1] = -s;
        if (s) return CROSSES;
        sign[0] = pencil_sign(p->vert[0], a[p->edge[0]], a[c]);
        sign[1] = pencil_sign(p->vert[0], a[c], a[p->edge[1]]);
        if (sign[0] >= 0 && sign[1] >= 0) return INSIDE;
        return sign[0] <= 0 && sign[1] <= 0 ? OUTSIDE : CROSSES_PENCIL;
    }
    int positive = 0, negative = 0;
    for (int i = 0; i < p->m; i++) {
        int s = vertex_sign(p, i, a, c);
        sign[i] = s;
        positive |= s > 0;
        negative |= s < 0;
    }
    return !negative ? INSIDE : positive ? CROSSES : OUTSIDE;
}
static void cut(const polygon *p, polygon *q, const vec *a, int c, const int *sign, int where) {
    if (p->m == 0) {
        q->m = 1;
        q->edge[0] = c;
        return;
    }
    if (p->m == 1 || where == CROSSES_PENCIL) {
        int before = where == CROSSES_PENCIL && sign[0] != 1;
        q->edge[0] = before ? c : p->edge[0];
        q->edge[1] = before ? p->edge[1] : c;
        cross(a[q->edge[0]], a[q->edge[1]], q->vert[0]);
        for (int l = 0; l < 3; l++) q->vert[1][l] = -q->vert[0][l];
        q->m = 2;
        return;
    }
    int m = p->m, i = 0, n = 0;
    if (sign[0] == 1) {
        i = m - 1;
        while (sign[i] == 1) i--;
        i = i + 1 < m ? i + 1 : 0;
    } else
        while (sign[i] != 1) i++;
    while (sign[i] == 1) {
        q->edge[n] = p->edge[i];
        memcpy(q->vert[n], p->vert[i], sizeof(vec));
        n++;
        if (++i == m) i = 0;
    }
    q->edge[n] = p->edge[i];
    q->edge[n + 1] = c;
    cross(a[p->edge[i]], a[c], q->vert[n]);
    cross(a[c], a[q->edge[0]], q->vert[n + 1]);
    q->m = n + 2;
}
static void dd_unit(const double *a, const double *b, vec hi, vec lo) {
    vec vh, vl;
    dd_cross(a, b, vh, vl);
    double s = 0, e = 0;
    for (int l = 0; l < 3; l++) {
        double p, f, g;
        two_prod(vh[l], vh[l], &p, &f);
        two_sum(s, p, &s, &g);
        e += f + g + 2 * vh[l] * vl[l];
    }
    double y0 = 1 / sqrt(s), q, qe, t, te;
    two_prod(y0, y0, &q, &qe);
    two_prod(s, q, &t, &te);
    double y1 = 0.5 * y0 * ((1 - t) - te - (s * qe + e * q));
    for (int l = 0; l < 3; l++) {
        double p, f;
        two_prod(vh[l], y0, &p, &f);
        f += vh[l] * y1 + vl[l] * y0;
        hi[l] = p + f;
        lo[l] = f - (hi[l] - p);
    }
}
static double antipodal_denominator(const vec *a, const int *e, double *error) {
    vec hi[3], lo[3];
    for (int i = 0; i < 3; i++) dd_unit(a[e[2 * i]], a[e[2 * i + 1]], hi[i], lo[i]);
    double shortest = INFINITY, value = 0;
    for (int z = 0; z < 3; z++) {
        int x = (z + 1) % 3, y = (z + 2) % 3;
        double s2 = 0, sz = 0, size = 0;
        for (int l = 0; l < 3; l++) {
            double s, f;
            two_sum(hi[x][l], hi[y][l], &s, &f);
            s += f + (lo[x][l] + lo[y][l]);
            s2 += s * s;
            sz += s * hi[z][l];
            size += fabs(s * hi[z][l]);
        }
        if (s2 < shortest) {
            shortest = s2;
            value = 0.5 * s2 + sz;
            *error = 6 * U * (s2 + size) + 64 * U * U;
        }
    }
    return value;
}
static double half_excess(const polygon *p, const vec *a, int refine, double *error_out) {
    double re = 1, im = 0, error = 0;
    int m = p->m;
    const vec *v = p->vert;
    double n0 = sqrt(dot(v[0], v[0])), n1 = sqrt(dot(v[1], v[1])), d01 = dot(v[0], v[1]);
    for (int i = 1; i < m - 1; i++) {
        int j = i + 1, e = p->edge[j], after = p->edge[j + 1 < m ? j + 1 : 0];
        double n2 = sqrt(dot(v[j], v[j])), d02 = dot(v[0], v[j]), d12 = dot(v[i], v[j]);
        double size = n0 * n1 * n2;
        if (!(size > 0x1p-900 && size < 0x1p900)) {
            *error_out = M_PI;
            return 0;
        }
        double scale = 1 / size;
        double t01 = d01 * n2, t12 = d12 * n0, t02 = d02 * n1;
        double den = 1 + (t01 + t12 + t02) * scale;
        double den_error = DENOMINATOR_ERROR + TERM_ERROR * scale * (fabs(t01) + fabs(t12) + fabs(t02));
        double apex, turn, apex_error, turn_error;
        if (refine) {
            apex = dd_det3(a[p->edge[0]], a[p->edge[1]], a[e], &apex_error);
            turn = dd_det3(a[p->edge[i]], a[e], a[after], &turn_error);
        } else {
            apex = dot(a[e], v[0]);
            apex_error = SIGN_FILTER * sizes(a[e], v[0]);
            turn = dot(a[after], v[i]);
            turn_error = SIGN_FILTER * sizes(a[after], v[i]);
        }
        apex = apex > 0 ? apex : 0;
        turn = turn > 0 ? turn : 0;
        double num = (apex * scale) * turn;
        double num_error = (apex_error * scale) * turn + (apex * scale) * turn_error +
                           (apex_error * scale) * turn_error + NUMERATOR_ERROR * num;
        double r2 = den * den + num * num;
        if (refine && r2 < ANTIPODAL * ANTIPODAL) {
            int rows[6] = {p->edge[0], p->edge[1], p->edge[i], e, e, after};
            den = antipodal_denominator(a, rows, &den_error);
            r2 = den * den + num * num;
        }
        double slack = fabs(den) * num_error + num * den_error;
        if (slack + num_error * num_error + den_error * den_error < 0.25 * r2)
            error += slack > 1e-3 * r2 ? 2 * slack / r2 : 1.01 * slack / r2;
        else
            error += M_PI;
        double t = re * den - im * num;
        im = re * num + im * den;
        re = t;
        n1 = n2;
        d01 = d02;
    }
    double angle = atan2(im, re);
    if (angle < 0) angle = re < 0 ? angle + 2 * M_PI : 0;
    *error_out = error + m * PRODUCT_ERROR * angle;
    return angle;
}
static double lune_angle(const double *a, const double *b, double *error) {
    vec v;
    cross(a, b, v);
    double sine = sqrt(dot(v, v)), cosine = -dot(a, b), cosine_error = 3 * U * sizes(a, b);
    double r2 = sine * sine + cosine * cosine, angle = atan2(sine, cosine);
    *error = sine * (4 * U * fabs(cosine) + cosine_error) / r2 + 3 * U * angle;
    return angle;
}
static double half_excess_by_angles(const polygon *p, const vec *a, double *error) {
    double turned = 0, total = 0, slack;
    for (int i = 0; i < p->m; i++) {
        turned += M_PI - lune_angle(a[p->edge[i]], a[p->edge[i + 1 < p->m ? i + 1 : 0]], &slack);
        total += slack;
    }
    *error = 0.5 * total + (p->m + 2) * 2 * M_PI * U;
    return fmax(0, M_PI - 0.5 * turned);
}
static int scale_rows(vec *a, int k) {
    int kept = 0;
    for (int i = 0; i < k; i++) {
        double largest = fmax(fabs(a[i][0]), fmax(fabs(a[i][1]), fabs(a[i][2])));
        if (largest == 0) continue;
        int shift = 0;
        if (!(largest >= 0x1p-20 && largest <= 0x1p20)) {
            frexp(largest, &shift);
            shift = -shift;
        }
        for (int l = 0; l < 3; l++) a[kept][l] = shift ? ldexp(a[i][l], shift) : a[i][l];
        kept++;
    }
    return kept;
}

/* Fractions of n cones of k <= 64 half-spaces each, with error bounds. */
void fractions(const double *normals, int64_t n, int k, double *values, double *errors) {
    vec a[MAX_EDGES];
    polygon slot[2];
    int sign[MAX_EDGES];
    for (int64_t b = 0; b < n; b++) {
        memcpy(a, normals + b * k * 3, sizeof(vec) * k);
        int kept = scale_rows(a, k), s = 0;
        slot[0].m = 0;
        for (int c = 0; c < kept; c++) {
            int where = locate(&slot[s], a, c, sign);
            if (where == INSIDE) continue;
            if (where == OUTSIDE) {
                slot[s].m = EMPTY;
                break;
            }
            cut(&slot[s], &slot[1 - s], a, c, sign, where);
            s = 1 - s;
        }
        int m = slot[s].m;
        double value = m == EMPTY ? 0 : m == 0 ? 1 : 0.5, error = 0;
        if (m == 2) {
            value = lune_angle(a[slot[s].edge[0]], a[slot[s].edge[1]], &error) / (2 * M_PI);
            error /= 2 * M_PI;
        } else if (m > 2) {
            double angle = half_excess(&slot[s], a, 0, &error);
            if (error > REFINE_ABOVE * angle) {
                double error2, angle2 = half_excess(&slot[s], a, 1, &error2);
                if (error2 < error) angle = angle2, error = error2;
                if (error > REFINE_ABOVE * angle) {
                    double other = half_excess_by_angles(&slot[s], a, &error2);
                    if (error2 < error) {
                        angle = other > error2 ? other : fmin(fmax(angle, 1e-300), error2);
                        error = other > error2 ? error2 : other + error2;
                    }
                }
            }
            value = angle / (2 * M_PI);
            error /= 2 * M_PI;
        }
        values[b] = value;
        errors[b] = error;
    }
}
