"""Cones with known fractions, and generators of awkward ones."""

import itertools

import numpy as np


def equicorrelated(d, rho):
    """Rows whose orthant has correlation rho between all pairs."""
    return np.linalg.cholesky(np.full((d, d), rho) + (1.0 - rho) * np.eye(d))


def tridiagonal(d, rho):
    return np.linalg.cholesky(np.eye(d) + rho * (np.eye(d, k=1) + np.eye(d, k=-1)))


def cube(d):
    """Cone over the (d - 1)-cube: one of the 2 d equal cones over the faces of the d-cube."""
    rows = []
    for i in range(1, d):
        for sign in (1.0, -1.0):
            row = np.zeros(d)
            row[0], row[i] = 1.0, sign
            rows.append(row)
    return np.array(rows)


def cross_polytope(d):
    """Cone x_0 >= sum |x_i|: 2^(d-1) facets, every ray on half of them."""
    return np.array([(1.0, *s) for s in itertools.product((1.0, -1.0), repeat=d - 1)])


def chain(d):
    """Order cone x_1 >= x_2 >= ... >= x_d: fraction 1 / d!."""
    return np.eye(d)[:-1] - np.eye(d)[1:]


def between(d):
    """x_1 >= x_i >= x_d for all i: fraction 1 / (d (d - 1)), many facets through a ray."""
    top, bottom, inner = np.eye(d)[0], np.eye(d)[-1], np.eye(d)[1:-1]
    return np.concatenate([top - inner, inner - bottom])


def random_cone(rng, k, d):
    """k random half-spaces that share an interior point."""
    a = rng.normal(size=(k, d))
    return a * np.sign(a @ rng.normal(size=d))[:, None]


def nearly_lineal(rng, k, d, eps):
    """A random cone whose rays lie within about eps of a line, in a random position."""
    a = random_cone(rng, k, d)
    x = rng.normal(size=d)
    a[:, 0] *= eps
    a *= np.where(a @ x == 0.0, 1.0, np.sign(a @ x))[:, None]
    return a @ rotation(rng, d)


def nearly_equal_pair(rng, d, gap):
    """d random unit normals, two of them with correlation 1 - gap."""
    a = rng.normal(size=(d, d))
    a /= np.linalg.norm(a, axis=1)[:, None]
    v = rng.normal(size=d)
    v -= (v @ a[0]) * a[0]
    a[1] = (1.0 - gap) * a[0] + np.sqrt(gap * (2.0 - gap)) * v / np.linalg.norm(v)
    return a


def rotation(rng, d):
    return np.linalg.qr(rng.normal(size=(d, d)))[0]
