"""One figure to reach, and whether it is reached."""
from dataclasses import dataclass

from .results import Spread
from .settings import ALL

BEST = "each at its best"  # where the two sides of a ratio are taken from the placement that each does best in


@dataclass(frozen=True)
class Target:
    figure: str
    bound: float
    is_least: bool  # the bound is the least that will do; else the most
    unit: str       # behind numbers
    measured: dict  # Spread or number by placement, or for BEST; None = not measured there

    def holds(self, value):
        value = value.median if isinstance(value, Spread) else value
        return value >= self.bound if self.is_least else value <= self.bound


def by_placement(figure):
    return {placement.name: figure(placement.name) for placement in ALL}
