"""Pictures of fronts and of what a study says about them, as PNG, SVG or PDF.

Every function draws one picture and writes it: `plot_x(data, path, ...) -> Path`. Groups get colours that are told
apart with every kind of colour vision, the same in all pictures, in the order in which they are given.
"""

from __future__ import annotations

from morl.pictures.attainment import plot_attainment, plot_attainment_difference
from morl.pictures.curves import Curve, plot_learning_curves
from morl.pictures.fronts import plot_fronts
from morl.pictures.scores import plot_intervals, plot_profiles
from morl.pictures.style import COLOURS, FORMATS, MARKERS

__all__ = [
    "COLOURS",
    "FORMATS",
    "MARKERS",
    "Curve",
    "plot_attainment",
    "plot_attainment_difference",
    "plot_fronts",
    "plot_intervals",
    "plot_learning_curves",
    "plot_profiles",
]
