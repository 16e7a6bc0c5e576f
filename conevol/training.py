"""Train the bundled networks: bias-free ReLU RNNs on Gaussian sequences.

The recipe is AlgZoo's: AdamW with weight decay 0.001, peak learning rate
0.04 / sqrt(hidden), linear warm-up over 2^14 steps (a quarter of the run when
that is shorter), linear decay to 1 %, batches of 1024 fresh sequences.  All
seeds train side by side as one batched matrix product on the same sequences,
which costs little more than one seed alone and makes their comparison fair.

PyTorch is needed here only (extra ``train``); nothing else imports this module.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from tqdm.auto import tqdm

__all__ = ["Plan", "Run", "train"]

_RANK_FROM_TOP = {
    "second_argmax": lambda n: 1,
    "argmax": lambda n: 0,
    "argmedian": lambda n: n // 2,
}


@dataclass(frozen=True)
class Plan:
    """What to train: shape, task, number of seeds and length of the run."""

    hidden: int
    n: int
    task: str = "second_argmax"
    seeds: int = 5
    steps: int = 2**20
    batch: int = 1024
    weight_decay: float = 1e-3
    first_seed: int = 0

    @property
    def peak_rate(self) -> float:
        """Largest learning rate, after the warm-up."""
        return 0.04 / math.sqrt(self.hidden)

    def rate(self, step: int) -> float:
        """Learning rate of a step: warm-up, then linear decay to 1 %."""
        warmup = min(2**14, self.steps // 4)
        if step < warmup:
            return self.peak_rate * (step + 1) / warmup
        left = (self.steps - step) / (self.steps - warmup)
        return self.peak_rate * (0.01 + 0.99 * left)


@dataclass
class Run:
    """A finished run: weights of every seed, and their accuracy on fresh sequences."""

    plan: Plan
    W_hi: np.ndarray  # (seeds, hidden)
    W_hh: np.ndarray  # (seeds, hidden, hidden)
    W_oh: np.ndarray  # (seeds, n, hidden)
    accuracy: np.ndarray  # (seeds,)
    curve: list[dict[str, Any]]
    seconds: float

    def best(self, positive_inputs: int | None = None) -> int:
        """Index of the most accurate seed.

        With `positive_inputs`, only seeds with just that many positive entries
        in W_hi count (the sign structure of the four-neuron analysis is two).

        Raises
        ------
        ValueError
            If no seed has that many positive input weights.
        """
        accuracy = self.accuracy.copy()
        if positive_inputs is not None:
            accuracy[(self.W_hi > 0).sum(axis=1) != positive_inputs] = -np.inf
        if not np.isfinite(accuracy).any():
            counts = (self.W_hi > 0).sum(axis=1).tolist()
            raise ValueError(
                f"no seed has {positive_inputs} positive input weights (they have {counts}): "
                "train more seeds"
            )
        return int(np.argmax(accuracy))

    def save(self, path: str | Path, seed: int) -> None:
        """Write one seed's network with its training record as JSON."""
        record = {
            **asdict(self.plan),
            "peak_rate": self.plan.peak_rate,
            "sequences": self.plan.steps * self.plan.batch,
            "seed": self.plan.first_seed + seed,
            "sampled_accuracy": float(self.accuracy[seed]),
            "sampled_accuracy_of_all_seeds": [float(a) for a in self.accuracy],
            "seconds": round(self.seconds, 1),
            "torch": torch.__version__,
            "curve": [{"step": c["step"], "loss": c["loss"][seed]} for c in self.curve],
        }
        network = {
            "W_hi": self.W_hi[seed].tolist(),
            "W_hh": self.W_hh[seed].tolist(),
            "W_oh": self.W_oh[seed].tolist(),
            "task": self.plan.task,
            "record": record,
        }
        Path(path).write_text(json.dumps(network, indent=1) + "\n")


def _labels(x: torch.Tensor, task: str) -> torch.Tensor:
    """Labels of sequences x (n, batch)."""
    rank = _RANK_FROM_TOP[task](x.shape[0])
    return x.topk(rank + 1, dim=0).indices[rank]


def _logits(weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Logits (seeds, n, batch) of all seeds on sequences x (n, batch)."""
    w_hi, w_hh, w_oh = weights
    h = torch.relu(w_hi * x[0])
    for x_t in x[1:]:
        h = torch.relu(torch.baddbmm(w_hi * x_t, w_hh, h))
    return torch.bmm(w_oh, h)


def _initial_weights(plan: Plan) -> list[torch.Tensor]:
    """PyTorch's own initialisation, U(-1/sqrt(hidden), 1/sqrt(hidden)), one generator a seed."""
    d, n = plan.hidden, plan.n
    stacks = []
    for seed in range(plan.first_seed, plan.first_seed + plan.seeds):
        generator = torch.Generator().manual_seed(seed)
        shapes = ((d, 1), (d, d), (n, d))
        stacks.append(
            [(2 * torch.rand(*s, generator=generator) - 1) / math.sqrt(d) for s in shapes]
        )
    return [torch.stack(w).requires_grad_() for w in zip(*stacks, strict=True)]


@torch.no_grad()
def _measure(weights: list[torch.Tensor], plan: Plan, batches: int = 2**11) -> np.ndarray:
    """Accuracy of every seed on 2^21 fresh sequences."""
    generator = torch.Generator().manual_seed(2**40 + plan.first_seed)
    right = torch.zeros(plan.seeds, dtype=torch.long)
    for _ in range(batches):
        x = torch.randn(plan.n, plan.batch, generator=generator)
        right += (_logits(weights, x).argmax(dim=1) == _labels(x, plan.task)).sum(dim=1)
    return right.numpy() / (batches * plan.batch)


def train(
    plan: Plan,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    every: int = 2**13,
) -> Run:
    """Train `plan.seeds` networks side by side.

    Parameters
    ----------
    plan : Plan
    checkpoint : path, optional
        Where the state is kept every `every` steps and on Ctrl-C; a run that
        finds its checkpoint goes on from there, to the same result.
    progress : bool
        Show a progress bar with the smallest and the median loss.

    Raises
    ------
    ValueError
        If the checkpoint belongs to another plan.
    """
    weights = _initial_weights(plan)
    optimiser = torch.optim.AdamW(
        weights, lr=plan.rate(0), weight_decay=plan.weight_decay, fused=True
    )
    data = torch.Generator().manual_seed(2**32 + plan.first_seed)
    step, seconds, curve = 0, 0.0, []
    checkpoint = Path(checkpoint) if checkpoint else None
    if checkpoint and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["plan"] != asdict(plan):
            raise ValueError(
                f"{checkpoint} holds another plan: got {state['plan']}, expected {asdict(plan)}; "
                "delete it or name another checkpoint"
            )
        for w, saved in zip(weights, state["weights"], strict=True):
            w.data.copy_(saved)
        optimiser.load_state_dict(state["optimiser"])
        data.set_state(state["data"])
        step, seconds, curve = state["step"], state["seconds"], state["curve"]

    started = time.perf_counter() - seconds
    running = torch.zeros(plan.seeds)

    def keep() -> None:
        if checkpoint:
            temporary = checkpoint.with_suffix(".tmp")
            torch.save(
                {
                    "plan": asdict(plan),
                    "weights": [w.detach() for w in weights],
                    "optimiser": optimiser.state_dict(),
                    "data": data.get_state(),
                    "step": step,
                    "seconds": time.perf_counter() - started,
                    "curve": curve,
                },
                temporary,
            )
            temporary.replace(checkpoint)

    bar = tqdm(total=plan.steps, initial=step, disable=not progress, unit="step", mininterval=5)
    try:
        while step < plan.steps:
            for group in optimiser.param_groups:
                group["lr"] = plan.rate(step)
            x = torch.randn(plan.n, plan.batch, generator=data)
            target = _labels(x, plan.task).expand(plan.seeds, -1)
            losses = functional.cross_entropy(_logits(weights, x), target, reduction="none").mean(
                dim=1
            )
            optimiser.zero_grad(set_to_none=True)
            losses.sum().backward()
            optimiser.step()
            running += losses.detach()
            step += 1
            bar.update()
            if step % every == 0 or step == plan.steps:
                mean = running / (step - (curve[-1]["step"] if curve else 0))
                curve.append({"step": step, "loss": [round(v, 6) for v in mean.tolist()]})
                running.zero_()
                bar.set_postfix(best=f"{mean.min():.4f}", median=f"{mean.median():.4f}")
                keep()
    except KeyboardInterrupt:
        # Steps since the last checkpoint are given up, so that a resumed run
        # repeats them and ends at the same weights and the same curve.
        bar.close()
        raise
    bar.close()
    w_hi, w_hh, w_oh = (w.detach().double().numpy() for w in weights)
    return Run(
        plan=plan,
        W_hi=w_hi[:, :, 0],
        W_hh=w_hh,
        W_oh=w_oh,
        accuracy=_measure(weights, plan),
        curve=curve,
        seconds=time.perf_counter() - started,
    )
