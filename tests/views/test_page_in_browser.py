"""The page in a real browser: what it shows are the run's figures, and nothing is asked of another host."""

import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from robot_mbrl.views.board import Board
from robot_mbrl.views.server import PageServer
from tests.views.runs import episode, guard, learner, make_run
from tests.views.test_board import Graph

BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
PATIENCE_S = 150
SECONDS_SHOWN = 8
"""Of the browser's own time, in which the page has asked for everything."""


def words(page: str) -> str:
    """What is to be read on a page, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
def test_a_browser_shows_the_figures_of_the_run(tmp_path: Path) -> None:
    lines = [
        *(episode(251 * k, 10.25 * k, mode="evaluate" if k == 3 else "explore") for k in range(1, 5)),
        *(learner(300 * k, 40 * k, model_loss=3.5 / k, half_steps=0.0) for k in range(1, 4)),
        guard(1000, "stopped: late", "no action <in> time", rate=31, late=2),
    ]
    graph = Graph()
    graph.values = {"source": 2.0, "reward": 0.75}
    folder = make_run(tmp_path / "night", lines, summary={"task": "cartpole"})
    with PageServer(Board(folder, graph), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        log = tmp_path / "net.json"
        shown = subprocess.run(
            [
                *(str(BROWSER), "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"),
                *(f"--virtual-time-budget={1000 * SECONDS_SHOWN}", f"--log-net-log={log}", server.url),
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        ).stdout
        server.shutdown()
    read = words(shown)
    assert "night: cartpole, dreamer-cpu, seed 0" in read
    for figure in ("finished", "newest return 41.0", "updates 120", "2.0 / 6.0 / 9.0 ms", "rate 31", "late 2"):
        assert figure in read
    assert "no action &lt;in&gt; time" in read
    assert "model_loss: 1.167" in read
    assert "always" in read
    assert "driven by random actions, reward 0.75" in read
    assert shown.count("<circle") == 4
    asked = set(re.findall(r'"url":\s*"(https?://[^/"]+)', log.read_text()))
    assert asked == {server.url.rstrip("/")}, "the page asks another host"
