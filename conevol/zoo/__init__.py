"""Networks that come with the library: trained ones, and exact ones written by hand.

Trained networks are named hidden/n and carry the record of their training
(``network.metadata["record"]``); `conevol.training` made them.  Hand-written ones
are named exact-hidden/n and carry the argument why they are right.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from conevol.errors import ConevolError
from conevol.network import ReluRNN

__all__ = ["load", "names"]


@cache
def _files() -> dict[str, str]:
    """File of every model, by its name, in order of n and then of the number of neurons."""
    files = {}
    for entry in resources.files(__name__).joinpath("models").iterdir():
        if entry.name.endswith(".json"):
            files[entry.name.removesuffix(".json").replace("_", "/")] = entry.name

    def order(name: str) -> tuple[int, bool, int]:
        shape = name.rsplit("-", 1)[-1]
        hidden, n = shape.split("/")
        return int(n), "-" in name, int(hidden)

    return dict(sorted(files.items(), key=lambda item: order(item[0])))


def names() -> list[str]:
    """Names of the bundled networks.

    Examples
    --------
    >>> "4/3" in names()
    True
    """
    return list(_files())


def load(name: str) -> ReluRNN:
    """A bundled network by its name, such as "4/3": hidden neurons / sequence length.

    Raises
    ------
    ConevolError
        If there is none of that name; the message lists them.

    Examples
    --------
    >>> load("4/3")
    ReluRNN(hidden=4, n=3, task='second_argmax')
    """
    if name not in _files():
        raise ConevolError(
            f"no bundled network is called {name!r}, expected one of {', '.join(names())}"
        )
    path = resources.files(__name__).joinpath("models").joinpath(_files()[name])
    with resources.as_file(path) as file:
        return ReluRNN.load(file)
