"""How the gallery's pictures look: set before each example, so that no example need say it."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's colours, which the colour-blind tell apart, in an order that also differs in
# lightness: blue, orange, green, purple, sky blue, vermilion, black.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000"]


def set_style(gallery_conf: dict[str, Any], name: str) -> None:
    """Sphinx-gallery calls it before each example, after Matplotlib's own values are put back."""
    import matplotlib as mpl
    from cycler import cycler

    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "figure.figsize": (7.0, 3.6),  # 700 pixels wide
            "legend.frameon": False,
        }
    )
