"""The candle store's processor times as one picture: a panel a task, a bar a store, on a logarithmic scale.

In: the runs of ``benchmarks.candle_store``.  Out: a PNG of the largest run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.candle_store import TASKS, median_ms

__all__ = ["draw"]


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """Draw the run with the most candles that has the most stores."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    run = max(runs, key=lambda one: (len(one["stores"]), one["candles"]))
    stores = run["stores"]
    names = list(stores)
    figure, panels = plt.subplots(2, 4, figsize=(16, 7.2), sharey=True, layout="constrained")
    colours = [
        "#c44e52" if name.startswith("kracken") else "#b5b5b5" if name == "limit" else "#4c72b0" for name in names
    ]
    values = {
        **{title: [median_ms(stores[name], task, "cpu") for name in names] for task, title in TASKS.items()},
        "disk": [stores[name]["disk_mb"] for name in names],
    }
    for panel, (title, numbers) in zip(panels.flat, values.items(), strict=True):
        panel.barh([stores[name]["title"] for name in names], numbers, color=colours)
        panel.set_xscale("log")
        panel.set_title(title + (", MB" if title == "disk" else ", ms"), fontsize=11)
        panel.set_xlim(min(numbers) / 2, max(numbers) * 6)
        for at, number in enumerate(numbers):
            panel.text(number * 1.1, at, f"{number:,.0f}" if number >= 20 else f"{number:.1f}", va="center", fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0, 0].invert_yaxis()
    figure.suptitle(
        f"{run['candles']:,} one-minute candles, {run['symbols']} symbols; processor time, shorter is better"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
