"""Cones with their rays and tight rows, cut by one plane at a time.

A cone is a slot of `Cones`: unit rays, for each a bound of its error and the bit set of the
rows that are tight on it, and the list of its rows (at most MAX_ROWS, one bit each; a row
that is no facet any more gives its bit back).  Two rays span a two-dimensional face when
no third ray is tight on all rows that both are tight on, which holds however many planes
meet in a ray (K. Fukuda and A. Prodon 1996); a cut looks at those pairs only.

Rows are shared by all cones: a[row] is a normal, norm[row] its length, turn[row] the
angle by which rounding may have turned it.  A cone holds row r as 2 r, and as 2 r + 1
where it lies on the negative side.

Rounding.  A ray is meant to be the line where its tight planes meet.  The bound of its
error is that of a linear system, the inverse of the triangular factor of d - 1
tight normals times their values at the computed ray.  It does not depend on how the ray was
made, so nothing accumulates from cut to cut.  Normals are double-double, rays plain doubles
until one is closer to a plane than its error allows to tell: then it is computed
anew in double-double, once, and what is still closer than the errors
counts as lying on the plane.  So planes that meet in one ray for a reason leave no slivers, and
those that nearly coincide are told apart down to gaps of 1e-14 and less.  What a wrong
verdict and a turned plane may put on the wrong side is bounded by `doubt`.  Verdicts of which
some are in doubt can contradict each other; then rays in doubt go to the side of their
neighbours, and where what is cut is still no cone, all of it counts as in doubt (TORN).

A new coordinate makes the cone C the cylinder C x R, which holds a line.  It is never
stored: the first plane that is not parallel to the line splits it into two pointed cones, and
`lift` makes these from C.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from numba import carray, float64, int64, uint64

from conevol.kernels._jit import (
    call_entry,
    cold_kernel,
    entry,
    inline_kernel,
    kernel,
    lowest_bit,
    never_inline,
    popcount,
    tally,
)
from conevol.kernels.doubledouble import DD_EPS, dd_div, dd_fma, dd_fms, dd_mul, dd_sqrt
from conevol.kernels.general import OK as FRACTION_OK
from conevol.kernels.general import lattice_fraction

INSIDE, OUTSIDE, CROSSES = 0, 1, 2
OK, RAYS_FULL, ROWS_FULL, TORN = 0, 1, 2, 3
MAX_ROWS = 64
U = 2.0**-53
FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
ONE, NONE = np.uint64(1), np.uint64(0)
# Bytes and estimated seconds that the face lattice of one cell may take.
MAX_BYTES, MAX_SECONDS = 5e8, 60.0
# Relative bound to which a leaf's fraction is worth a second axis.
RTOL = 1e-11
# Slack of a cone, relative to its clearance, up to which its incidence is trusted.
THIN = 1e-14
# Unit normals whose residual after the others is smaller than this count as dependent.
DEPENDENT = 1e-25
# A narrower cap than of this cosine is not looked for, nor for longer than so many steps.
WIDE, AXIS_STEPS = 0.3, 20

#   ray and its low part (slots, rays, n), error (slots, rays), fine (slots, rays): rays of a
#   cone, their errors, and whether they are double-double; tight (slots, rays): their rows
#   row (slots, 64), used (slots,): its rows, and the bits that are taken
#   size (slots, 2): numbers of rays and of dimensions
#   slack (slots,): largest angle within which a ray was taken to lie on a plane
#   a and its low part (rows, n), norm, turn (rows,): the normals
#   side, value (rays,): where the rays lie to a plane, from `locate`
#   q and its low part, l (64, n), pick (64,), bad, old (n,): scratch of `ray_error` and `refine`
#   section (rays, n), sets, face (64,), next (64,): scratch of `cover` and `enclose`
#   fraction: address of `_fraction`
#   spent (1,): operations so far, counted as `conevol.estimators.Estimate` has it
Cones = namedtuple(
    "Cones",
    "ray ray_lo error fine tight row used size slack a a_lo norm turn side value "
    "q q_lo l pick bad old section sets face next fraction spent",
)


def new_cones(n, slots, rays, rows):
    """Room for a number of cones; slot 0 is the cone {0} in no dimensions (plain Python)."""
    return Cones(
        np.zeros((slots, rays, n)),
        np.zeros((slots, rays, n)),
        np.zeros((slots, rays)),
        np.zeros((slots, rays), np.bool_),
        np.zeros((slots, rays), np.uint64),
        np.zeros((slots, MAX_ROWS), np.int64),
        np.zeros(slots, np.uint64),
        np.zeros((slots, 2), np.int64),
        np.zeros(slots),
        np.zeros((rows, n)),
        np.zeros((rows, n)),
        np.zeros(rows),
        np.zeros(rows),
        np.zeros(rays, np.int64),
        np.zeros(rays),
        np.zeros((MAX_ROWS, n)),
        np.zeros((MAX_ROWS, n)),
        np.zeros((MAX_ROWS, n)),
        np.zeros(MAX_ROWS, np.int64),
        np.zeros(n),
        np.zeros(n),
        np.zeros((rays, n)),
        np.zeros(MAX_ROWS, np.uint64),
        np.zeros(MAX_ROWS, np.uint64),
        np.zeros(MAX_ROWS, np.int64),
        entry(_fraction, float64, float64, uint64, int64, float64).address,
        np.zeros(1, np.int64),
    )


@inline_kernel
def put_row(c, row, d, error, unit):
    """Finish the normal in a[row] and a_lo[row], known to `error` an entry; its largest entry.

    The entries are rounded on top of that, with relative error `unit`.  The row is scaled by a
    power of two where its length could over- or underflow.
    """
    largest = 0.0
    finite = True
    for l in range(d):
        largest = max(largest, abs(c.a[row, l]))
        finite = finite and abs(c.a[row, l]) < math.inf
    if not finite:
        return math.inf
    c.norm[row] = c.turn[row] = 0.0
    if largest == 0.0:
        return 0.0
    if not 2.0**-100 <= largest <= 2.0**100:
        shift = -math.frexp(largest)[1]
        half = shift // 2
        for l in range(d):
            c.a[row, l] = math.ldexp(math.ldexp(c.a[row, l], half), shift - half)
            c.a_lo[row, l] = math.ldexp(math.ldexp(c.a_lo[row, l], half), shift - half)
    s = 0.0
    for l in range(d):
        s += c.a[row, l] * c.a[row, l]
    tally(c.spent, d + 4)
    c.norm[row] = math.sqrt(s)
    c.turn[row] = min(1.0, 1.001 * (math.sqrt(d) * (error / largest) + unit))
    return largest


@cold_kernel
def ray_error(c, p, i):
    """Bound of the angle between the unit ray i and the line where its tight planes meet.

    A x = 0 with A = L Q and x = v + e:  |Q e| <= |L^-1| |A v|, the absolute values entry by
    entry.  1 when it cannot be told in doubles, or there are more planes than needed.
    """
    never_inline()
    d = c.size[p, 1]
    tight = c.tight[p, i]
    if popcount(tight) != d - 1:
        return 1.0
    total = 0.0
    tally(c.spent, (d - 1) * (4 * d + 6) + (d - 1) * (d - 2) * (2 * d + 1) // 2 + 2)
    for m in range(d - 1):
        row = c.row[p, lowest_bit(tight)] >> 1
        tight &= tight - ONE
        scale = 1.0 / c.norm[row]
        value = 0.0
        for l in range(d):
            value += c.a[row, l] * c.ray[p, i, l]
            c.q[m, l] = c.a[row, l] * scale
        # The rounding of the value and of the factors, which are good to a few u a row.
        bad = abs(value) * scale + (d + 4) * U + c.turn[row]
        for t in range(m):
            s = 0.0
            for l in range(d):
                s += c.q[t, l] * c.q[m, l]
            for l in range(d):
                c.q[m, l] -= s * c.q[t, l]
            bad += abs(s) * c.bad[t]
        s = 0.0
        for l in range(d):
            s += c.q[m, l] * c.q[m, l]
        s = math.sqrt(s)
        if not s > 1e-14:
            return 1.0
        scale = 1.0 / s
        for l in range(d):
            c.q[m, l] *= scale
        c.bad[m] = bad * scale
        total += c.bad[m] * c.bad[m]
    total = math.sqrt(total) + d * U
    return min(1.0, 1.1 * total) if total < 0.05 else 1.0


@inline_kernel
def _load(c, p, i, d):
    """Write the unit normals of the tight rows of ray i to q, their numbers to pick; how many."""
    tight, k = c.tight[p, i], 0
    while tight:
        row = c.row[p, lowest_bit(tight)] >> 1
        tight &= tight - ONE
        c.pick[k] = row
        scale = 1.0 / c.norm[row]
        for l in range(d):
            c.q[k, l], c.q_lo[k, l] = dd_mul(c.a[row, l], c.a_lo[row, l], scale, 0.0)
        k += 1
    return k


@inline_kernel
def _pivot(c, m, k, d):
    """Bring the longest of the rows m, .. of q to place m."""
    best, most = m, -1.0
    for r in range(m, k):
        s = 0.0
        for l in range(d):
            s += c.q[r, l] * c.q[r, l]
        if s > most:
            best, most = r, s
    c.pick[m], c.pick[best] = c.pick[best], c.pick[m]
    for l in range(d):
        c.q[m, l], c.q[best, l] = c.q[best, l], c.q[m, l]
        c.q_lo[m, l], c.q_lo[best, l] = c.q_lo[best, l], c.q_lo[m, l]
        c.l[m, l], c.l[best, l] = c.l[best, l], c.l[m, l]


@inline_kernel
def _take_off(x, x_lo, q, q_lo, d):
    """x -= (q . x) q in double-double; the product."""
    h, e = 0.0, 0.0
    for l in range(d):
        h, e = dd_fma(h, e, q[l], q_lo[l], x[l], x_lo[l])
    for l in range(d):
        x[l], x_lo[l] = dd_fms(x[l], x_lo[l], h, e, q[l], q_lo[l])
    return h


@inline_kernel
def _scale(x, x_lo, d):
    """x / |x| in double-double; the length."""
    h, e = 0.0, 0.0
    for l in range(d):
        h, e = dd_fma(h, e, x[l], x_lo[l], x[l], x_lo[l])
    h, e = dd_sqrt(h, e)
    if h > 0.0:
        for l in range(d):
            x[l], x_lo[l] = dd_div(x[l], x_lo[l], h, e)
    return h


@inline_kernel
def height(c, p, i, row):
    """Product of ray i and a row, to a few DD_EPS of the row's length."""
    h, e = 0.0, 0.0
    for l in range(c.size[p, 1]):
        h, e = dd_fma(
            h, e, c.a[row, l], c.a_lo[row, l], c.ray[p, i, l], c.ray_lo[p, i, l]
        )  # fmt: skip
    return h


@cold_kernel
def refine(c, p, i):
    """Compute ray i in double-double from its tight planes, once, if that makes it better."""
    never_inline()
    if c.fine[p, i]:
        return
    d = c.size[p, 1]
    c.fine[p, i] = True
    for l in range(d):
        c.old[l] = c.ray[p, i, l]
    error = _meet(c, p, i)
    if error < c.error[p, i]:
        c.error[p, i] = error
    else:
        for l in range(d):
            c.ray[p, i, l], c.ray_lo[p, i, l] = c.old[l], 0.0


@inline_kernel
def _meet(c, p, i):
    """Move ray i to where its tight planes meet, in double-double; its error as in `ray_error`.

    Gram-Schmidt takes what is in the span of the normals, the best conditioned first, off
    the ray.
    """
    d = c.size[p, 1]
    k = _load(c, p, i, d)
    tally(c.spent, k * (4 * d + 1))
    if k < d - 1:
        return 1.0
    x, x_lo = c.ray[p, i], c.ray_lo[p, i]
    for m in range(d - 1):
        _pivot(c, m, k, d)
        tally(c.spent, (k - m) * 9 * d + 9 * d + 7)
        c.l[m, m] = _scale(c.q[m], c.q_lo[m], d)
        if not c.l[m, m] > DEPENDENT:
            return 1.0
        for r in range(m + 1, k):
            c.l[r, m] = _take_off(c.q[r], c.q_lo[r], c.q[m], c.q_lo[m], d)
        _take_off(x, x_lo, c.q[m], c.q_lo[m], d)
    tally(c.spent, (d - 1) * (4 * d + 3) + (d - 1) * (d - 2) // 2 + 9 * d + 9)
    if not _scale(x, x_lo, d) > 0.5:
        return 1.0
    total = 0.0
    for m in range(d - 1):
        row = c.pick[m]
        s = abs(height(c, p, i, row)) / c.norm[row] + 16 * d * DD_EPS + c.turn[row]
        for t in range(m):
            s += abs(c.l[m, t]) * c.bad[t]
        c.bad[m] = s / c.l[m, m]
        total += c.bad[m] * c.bad[m]
    total = math.sqrt(total) + d * DD_EPS
    return 1.1 * total if total < 0.05 else 1.0


@cold_kernel
def locate(c, p, row):
    """Where the cone in slot p lies to a row's plane, and the largest angle of a ray on it.

    Returns INSIDE, OUTSIDE or CROSSES; touching is not crossing.  Fills side and value.
    """
    never_inline()
    n, d = c.size[p, 0], c.size[p, 1]
    positive = negative = refined = 0
    near = 0.0
    scale = c.norm[row]
    base = c.turn[row] + (d + 3) * U
    for i in range(n):
        s = 0.0
        for l in range(d):
            s += c.a[row, l] * c.ray[p, i, l]
        angle = c.error[p, i] + base
        if abs(s) <= scale * angle:
            refine(c, p, i)
            refined += 1
            s = height(c, p, i, row)
            angle = c.error[p, i] + c.turn[row] + 16 * d * DD_EPS
        c.value[i] = s
        if s > scale * angle:
            c.side[i] = 1
            positive += 1
        elif s < -scale * angle:
            c.side[i] = -1
            negative += 1
        else:
            c.side[i] = 0
            near = max(near, angle)
    tally(c.spent, n * (d + 3) - positive + refined * 4 * d)
    place = INSIDE
    if negative:
        place = CROSSES if positive else OUTSIDE
    return place, near


@inline_kernel
def _farthest(c, p, d):
    """The ray with the smallest product with the axis in c.bad, and that product."""
    far, least = 0, math.inf
    for i in range(c.size[p, 0]):
        s = 0.0
        for l in range(d):
            s += c.bad[l] * c.ray[p, i, l]
        if s < least:
            far, least = i, s
    return far, least


@inline_kernel
def length(c, d):
    """Length of the axis in c.bad."""
    s = 0.0
    for l in range(d):
        s += c.bad[l] * c.bad[l]
    return math.sqrt(s)


@cold_kernel
def opening(c, p):
    """Cosine of the radius of a cap that holds the cone, 0 if its rays do not lie in a half-space.

    Its axis is the mean of the rays, and while the cap is wide is moved towards the ray
    farthest away, to the point of the segment nearest to 0 (E. G. Gilbert 1966).  The mean of
    the unit normals, which is in the dual cone, is tried where that does not help.
    """
    never_inline()
    n, d = c.size[p, 0], c.size[p, 1]
    if n < 2:
        return float(n)
    for l in range(d):
        s = 0.0
        for i in range(n):
            s += c.ray[p, i, l]
        c.bad[l] = s / n
    tally(c.spent, d)
    best = 0.0
    for _ in range(AXIS_STEPS):
        norm = length(c, d)
        far, least = _farthest(c, p, d)
        tally(c.spent, n * d + d + 2)
        if least > best * norm:
            tally(c.spent, 1)
            best = least / norm
        if best > WIDE or not norm > 0.0:
            break
        # |(1 - s) x + s v|^2 with |v| = 1 is least at this s.
        s = min(1.0, (norm * norm - least) / (norm * norm - 2.0 * least + 1.0))
        tally(c.spent, d + 4)
        for l in range(d):
            c.bad[l] += s * (c.ray[p, far, l] - c.bad[l])
    if best <= WIDE:
        for l in range(d):
            c.bad[l] = 0.0
        left = c.used[p]
        tally(c.spent, popcount(left) * (d + 1) + n * d + d + 3)
        while left:
            code = c.row[p, lowest_bit(left)]
            left &= left - ONE
            scale = (-1.0 if code & 1 else 1.0) / c.norm[code >> 1]
            for l in range(d):
                c.bad[l] += scale * c.a[code >> 1, l]
        _, least = _farthest(c, p, d)
        norm = length(c, d)
        if least > best * norm:
            best = least / norm
    return min(1.0, best)


@inline_kernel
def slab(width, cosine, d):
    """Bound of the fraction of |a . x| <= width |x| in a cap of that cosine, |a| = 1.

    Of the sphere the slab takes less than width * 2 Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2))
    <= width sqrt(2 d / pi), and of every slice of it the cap at most
    sin(radius)^(d-2) / 2 if the radius is at most pi / 2.
    """
    share = 1.0
    if cosine > 0.0:
        share = 0.5 * max(0.0, 1.0 - cosine * cosine) ** (0.5 * max(0, d - 2))
    return min(1.0, width * math.sqrt(2.0 * d / math.pi) * share)


@cold_kernel
def share(c, p):
    """Bound of the fraction of a cone: that of a cap, or of a wedge of two of its half-spaces.

    The cap has sin(radius)^(d-1) / 2 at most, the wedge of unit normals m and n
    asin(|m + n| / 2) / pi <= |m + n| / 4.
    """
    never_inline()
    cosine = opening(c, p)
    d = c.size[p, 1]
    facets = popcount(c.used[p])
    tally(c.spent, 3 + facets * (facets - 1) // 2 * (3 * d + 4))
    least = 1.0
    if cosine > 0.0:
        least = 0.5 * (1.0 - cosine * cosine) ** (0.5 * (d - 1))
    left = c.used[p]
    while left:
        one = c.row[p, lowest_bit(left)]
        left &= left - ONE
        rest = left
        while rest:
            other = c.row[p, lowest_bit(rest)]
            rest &= rest - ONE
            x = (-1.0 if one & 1 else 1.0) / c.norm[one >> 1]
            y = (-1.0 if other & 1 else 1.0) / c.norm[other >> 1]
            s = 0.0
            for l in range(d):
                s += (x * c.a[one >> 1, l] + y * c.a[other >> 1, l]) ** 2
            turns = c.turn[one >> 1] + c.turn[other >> 1]
            least = min(least, 0.25 * (math.sqrt(s) + 8 * U + turns))
    return least


@inline_kernel
def lift_doubt(c, p, row):
    """`doubt` of the plane that splits p x R first: it may be turned.

    For Gaussian (y, s) the plane is s = -g . y / w, and what it sweeps when turned has
    |s + g . y / w| <= turn |(y, s)| |a| / |w|, where |(y, s)| is about |y| |a| / |w| at most.
    """
    t = c.size[p, 1]
    tally(c.spent, 7)
    steep = c.norm[row] / abs(c.a[row, t])
    swept = 2.0 * math.sqrt(2.0 * t / math.pi) * c.turn[row] * steep * steep * share(c, p)
    return min(swept, slab(c.turn[row], 0.0, t + 1))


@cold_kernel
def doubt(c, p, turn, near):
    """Bound of the fraction of cone p that rounding may put on the wrong side of a plane.

    The plane is turned by `turn` at most, and rays within the angle `near` of it were put on
    it.  A point of the cone is a sum of rays with weights of at most 1 / cosine.  No more
    than the cone is misplaced.
    """
    never_inline()
    if turn + near == 0.0:
        return 0.0
    cosine = opening(c, p)
    tally(c.spent, 5 if cosine > 0.0 else 2)
    width = turn
    if near > 0.0:
        width += near / cosine if cosine > near else 1.0
    bound = slab(min(1.0, width), cosine, c.size[p, 1])
    return bound if bound < U else min(bound, share(c, p))


@inline_kernel
def _copy_ray(c, p, i, q, m, bits):
    """Ray m of cone q = ray i of cone p, tight on more rows."""
    for l in range(c.size[p, 1]):
        c.ray[q, m, l], c.ray_lo[q, m, l] = c.ray[p, i, l], c.ray_lo[p, i, l]
    c.error[q, m], c.fine[q, m] = c.error[p, i], c.fine[p, i]
    c.tight[q, m] = c.tight[p, i] | bits


@inline_kernel
def _begin(c, p, q, row, sign, d):
    """Cone q takes the rows of cone p and the row cut; the bit of that one, 0 if none is free."""
    if c.used[p] == FULL:
        return NONE
    free = lowest_bit(~c.used[p])
    left = c.used[p]
    while left:
        b = lowest_bit(left)
        left &= left - ONE
        c.row[q, b] = c.row[p, b]
    c.row[q, free] = 2 * row + (1 if sign < 0 else 0)
    bit = ONE << np.uint64(free)
    c.used[q] = c.used[p] | bit
    c.size[q, 0], c.size[q, 1] = 0, d
    return bit


@inline_kernel
def _finish(c, q, m, slack):
    """Set the number of rays and give back the bits of rows that are tight on too few of them."""
    c.size[q, 0], c.slack[q] = m, slack
    d = c.size[q, 1]
    left, gone = c.used[q], NONE
    while left:
        bit = left & (~left + ONE)
        left &= left - ONE
        n = 0
        for i in range(m):
            if c.tight[q, i] & bit:
                n += 1
        if n < d - 1:
            gone |= bit
    if gone:
        c.used[q] &= ~gone
        for i in range(m):
            c.tight[q, i] &= ~gone


@inline_kernel
def _adjacent(c, p, i, j):
    """Whether rays i and j span a two-dimensional face: no third is tight on all that both are."""
    shared = c.tight[p, i] & c.tight[p, j]
    if popcount(shared) < c.size[p, 1] - 2:
        return False
    for k in range(c.size[p, 0]):
        if c.tight[p, k] & shared == shared and k != i and k != j:
            return False
    return True


@inline_kernel
def _join(c, p, i, j, q, m, tight):
    """Ray m of cone q: where the plane cuts the face of rays i and j, on different sides of it.

    It lies between the two, so they bound its error where its planes do not.
    """
    d = c.size[p, 1]
    x, y = abs(c.value[i]), abs(c.value[j])
    s = apart = 0.0
    for l in range(d):
        c.ray[q, m, l] = x * c.ray[p, j, l] + y * c.ray[p, i, l]
        c.ray_lo[q, m, l] = 0.0
        s += c.ray[q, m, l] * c.ray[q, m, l]
        apart += (c.ray[p, i, l] - c.ray[p, j, l]) ** 2
    scale = 1.0 / math.sqrt(s)
    for l in range(d):
        c.ray[q, m, l] *= scale
    tally(c.spent, 5 * d + 4)
    c.tight[q, m], c.fine[q, m] = tight, False
    apart = 1.1 * math.sqrt(apart) + max(c.error[p, i], c.error[p, j]) + d * U
    # The chord of an angle below 1/2 is shorter by less than a tenth.
    c.error[q, m] = min(ray_error(c, q, m), apart if apart < 0.5 else 1.0)


@cold_kernel
def _settle(c, p):
    """Put rays that count as lying on a plane on a side of it, where they contradict others.

    A plane that crosses a cone has neighbours of every ray on it on both sides; were all on
    one, so were the cone.  Where planes nearly coincide, rays in doubt and rays that are not can
    say otherwise.
    """
    never_inline()
    n = c.size[p, 0]
    changed = True
    while changed:
        changed = False
        for i in range(n):
            if c.side[i] != 0:
                continue
            above = below = False
            for j in range(n):
                if c.side[j] == 0 or (above if c.side[j] > 0 else below):
                    continue
                if _adjacent(c, p, i, j):
                    above = above or c.side[j] > 0
                    below = below or c.side[j] < 0
            if above != below:
                c.side[i] = 1 if above else -1
                changed = True


@cold_kernel
def _is_whole(c, p):
    """Whether every ray spans two-dimensional faces with as many others as it must: d - 1."""
    never_inline()
    n, d = c.size[p, 0], c.size[p, 1]
    for i in range(n):
        found = 0
        for j in range(n):
            if j != i and _adjacent(c, p, i, j):
                found += 1
                if found == d - 1:
                    break
        if found < d - 1:
            return False
    return True


@cold_kernel
def clip(c, p, q, r, row, sign, near):
    """Cone q = the part of cone p on one side of a plane that crosses it, after `locate`.

    With r >= 0, cone r is the other part.  Returns a status: TORN where rays were in doubt of the
    plane (near > 0) and what is cut is no cone.
    """
    never_inline()
    n, d = c.size[p, 0], c.size[p, 1]
    capacity = c.ray.shape[1]
    bit = _begin(c, p, q, row, sign, d)
    if bit == NONE:
        return ROWS_FULL
    if near > 0.0:
        _settle(c, p)
    if r >= 0:
        _begin(c, p, r, row, -sign, d)
    m = m_rest = 0
    for i in range(n):
        s = c.side[i] * sign
        if s >= 0:
            _copy_ray(c, p, i, q, m, bit if s == 0 else NONE)
            m += 1
        if s <= 0 and r >= 0:
            _copy_ray(c, p, i, r, m_rest, bit if s == 0 else NONE)
            m_rest += 1
    for i in range(n):
        if c.side[i] <= 0:
            continue
        for j in range(n):
            if c.side[j] >= 0:
                continue
            if not _adjacent(c, p, i, j):
                continue
            if m == capacity or m_rest == capacity:
                return RAYS_FULL
            _join(c, p, i, j, q, m, c.tight[p, i] & c.tight[p, j] | bit)
            if r >= 0:
                _copy_ray(c, q, m, r, m_rest, NONE)
                m_rest += 1
            m += 1
    _finish(c, q, m, max(c.slack[p], near))
    if r >= 0:
        _finish(c, r, m_rest, max(c.slack[p], near))
    if near > 0.0 and not (_is_whole(c, q) and (r < 0 or _is_whole(c, r))):
        return TORN
    return OK


@cold_kernel
def lift(c, p, q, row, sign):
    """Cone q = the part of p x R on one side of a plane that is not parallel to the line.

    Its rays are those of p moved along the line into the plane, and one end of the line.
    """
    never_inline()
    t = c.size[p, 1]
    n = c.size[p, 0]
    bit = _begin(c, p, q, row, sign, t + 1)
    if bit == NONE:
        return ROWS_FULL
    if n + 1 > c.ray.shape[1]:
        return RAYS_FULL
    w = c.a[row, t]
    tally(c.spent, n * (6 * t + 6))
    for i in range(n):
        g = height(c, p, i, row)
        s = math.hypot(g, w)
        base = c.turn[row] + 16 * t * DD_EPS
        if (c.error[p, i] + base) * c.norm[row] > 1e-3 * s:
            tally(c.spent, 4 * t + 1)
            refine(c, p, i)
            g = height(c, p, i, row)
            s = math.hypot(g, w)
        known = (c.error[p, i] + base) * c.norm[row] <= 1e-3 * s
        for l in range(t):
            c.ray[q, i, l] = abs(w) * c.ray[p, i, l] / s
            c.ray_lo[q, i, l] = 0.0
        c.ray[q, i, t] = -g / s if w > 0.0 else g / s
        c.ray_lo[q, i, t] = 0.0
        c.tight[q, i], c.fine[q, i] = c.tight[p, i] | bit, not known
        # Unknown, it may even point the other way along its line, which its planes do not tell.
        c.error[q, i] = ray_error(c, q, i) if known else 1.0
    for l in range(t):
        c.ray[q, n, l] = c.ray_lo[q, n, l] = 0.0
    c.ray[q, n, t], c.ray_lo[q, n, t] = (sign if w > 0.0 else -sign), 0.0
    c.tight[q, n] = c.used[p]
    c.error[q, n], c.fine[q, n] = 0.0, True
    c.size[q, 0], c.slack[q] = n + 1, c.slack[p]
    return OK


@kernel
def normals_of(c, p):
    """The inward normals of a cone's rows and their low parts, in the order of their bits."""
    d = c.size[p, 1]
    normals = np.empty((2, popcount(c.used[p]), d))
    left, k = c.used[p], 0
    while left:
        code = c.row[p, lowest_bit(left)]
        left &= left - ONE
        sign = -1.0 if code & 1 else 1.0
        for l in range(d):
            normals[0, k, l] = sign * c.a[code >> 1, l]
            normals[1, k, l] = sign * c.a_lo[code >> 1, l]
        k += 1
    return normals


@kernel
def ray_sets(c, p):
    """Ray sets (rows, words) of a cone's rows, in the order of `normals_of`."""
    n, k = c.size[p, 0], popcount(c.used[p])
    sets = np.zeros((k, (n + 63) >> 6), np.uint64)
    left = c.used[p]
    for m in range(k):
        bit = left & (~left + ONE)
        left &= left - ONE
        for i in range(n):
            if c.tight[p, i] & bit:
                sets[m, i >> 6] |= ONE << np.uint64(i & 63)
    return sets


@cold_kernel
def clearance(c, p):
    """The least distance of a cone's rays from the planes of its rows that they are not on."""
    never_inline()
    left, least = c.used[p], 1.0
    tally(c.spent, popcount(left) * (c.size[p, 0] * c.size[p, 1] + 1))
    while left:
        bit = left & (~left + ONE)
        row = c.row[p, lowest_bit(left)] >> 1
        left &= left - ONE
        nearest = math.inf
        for i in range(c.size[p, 0]):
            if c.tight[p, i] & bit:
                continue
            s = 0.0
            for l in range(c.size[p, 1]):
                s += c.a[row, l] * c.ray[p, i, l]
            nearest = min(nearest, abs(s))
        least = min(least, nearest / c.norm[row])
    return least


def _fraction(normals, rays, sets, size, out):
    """`lattice_fraction` of k normals, hi and lo; out = status, value, bound, operations."""
    k, n, d, words = size[0], size[1], size[2], size[3]
    a = carray(normals, (2, k, d))
    spent = np.zeros(1, np.int64)
    status, value, bound, _, _, _, _ = lattice_fraction(
        a[0],
        a[1],
        carray(rays, (n, d)),
        carray(sets, (k, words)),
        MAX_BYTES,
        MAX_SECONDS,
        RTOL,
        spent,
    )
    out[0], out[1], out[2], out[3] = status, value, bound, spent[0]


@kernel
def cone_fraction(c, p):
    """Fraction of the cone in slot p, a bound of its error, and whether it is sound.

    Where it is not, `conevol.engine` must do it from the normals.
    """
    n, d = c.size[p, 0], c.size[p, 1]
    if d < 2:
        return (0.5 if d else 1.0), 0.0, True
    normals, sets = normals_of(c, p), ray_sets(c, p)
    rays = c.ray[p, :n, :d].copy()
    k = normals.shape[1]
    size, out = np.array([k, n, d, sets.shape[1]]), np.zeros(4)
    call_entry(c.fraction, (normals, rays, sets, size, out))
    value, bound = out[1], out[2]
    tally(c.spent, 2 * k * d + 3 + int(out[3]))
    sound = out[0] == FRACTION_OK and bound <= max(1e-8 * value, 1e-14)
    sound = sound and n >= d and k >= d and value <= share(c, p) + bound
    if c.slack[p] > 0.0:
        # Rays that count as lying on a plane do so only within the slack.  Incidence within a
        # tolerance is that of a cone only while nothing else is nearly as close.
        clear = clearance(c, p)
        sound = sound and c.slack[p] <= THIN * clear
        bound += k * doubt(c, p, 0.0, c.slack[p]) + k * n * value * c.slack[p] / max(clear, 1e-300)
    return value, bound, sound
