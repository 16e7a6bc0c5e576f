"""What a face lattice costs, and how much of it a computation may spend.

Sizes are counted and times are estimated from counts, so what is refused does not
depend on the machine's load.
"""

from __future__ import annotations

from dataclasses import dataclass

from conevol.errors import FractionError
from conevol.kernels.lattice import FACE_BYTES, PAIR_SECONDS

__all__ = ["DEFAULT", "Budget", "as_budget"]

# Double-double rows of 16 nodes, distances and lists of facets.
REFINED_FACE_BYTES, REFINED_ENTRY_BYTES = 420, 56
# The same on the lattice of subsets in double precision, in seconds on one core of 3 GHz.
SUBSET_FACE_BYTES, SUBSET_ENTRY_BYTES, SUBSET_ENTRY_SECONDS = 350, 12, 2e-7
REFINED_ENTRY_SECONDS = 1e-6
# A test of two rays for adjacency in rational arithmetic, for each other ray.
EXACT_TEST_SECONDS = 5e-8


@dataclass(frozen=True)
class Budget:
    """Memory in bytes and time in seconds of one core that one cone may take, both estimated."""

    memory: float = 2e9
    seconds: float = 60.0

    def subsets_refused(self, d: int) -> str:
        """Why the lattice of the subsets of d rays does not fit; "" if it does."""
        faces, entries = 2.0**d, d * 2.0 ** (d - 1)
        return self.refused(
            f"its 2^{d} faces",
            SUBSET_FACE_BYTES * faces + SUBSET_ENTRY_BYTES * entries,
            SUBSET_ENTRY_SECONDS * entries,
        )

    def any_lattice_refused(self, d: int) -> str:
        """Why no lattice of a pointed cone in d dimensions fits: it has at least 2^d faces."""
        return self.refused(f"its at least 2^{d} faces", FACE_BYTES * 2.0**d, 0.0)

    def refinement_fits(self, faces: int, entries: int) -> bool:
        """Whether the sweep in double-double fits beside what is there already."""
        size = REFINED_FACE_BYTES * faces + REFINED_ENTRY_BYTES * entries
        return size <= self.memory and REFINED_ENTRY_SECONDS * entries <= self.seconds

    def refused(self, what: str, size: float, seconds: float) -> str:
        """Wanted against allowed, or "" if it fits."""
        wanted = []
        if size > self.memory:
            wanted.append(f"about {size:.2g} bytes, {self.memory:.2g} are allowed")
        if seconds > self.seconds:
            wanted.append(f"about {seconds:.2g} s, {self.seconds:.2g} s are allowed")
        return f"{what} take {' and '.join(wanted)}" if wanted else ""

    @property
    def ray_tests(self) -> float:
        """Pairs of rays that may be tested for adjacency, in machine words."""
        return self.seconds / PAIR_SECONDS

    @property
    def exact_ray_tests(self) -> float:
        """Triples of rays that may be tested in rational arithmetic."""
        return self.seconds / EXACT_TEST_SECONDS

    def rays(self, k: int, d: int) -> int:
        """Rays that fit, with room for arrays that grow by doubling."""
        each = 8.0 * (d + 3 + (k + 63) // 64)
        return int(min(self.memory / (3.0 * each), 2.0**31 - 1))


DEFAULT = Budget()


def as_budget(memory: float | None, seconds: float | None) -> Budget:
    """A budget from a user's numbers; None is the default.

    Raises
    ------
    FractionError
        If one is not positive.
    """
    memory = DEFAULT.memory if memory is None else float(memory)
    seconds = DEFAULT.seconds if seconds is None else float(seconds)
    if not memory > 0.0 or not seconds > 0.0:
        raise FractionError(
            f"memory is {memory:g} bytes and seconds is {seconds:g}, expected positive numbers; "
            "math.inf is no limit"
        )
    return Budget(memory, seconds)
