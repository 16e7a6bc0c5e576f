"""Training, where PyTorch is installed: a resumed run ends where an unbroken one does."""

import numpy as np
import pytest

pytest.importorskip("torch")
training = pytest.importorskip("conevol.training")

PLAN = training.Plan(hidden=3, n=2, seeds=2, steps=48, batch=64)


def test_training_lowers_the_loss():
    run = training.train(PLAN, progress=False, every=16)
    losses = np.array([point["loss"] for point in run.curve])
    assert (losses[-1] < losses[0]).all()
    assert run.accuracy.shape == (2,)


def test_resumed_run_is_the_same(tmp_path, monkeypatch):
    whole = training.train(PLAN, progress=False, every=16)
    checkpoint = tmp_path / "run.ckpt"
    draw, calls = training.torch.randn, []

    def interrupt(*args, **kwargs):
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return draw(*args, **kwargs)

    monkeypatch.setattr(training.torch, "randn", interrupt)
    with pytest.raises(KeyboardInterrupt):
        training.train(PLAN, checkpoint=checkpoint, progress=False, every=16)
    monkeypatch.undo()
    resumed = training.train(PLAN, checkpoint=checkpoint, progress=False, every=16)
    np.testing.assert_array_equal(resumed.W_hh, whole.W_hh)
    assert resumed.curve == whole.curve


def test_checkpoint_of_another_plan_is_refused(tmp_path):
    checkpoint = tmp_path / "run.ckpt"
    training.train(PLAN, checkpoint=checkpoint, progress=False, every=16)
    other = training.Plan(hidden=4, n=2, seeds=2, steps=48, batch=64)
    with pytest.raises(ValueError, match="another plan"):
        training.train(other, checkpoint=checkpoint, progress=False)


def test_best_keeps_to_the_sign_structure():
    run = training.train(PLAN, progress=False)
    run.W_hi[:] = [[1, 1, -1], [1, -1, -1]]
    assert run.best(positive_inputs=1) == 1
    with pytest.raises(ValueError, match="train more seeds"):
        run.best(positive_inputs=3)
