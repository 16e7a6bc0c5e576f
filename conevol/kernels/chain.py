"""P(Y >= 0) of a Gaussian chain: a covariance in which only neighbours are correlated.

Y_i = l_i (Z_i + c_i Z_(i-1)) with independent normal Z (Cholesky), so the probability is
that of Z_i >= -c_i Z_(i-1) for all i, an iterated integral:

    P = G_1(0),   G_k(t) = int_t^oo phi(z) G_(k+1)(-c_(k+1) z) dz,   G_(d+1) = 1.

G_k falls from a constant at t = -oo to 0.  For t >= 0 it is exp(-A_k t^2 / 2) H_k(t), with
A_k = 1 + c^2 A_(k+1) if c = c_(k+1) < 0, else 1, and H_k is smooth in units of A_k^(-1/2), as
is Mills' ratio, which is H_d.  Either side of 0 has its own unit, in which
panels are the same at all levels; the rules of `conevol.kernels.chain_rules` carry H_k, or G_k
for t < 0, over a panel with the Gaussian weight in the rule.  All terms are positive:
relative errors pass from one level to the next as they are, and add up.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels._lanes import (
    LANES,
    absolute,
    add,
    load,
    mul,
    mul_add,
    splat,
    store,
    sub,
    total,
)
from conevol.kernels.chain_rules import SHRINK, TOP
from conevol.kernels.doubledouble import DD_EPS, dd_add, dd_div, dd_mul, dd_sqrt

U = 2.0**-53
DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
OK, NO_CHAIN, DOUBTFUL, NOT_DEFINITE = 0, 1, 2, 3
RIGHT, LEFT = 0, 1
# Roundings of a value on a panel, and of the argument at which the next level reads it.
VALUE_UNITS, ARGUMENT_UNITS = 10.0, 6.0
TAIL_SAFETY = 2.0
# Relative error of a pivot that is none in the probability.
PIVOT_ERROR = 1e-17
# Features down to this size (in the unit of a side) need no geometric panels.
COARSE = 0.95
# Rows of the workspace.
VALUES, AGAIN, FIRST, ONES, SQUARES, WORK_ROWS = 0, 1, 2, 3, 4, 5


@kernel
def couplings(variances, covariances, c):
    """c[k] = c_(k+2) of a chain, by pivots in double-double.

    Returns DOUBTFUL where a pivot is not known to PIVOT_ERROR, and so where the chain is not
    definite.  Requires variances of the size of 1.
    """
    hi, lo, error = variances[0], 0.0, 0.0
    for k in range(covariances.size):
        b, bh, bl = covariances[k], hi, lo
        sh, sl = dd_mul(b, 0.0, b, 0.0)
        sh, sl = dd_div(sh, sl, bh, bl)
        hi, lo = dd_add(variances[k + 1], 0.0, -sh, -sl)
        error = (sh * (error + 20.0 * DD_EPS) + 4.0 * DD_EPS * variances[k + 1]) / hi
        if not (hi > 0.0 and error < PIVOT_ERROR):
            return DOUBTFUL
        bh, bl = dd_mul(bh, bl, hi, lo)
        bh, bl = dd_sqrt(bh, bl)
        c[k] = dd_div(b, 0.0, bh, bl)[0]
    return OK


@kernel
def one_sided(c):
    """The last level of which only the right side is wanted."""
    k = 0
    while k < c.size and c[k] <= 0.0:
        k += 1
    return k


@kernel
def plan(c, scales, shells):
    """Units of the sides of every level, and the shells that their panels need.

    scales (d, 2, 2): the unit u of level k and side s, and q = |c| u / (unit of the next level)
    on the side that it reads.  shells (d, 2): the number of geometric panels, -1 for none.
    Returns the largest number of shells and the largest A_k.
    """
    d = scales.shape[0]
    scales[d - 1, :, 0], scales[d - 1, :, 1] = 1.0, 0.0
    shells[d - 1] = -1
    right_only = one_sided(c)
    fine_right, fine_left, steepness = 1.0, 1.0, 1.0
    most, steepest = -1, 1.0
    for k in range(d - 2, -1, -1):
        # The side from which the next level's falling side is read, and the other.
        falling = RIGHT if c[k] <= 0.0 else LEFT
        steeper = 1.0 + c[k] * c[k] * steepness
        scales[k, falling, 0] = 1.0 / math.sqrt(steeper)
        scales[k, falling, 1] = abs(c[k]) * math.sqrt(steepness / steeper)
        scales[k, 1 - falling, 0] = 1.0
        scales[k, 1 - falling, 1] = abs(c[k]) / scales[k + 1, LEFT, 0]
        fine_falling = min(1.0, fine_right / max(scales[k, falling, 1], 1e-300))
        fine_other = min(1.0, fine_left / max(scales[k, 1 - falling, 1], 1e-300))
        if falling == RIGHT:
            fine_right, fine_left, steepness = fine_falling, fine_other, steeper
        else:
            fine_right, fine_left, steepness = fine_other, fine_falling, 1.0
        # On the left G_k is a constant, G_k(0), and more.
        fine_left = min(fine_left, scales[k, RIGHT, 0] / scales[k, LEFT, 0])
        shells[k, RIGHT] = shells_for(fine_right)
        shells[k, LEFT] = shells_for(fine_left) if k > right_only else -1
        most = max(most, shells[k, RIGHT], shells[k, LEFT])
        steepest = max(steepest, steepness)
    return most, steepest


@inline_kernel
def shells_for(fine):
    """Geometric panels for features down to that size; -1 if the uniform ones will do."""
    if fine >= COARSE:
        return -1
    return math.ceil(math.log(fine / TOP) / math.log(SHRINK))


@inline_kernel
def panels_of(shells, rules):
    """Number of panels of a side with so many shells."""
    return rules.uniform if shells < 0 else rules.uniform - TOP + shells + 1


@inline_kernel
def panel_rule(i, shells, rules):
    """The rule of panel i, from 0 outwards, of a side with so many shells."""
    if shells < 0:
        return i
    if i == 0:
        return rules.uniform + rules.shells + shells
    return rules.uniform + shells - i if i <= shells else i - shells - 1 + TOP


@inline_kernel
def chebyshev(rows, row, x):
    """The series with coefficients rows[row] at the lanes of x: odd and even terms apart."""
    y = mul_add(mul(x, x), splat(2.0), splat(-1.0))
    twice = mul(y, splat(2.0))
    e1, e2 = splat(rows[row, 14]), splat(0.0)
    o1, o2 = splat(rows[row, 15]), splat(0.0)
    for m in range(12, 0, -2):
        e1, e2 = mul_add(twice, e1, sub(splat(rows[row, m]), e2)), e1
        o1, o2 = mul_add(twice, o1, sub(splat(rows[row, m + 1]), o2)), o1
    even = mul_add(y, e1, sub(splat(rows[row, 0]), e2))
    odd = mul_add(sub(twice, splat(1.0)), o1, sub(splat(rows[row, 1]), o2))
    return mul_add(x, odd, even)


@inline_kernel
def error_at(t, row, rule, rules, errors):
    """Relative error of a level's function at t, on the panel of that row and rule.

    What comes from the levels before is known at the panel's ends, and interpolated.
    """
    along = 0.5 + 0.5 * (t - rules.spans[rule, 1]) / rules.spans[rule, 2]
    inherited = errors[row, 0] + along * (errors[row + 1, 0] - errors[row, 0])
    return inherited + errors[row, 1]


@inline_kernel
def read(rule, q, source, at, rules, rows, errors, work):
    """Values of the next level at q times the nodes of a rule, into row VALUES of work.

    source = (shells, first row, value beyond all panels), `at` a panel near the first node.
    Returns the panel of the last node and the mean relative error.
    """
    shells, first, beyond = source
    count = panels_of(shells, rules)
    low = q * rules.nodes[rule, 0]
    r = panel_rule(at, shells, rules)
    while at > 0 and rules.spans[r, 0] > low:
        at -= 1
        r = panel_rule(at, shells, rules)
    done, error = 0, 0.0
    while done < LANES:
        t = q * rules.nodes[rule, done]
        while at < count and rules.spans[r, 1] + rules.spans[r, 2] < t:
            at += 1
            r = panel_rule(min(at, count - 1), shells, rules)
        if at == count:
            for j in range(done, LANES):
                work[VALUES, j] = beyond
            at -= 1
            error += (errors[first + count, 0] + errors[first + at, 1]) * (LANES - done)
            break
        x = sub(mul(splat(q), load(rules.nodes, rule)), splat(rules.spans[r, 1]))
        x = mul(x, splat(1.0 / rules.spans[r, 2]))
        store(work, VALUES if done == 0 else AGAIN, chebyshev(rows, first + at, x))
        if done > 0:
            for j in range(done, LANES):
                work[VALUES, j] = work[AGAIN, j]
        high = rules.spans[r, 1] + rules.spans[r, 2]
        begin = done
        done += 1
        while done < LANES and q * rules.nodes[rule, done] <= high:
            done += 1
        ends = error_at(t, first + at, r, rules, errors)
        ends += error_at(q * rules.nodes[rule, done - 1], first + at, r, rules, errors)
        error += 0.5 * ends * (done - begin)
    return at, error / LANES


@inline_kernel
def settle(rule, rules, coefficients, least, row, rows, work):
    """Store the coefficients of a panel; their own error relative to the least value there."""
    store(rows, row, coefficients)
    sizes = absolute(coefficients)
    size = total(mul(sizes, load(work, ONES)))
    slope = total(mul(sizes, load(work, SQUARES)))
    far = rules.spans[rule, 1] / rules.spans[rule, 2] + 1.0
    last = abs(rows[row, 14]) + abs(rows[row, 15])
    tail = last * min(1.0, last / max(abs(rows[row, 12]) + abs(rows[row, 13]), 1e-300))
    error = U * (VALUE_UNITS * size + ARGUMENT_UNITS * far * slope) + TAIL_SAFETY * tail
    return error / max(least, 1e-290)


@inline_kernel
def integrate(rule, factor, start, matrix, work):
    """start (Lanes) and factor times what the values in work add to a panel's coefficients."""
    values = mul(splat(factor), load(work, VALUES))
    store(work, VALUES, values)
    even, odd = start, splat(0.0)
    for j in range(0, LANES, 2):
        even = mul_add(splat(work[VALUES, j]), load(matrix, LANES * rule + j), even)
        odd = mul_add(splat(work[VALUES, j + 1]), load(matrix, LANES * rule + j + 1), odd)
    return add(odd, even)


@kernel
def right_side(q, factor, shells, source, keep, first, rules, rows, errors, work):
    """H_k for t >= 0, panel by panel from the far end, into rows first, first + 1, ...

    source is as for `read`; of the last level q = 0.  Returns H_k(0) and its relative error;
    without keep that is all.
    """
    count = panels_of(shells, rules)
    top = rules.panel * rules.uniform
    at, value, error = 0, 0.0, 0.0
    for i in range(count - 1, -1, -1):
        rule = panel_rule(i, shells, rules)
        at, read_error = read(rule, q, source, at, rules, rows, errors, work)
        if i == count - 1:
            # Mills' ratio of what lies beyond; nothing of weight does.
            value = factor * DENSITY * work[VALUES, LANES - 1] * top / (top * top + 1.0)
            errors[first + count, 0] = 0.0
        high = value
        mass = factor * total(mul(load(work, VALUES), load(rules.weights, rule)))
        value = rules.spans[rule, 3] * value + mass
        t = rules.spans[rule, 1] + rules.spans[rule, 2]
        read_error += (6.0 + 2.0 * t * t) * U
        error = rules.spans[rule, 3] * error + mass * read_error
        errors[first + i, 0] = error / max(value, 1e-290)
        if keep:
            start = mul(splat(high), load(rules.carried, rule))
            coefficients = integrate(rule, factor, start, rules.right, work)
            own = settle(rule, rules, coefficients, min(high, value), first + i, rows, work)
            # The last panel is for what lies beyond, which does not count.
            errors[first + i, 1] = own if i < count - 1 else 0.0
    return value, error / max(value, 1e-290)


@kernel
def left_side(q, factor, shells, source, value, error, first, rules, rows, errors, work):
    """G_k for t <= 0, as a function of -t, from G_k(0) = value; the value at the far end."""
    at, error = 0, error * value
    count = panels_of(shells, rules)
    for i in range(count):
        rule = panel_rule(i, shells, rules)
        at, read_error = read(rule, q, source, at, rules, rows, errors, work)
        low = value
        errors[first + i, 0] = error / value
        a, b = rules.spans[rule, 0], rules.spans[rule, 1] + rules.spans[rule, 2]
        mass = factor * math.exp(-0.5 * a * a)
        mass *= total(mul(load(work, VALUES), load(rules.weights, rule)))
        read_error += (6.0 + 2.0 * b * b) * U
        value += mass
        error += mass * read_error
        start = mul(splat(low), load(work, FIRST))
        coefficients = integrate(rule, factor, start, rules.left, work)
        own = settle(rule, rules, coefficients, low, first + i, rows, work)
        errors[first + i, 1] = own if i < count - 1 else 0.0
    errors[first + count, 0] = error / value
    return value


@kernel
def chain_integral(c, scales, shells, rules, rows, errors, work):
    """P = value 2^exponent of a chain with couplings c, and its relative error.

    scales and shells as from `plan`; rows (4 panels, 16), errors (4 panels, 2) and work
    (WORK_ROWS, 16) are scratch, where panels = uniform + shells + 2 of the rules.
    """
    d, panels = scales.shape[0], rows.shape[0] // 4
    for j in range(LANES):
        work[FIRST, j], work[ONES, j], work[SQUARES, j] = 0.0, 1.0, float(j * j)
    work[FIRST, 0] = 1.0
    # The level beyond the last is the constant 1, read at 0.
    for side in range(2):
        row = panels * (2 * (d % 2) + side)
        rows[row] = 0.0
        errors[row : row + 2] = 0.0
        rows[row, 0] = 1.0
    right_only = one_sided(c)
    beyond, value, error = 1.0, 1.0, 0.0
    exponent, shift = 0, 0
    for k in range(d - 1, -1, -1):
        first, before = 2 * panels * (k % 2), 2 * panels * ((k + 1) % 2)
        rising = (shells[min(k + 1, d - 1), LEFT], before + panels, beyond)
        falling = (shells[min(k + 1, d - 1), RIGHT], before, 0.0)
        positive = k < d - 1 and c[k] > 0.0
        if k < d - 1 and c[k] == 0.0:
            # Another block begins: the constant is known better than its series.
            rows[before] = 0.0
            rows[before, 0], errors[before, 1] = value, 0.0
        factor = math.ldexp(1.0, -shift)
        exponent += shift
        value, error = right_side(
            scales[k, RIGHT, 1], factor * scales[k, RIGHT, 0], shells[k, RIGHT],
            rising if positive else falling, k > 0, first, rules, rows, errors, work,
        )  # fmt: skip
        shift = math.frexp(value)[1]
        if k > right_only:
            beyond = left_side(
                scales[k, LEFT, 1], factor * scales[k, LEFT, 0], shells[k, LEFT],
                falling if positive else rising, value, error, first + panels,
                rules, rows, errors, work,
            )  # fmt: skip
            shift = (shift + math.frexp(beyond)[1]) // 2
    return value, exponent, error


@kernel
def walk(cov, start, seen, degrees, order, at):
    """Write a vertex's component to order[at:], depth first; where it ends, its largest degree."""
    stack = np.empty(cov.shape[0] + 1, np.int64)
    top, most, stack[0] = 0, 0, start
    seen[start] = True
    while top >= 0:
        i = stack[top]
        top -= 1
        order[at] = i
        at += 1
        most = max(most, degrees[i])
        for j in range(cov.shape[0]):
            if cov[i, j] != 0.0 and not seen[j]:
                seen[j] = True
                top += 1
                stack[top] = j
    return at, most


@kernel
def components(cov, order, ends, paths):
    """Independent blocks of a covariance: order[ends[i - 1]:ends[i]] are the indices of block i.

    Where paths[i] is True the block's graph of non-zero covariances is a path, in the order given.
    Returns the number of blocks and of paths.
    """
    d = cov.shape[0]
    seen, degrees = np.zeros(d, np.bool_), np.zeros(d, np.int64)
    for i in range(d):
        for j in range(d):
            degrees[i] += i != j and cov[i, j] != 0.0
    at, blocks, found = 0, 0, 0
    # From the ends of paths first.
    for most in (1, d):
        for i in range(d):
            if not seen[i] and degrees[i] <= most:
                at, largest = walk(cov, i, seen, degrees, order, at)
                paths[blocks] = degrees[i] <= 1 and largest <= 2
                ends[blocks] = at
                found += paths[blocks]
                blocks += 1
    return blocks, found


@kernel
def read_chains(covs, c, needs, statuses, start, stop):
    """Couplings (N, d - 1) of the covariances start..stop that are disjoint paths.

    In needs (N, 2) what `plan` returns, in statuses (N, 2) OK, NO_CHAIN or DOUBTFUL, and the
    number of blocks.  Several paths follow each other with couplings of 0.
    """
    d = covs.shape[1]
    order, ends = np.empty(d, np.int64), np.empty(d, np.int64)
    paths = np.empty(d, np.bool_)
    variances, covariances = np.empty(d), np.empty(d - 1)
    scales, shells = np.empty((d, 2, 2)), np.empty((d, 2), np.int64)
    for i in range(start, stop):
        blocks, found = components(covs[i], order, ends, paths)
        status = OK if found == blocks else NO_CHAIN
        for k in range(d):
            variances[k] = covs[i, order[k], order[k]]
            if k < d - 1:
                covariances[k] = covs[i, order[k], order[k + 1]]
            if not variances[k] > 0.0:
                status = NO_CHAIN
        if status == OK:
            status = couplings(variances, covariances, c[i])
        if status == OK:
            needs[i, 0], needs[i, 1] = plan(c[i], scales, shells)
        statuses[i, 0], statuses[i, 1] = status, blocks


@kernel
def chain_range(c, chosen, rules, results, start, stop):
    """Results (value, exponent, relative error) of the chains chosen[start:stop], N couplings c."""
    d = c.shape[1] + 1
    panels = rules.uniform + rules.shells + 2
    scales, shells = np.empty((d, 2, 2)), np.empty((d, 2), np.int64)
    rows, errors = np.empty((4 * panels, LANES)), np.empty((4 * panels, 2))
    work = np.empty((WORK_ROWS, LANES))
    for i in chosen[start:stop]:
        plan(c[i], scales, shells)
        value, exponent, error = chain_integral(c[i], scales, shells, rules, rows, errors, work)
        results[i, 0], results[i, 1], results[i, 2] = value, exponent, error
