"""Robust losses of a length in spreads, each with the weight that Gauss-Newton gives it."""

from __future__ import annotations

import numpy as np


def soft(s: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Cauchy's loss of a length in spreads and its weight: quadratic below c, barely growing far above it."""
    square = (s / c) ** 2
    return c * c * np.log1p(square), 1 / (1 + square)


def softly(s: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Charbonnier's loss and weight: quadratic below c, linear above. Fast motion is dear but never impossible."""
    root = np.sqrt(1 + (s / c) ** 2)
    return 2 * c * c * (root - 1), 1 / root


def fading(s: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Geman and McClure's loss and weight: quadratic below c, and far above it nothing pulls any more."""
    share = 1 / (1 + (s / c) ** 2)
    return s**2 * share, share**2
