"""The walk on other executors: the same bits, also when a worker dies on the way."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

import conevol
from conevol import accuracy, accuracy_bounds


class Pickling(ThreadPoolExecutor):
    """Sends all work and results through pickle, as other machines would."""

    def submit(self, work, /, *arguments):
        import pickle

        sent = pickle.dumps((work, arguments))

        def run():
            work, arguments = pickle.loads(sent)
            return pickle.dumps(work(*arguments))

        inner, outer = super().submit(run), Future()
        inner.add_done_callback(lambda f: outer.set_result(pickle.loads(f.result())))
        return outer


def test_work_and_results_can_be_pickled():
    net = conevol.zoo.load("6/4")
    with Pickling(2) as pool:
        assert accuracy(net, executor=pool) == accuracy(net)
        sent, here = accuracy_bounds(net, executor=pool), accuracy_bounds(net)
    assert (sent.lower, sent.upper, sent.nodes) == (here.lower, here.upper, here.nodes)


def test_a_dask_worker_that_is_killed_loses_and_doubles_nothing():
    distributed = pytest.importorskip("distributed")
    net, killed = conevol.zoo.load("6/4"), []
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        pids = list(client.run(os.getpid).values())

        def kill(done, total, _):
            if not killed:
                assert done < total
                os.kill(pids[0], signal.SIGKILL)
                killed.append(done)

        result = accuracy(net, executor=client.get_executor(), progress=kill)
        bounds = accuracy_bounds(net, width=0.01, executor=client.get_executor())
    assert killed
    assert result == accuracy(net)
    assert bounds.lower <= result.value <= bounds.upper
