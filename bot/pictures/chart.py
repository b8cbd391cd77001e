"""Draws a month as bars, images a day above and credits a day below, with numbers and no words."""

from collections.abc import Sequence
from pathlib import Path

from bot.pictures.decoder import Decoder

#: pixels; wide enough for 31 days on a phone
WIDTH_PX, HEIGHT_PX = 960, 480
DOTS_PER_INCH = 120
#: the chart has its own background, so that it looks alike on a dark page and on a light one
GROUND, TEXT, LINES = "#2b2d31", "#e3e5e8", "#4a4d55"
IMAGES, CREDITS = "#7289ff", "#43b581"


async def draw_chart(
    images: Sequence[int], credits_spent: Sequence[float], path: Path, decoder: Decoder
) -> None:
    """
    Write a PNG.

    Args:
        images: number on each day, from the month's first on.
        credits_spent: on the same days.
    Raises:
        OSError: the file cannot be written.
    """
    await decoder.run(_draw, list(images), list(credits_spent), path)


def _draw(images: list[int], credits_spent: list[float], path: Path) -> None:
    # Imported here: it takes half a second, and only moderators who look at numbers need it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(
        figsize=(WIDTH_PX / DOTS_PER_INCH, HEIGHT_PX / DOTS_PER_INCH),
        dpi=DOTS_PER_INCH,
        facecolor=GROUND,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    days = list(range(1, len(images) + 1))
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, values, colour in ((above, images, IMAGES), (below, credits_spent, CREDITS)):
        axes.bar(days, values, color=colour, width=0.7)
        axes.set_facecolor(GROUND)
        axes.tick_params(colors=TEXT, length=0)
        axes.grid(axis="y", color=LINES, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        axes.set_ylim(bottom=0, top=max(values, default=0) * 1.1 or 1)
    above.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    below.yaxis.set_major_locator(MaxNLocator(nbins=4))
    below.set_xlim(0.3, len(days) + 0.7)
    below.set_xticks([day for day in days if day == 1 or day % 5 == 0])
    figure.savefig(path, format="png")
