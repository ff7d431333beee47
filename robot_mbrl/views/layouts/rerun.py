"""A blueprint of Rerun's viewer, for the MCAP files of a run: an entity there is called as the topic was."""

import tempfile
from pathlib import Path

from robot_mbrl.errors import ConfigError
from robot_mbrl.views.panels import Overview

APPLICATION = "robot-mbrl"
"""Opens recordings of this application only, and any MCAP file beside it."""


def write_rerun(overview: Overview) -> bytes:
    """The blueprint as Rerun's own library writes it.

    Raises:
        ConfigError: if that is not installed.
    """
    try:
        import rerun.blueprint as rrb
    except ModuleNotFoundError as error:
        raise ConfigError("a blueprint is written by Rerun's own library: pip install rerun-sdk==0.41.0") from error
    plots = [
        rrb.TimeSeriesView(origin="/", contents=[f"{topic}/**"], name=topic)
        for topic in dict.fromkeys(signal.topic for panel in overview.panels for signal in panel.signals)
    ]
    pictures = [rrb.Spatial2DView(origin=topic, name=topic) for topic in (*overview.pictures, overview.prediction)]
    blueprint = rrb.Blueprint(
        rrb.Horizontal(rrb.Vertical(*plots), rrb.Vertical(*pictures, rrb.TextLogView(origin=overview.log))),
        collapse_panels=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layout.rbl"
        blueprint.save(APPLICATION, str(path))
        return path.read_bytes()
