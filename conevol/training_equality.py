"""Train the bundled perceptron of `conevol.analysis.equality`; needs PyTorch (extra ``train``).

python -m conevol.training_equality conevol/analysis/equality.json
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import click
import numpy as np
import torch
from tqdm.auto import tqdm

from conevol.analysis.equality import draw

__all__ = ["train"]

_WIDTHS = (16, 16, 16, 16, 2)


def _batch(count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    x, equal = draw(count, rng)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(equal[:, 0] == equal[:, 1]).long()


def train(seed: int, steps: int, batch: int = 1024, rate: float = 3e-3) -> dict:
    """Weights, biases and the training record of a perceptron of widths 16, 16, 16, 16, 2."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    layers = [torch.nn.Linear(i, o) for i, o in itertools.pairwise(_WIDTHS)]
    hidden = [module for layer in layers[:-1] for module in (layer, torch.nn.ReLU())]
    network = torch.nn.Sequential(*hidden, layers[-1])
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    for step in tqdm(range(steps), unit="step"):
        optimiser.param_groups[0]["lr"] = rate * (1.0 - 0.99 * step / steps)
        x, label = _batch(batch, rng)
        loss = torch.nn.functional.cross_entropy(network(x), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x, label = _batch(100_000, rng)
    return {
        "weights": [layer.weight.tolist() for layer in layers],
        "biases": [layer.bias.tolist() for layer in layers],
        "record": {
            "seed": seed, "steps": steps, "batch": batch, "rate": rate,
            "sampled_accuracy": float((network(x).argmax(1) == label).float().mean()),
        },
    }  # fmt: skip


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", default=10_000, show_default=True)
def main(path: Path, seed: int, steps: int) -> None:
    """Train and write PATH."""
    path.write_text(json.dumps(train(seed, steps)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
