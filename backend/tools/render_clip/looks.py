"""What people wear: a colour and pattern for every material region of the body, chosen by a seed."""

from __future__ import annotations

import colorsys
from dataclasses import asdict, dataclass

import numpy as np

PATTERNS = ("plain", "stripes", "check", "heather")
_SKIN = ((0.87, 0.66, 0.54), (0.78, 0.56, 0.43), (0.64, 0.43, 0.31), (0.47, 0.30, 0.21), (0.31, 0.20, 0.14))
_HAIR = ((0.05, 0.04, 0.035), (0.12, 0.07, 0.04), (0.25, 0.15, 0.07), (0.50, 0.34, 0.16), (0.42, 0.41, 0.40))
_TROUSERS = ((0.11, 0.16, 0.28), (0.07, 0.07, 0.08), (0.42, 0.35, 0.25), (0.20, 0.22, 0.19), (0.30, 0.31, 0.34))
_SHOES = ((0.75, 0.74, 0.71), (0.10, 0.09, 0.09), (0.32, 0.18, 0.10), (0.14, 0.20, 0.33))


@dataclass(frozen=True)
class Outfit:
    """Colours are sRGB 0..1."""

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    top: tuple[float, float, float]
    top_second: tuple[float, float, float]
    top_pattern: str
    trousers: tuple[float, float, float]
    shoes: tuple[float, float, float]
    long_sleeves: bool = False
    long_legs: bool = True

    def cloth(self, region: str) -> str | None:
        """What covers a material region of the body: "top", "trousers", "shoes", "hair", or None for bare skin."""
        return {"top": "top", "trousers": "trousers", "shoes": "shoes", "hair": "hair",
                "sleeves": "top" if self.long_sleeves else None,
                "shins": "trousers" if self.long_legs else None}.get(region)

    def plain(self) -> dict:
        return asdict(self)


def outfit(seed: int) -> Outfit:
    """An outfit by seed: saturated tops, quiet trousers, natural skin and hair."""
    rng = np.random.default_rng(10_000 + seed)

    def pick(table):
        return tuple(table[int(rng.integers(len(table)))])

    hue = float(rng.uniform())
    top = colorsys.hsv_to_rgb(hue, float(rng.uniform(0.45, 0.8)), float(rng.uniform(0.45, 0.8)))
    second = colorsys.hsv_to_rgb((hue + float(rng.choice([0.08, 0.5]))) % 1, 0.25, 0.85)
    return Outfit(pick(_SKIN), pick(_HAIR), top, second, str(rng.choice(PATTERNS)), pick(_TROUSERS), pick(_SHOES),
                  bool(rng.uniform() < 0.5), bool(rng.uniform() < 0.75))
