"""A run on paper: one HTML file that holds all it shows, for a paper's appendix or a colleague."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from robot_mbrl import __version__
from robot_mbrl.runs.progress import clock, number
from robot_mbrl.views import figures
from robot_mbrl.views.films import pictures
from robot_mbrl.views.story import RunStory

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE = "report.html"


def render(stories: Sequence[RunStory]) -> str:
    """The report of one run or of several, as HTML that asks no other host for anything.

    Args:
        stories: the runs, at least one; several are compared first, each agent with the interval of its seeds.
    """
    first = stories[0]
    title = f"{first.task}, {first.agent}, seed {first.seed}" if len(stories) == 1 else f"{len(stories)} runs"
    page = _environment().get_template(TEMPLATE)
    return page.render(
        title=title,
        written=f"{datetime.now():%Y-%m-%d %H:%M}",
        version=__version__,
        stories=stories,
        comparison=figures.comparison(stories) if len(stories) > 1 else "",
        figures=figures,
        pictures=pictures,
        number=number,
        clock=clock,
    )


def _environment() -> "Environment":
    # Not at the top: the command line starts without what an extra brings.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
