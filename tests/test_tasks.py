"""Tasks: labels by sorting, fans of cones that cover space once, and what is refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conevol
from conevol.errors import TaskError
from conevol.tasks import TASKS, get_task, ranking_task

ANY = ranking_task("first of the two largest", lambda order: min(order[:2]), shortest=2)
RANK_FROM_TOP = {"argmax": 0, "second_argmax": 1, "argmedian": None}


def lengths(name):
    return [n for n in range(1, 8) if n % 2 or name != "argmedian" if n > 1 or name == "argmax"]


def by_sorting(name, x):
    order = sorted(range(len(x)), key=lambda i: -x[i])
    rank = RANK_FROM_TOP[name]
    return order[len(x) // 2 if rank is None else rank]


@pytest.mark.parametrize("name", sorted(RANK_FROM_TOP))
def test_labels_by_sorting(name):
    rng = np.random.default_rng(0)
    for n in lengths(name):
        x = rng.standard_normal((200, n))
        assert TASKS[name](x).tolist() == [by_sorting(name, row) for row in x]
        assert TASKS[name](x.reshape(20, 10, n)).shape == (20, 10)
        assert int(TASKS[name](x[0])) == by_sorting(name, x[0])
        assert TASKS[name](np.zeros((0, n))).shape == (0,)


def test_built_in_tasks():
    assert sorted(TASKS) == ["argmax", "argmedian", "second_argmax"]
    x = [3.0, 1.0, 2.0]
    assert [int(TASKS[t](x)) for t in sorted(TASKS)] == [0, 2, 2]


def tasks_and_lengths():
    for name, task in TASKS.items():
        yield from ((task, n) for n in lengths(name) if n < 6)
    yield from ((ANY, n) for n in (2, 3, 4))


@pytest.mark.parametrize(
    ("task", "n"), [pytest.param(t, n, id=f"{t.name}-{n}") for t, n in tasks_and_lengths()]
)
def test_a_fan_covers_space_once(task, n):
    """A random input lies in one cone, the one with its label."""
    regions = task.regions(n)
    x = np.random.default_rng(n).standard_normal((500, n))
    inside = np.array([(x @ r.normals.T >= 0).all(axis=1) for r in regions])
    assert (inside.sum(axis=0) == 1).all()
    labels = np.array([r.label for r in regions])
    assert (labels[inside.argmax(axis=0)] == task(x)).all()
    assert len({r.normals.shape for r in regions}) == 1
    if n <= 3:
        total = math.fsum(conevol.fraction(r.normals) for r in regions)
        assert total == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_fans_have_few_cones(n):
    """One for every label and set above it: n, n (n - 1), and n (n - 1 choose n // 2)."""
    assert len(TASKS["argmax"].regions(n)) == n
    assert len(TASKS["second_argmax"].regions(n)) == n * (n - 1)
    assert len(ANY.regions(n)) == math.factorial(n)
    if n % 2:
        assert len(TASKS["argmedian"].regions(n)) == n * math.comb(n - 1, n // 2)


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(4)), st.sampled_from(sorted(TASKS)))
def test_labels_follow_the_inputs(order, name):
    """Permuting the inputs permutes the label."""
    n = 3 if name == "argmedian" else 4
    order = [i for i in order if i < n]
    x = np.random.default_rng(1).standard_normal((50, n))
    assert (np.array(order)[TASKS[name](x[:, order])] == TASKS[name](x)).all()


def test_every_order_of_a_ranking_task():
    for order in itertools.permutations(range(3)):
        x = np.empty(3)
        x[list(order)] = [3.0, 2.0, 1.0]
        assert int(ANY(x)) == min(order[:2])


def test_get_task():
    assert get_task("argmax") is TASKS["argmax"]
    assert get_task(ANY) is ANY


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: get_task("sort"), "unknown task 'sort', expected one of argmax, argmedian"),
        (lambda: TASKS["second_argmax"]([1.0]), "'second_argmax' needs n >= 2, got n = 1"),
        (lambda: TASKS["argmedian"](np.ones((5, 4))), "'argmedian' needs odd n >= 1, got n = 4"),
        (lambda: TASKS["argmedian"].regions(2), "'argmedian' needs odd n >= 1, got n = 2"),
        (lambda: ANY.regions(1), "'first of the two largest' needs n >= 2, got n = 1"),
        (lambda: ANY.regions(10), r"would need 10! cones of inputs, one an order; expected n <= 9"),
        (
            lambda: ranking_task("off", lambda order: -1)([1.0, 2.0]),
            r"'off' gives order \(1, 0\) the label -1, expected 0 \.\. 1",
        ),
    ],
)
def test_wrong_tasks_are_refused(call, message):
    with pytest.raises(TaskError, match=message):
        call()


@pytest.mark.parametrize("n", [3, 4])
def test_a_label_that_is_no_place_is_refused(n):
    from dataclasses import replace

    from conevol import ReluRNN, accuracy
    from conevol.tasks import Region

    def regions(n):
        return [Region(n, region.normals) for region in TASKS["argmax"].regions(n)]

    task = replace(TASKS["argmax"], regions=regions)
    network = ReluRNN([1.0, -1.0], np.eye(2), np.ones((n, 2)))
    with pytest.raises(TaskError, match=rf"the label {n}, expected 0 \.\. {n - 1}"):
        accuracy(network, task=task)
