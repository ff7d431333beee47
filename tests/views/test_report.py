"""The report is one file that shows what there is, asks nobody for anything, and compares several runs."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robot_mbrl.cli import main
from robot_mbrl.runs.folder import RunFolder
from sim.film import Film
from tests.views.runs import episode, guard, learner, make_run

SVG = "data:image/svg+xml;base64,"
WEBP = "data:image/webp;base64,"
WHOLE = [
    *(episode(251 * k, 10.0 * k, mode="evaluate" if k % 5 == 0 else "explore") for k in range(1, 7)),
    *(learner(200 * k, 40 * k, model_loss=3.0 / k, kl=1.0) for k in range(1, 7)),
    guard(500, "stopped: no_action", "no action comes in time", rate=31, no_action=1),
]
SUMMARY = {"evaluation": {"episodes": 10, "solved": 7, "mean_return": 150.5}, "expert_return": 210.0, "wall_s": 75.0}


class Page(HTMLParser):
    """What a browser would fetch for a page, and what it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset", "poster")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(*folders: RunFolder, out: Path | None = None) -> Page:
    where = ["--out", str(out)] if out is not None else []
    assert main(["report", *(str(folder.path) for folder in folders), *where]) == 0
    return Page((out or folders[0].path / "report.html").read_text())


def test_a_report_shows_the_run_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    folder = make_run(tmp_path, WHOLE, summary=SUMMARY)
    (folder.logs / "policy.log").write_text("[ERROR] [1] [cartpole.policy]: <script>alert(1)</script> refused")
    page = report(folder)
    for said in ("solved 7 of 10", "cartpole", "rate 31", "no action comes in time", "train_ratio", "numpy"):
        assert said in page.text
    assert "<script>alert(1)</script> refused" in page.text
    assert "script" not in page.tags
    assert all(address.startswith("data:") for address in page.fetched)
    drawings = [base64.b64decode(a.removeprefix(SVG)).decode() for a in page.fetched if a.startswith(SVG)]
    assert len(drawings) == 3
    for drawing in drawings:
        # A drawing may name the languages that it is written in, and refer to its own parts.
        assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', drawing))
    assert any("model_loss" in drawing for drawing in drawings)


def test_a_run_in_which_nothing_happened_is_reported_with_a_clear_word(tmp_path: Path) -> None:
    page = report(make_run(tmp_path, []))
    assert "nothing was measured" in page.text
    assert "No guard took part" in page.text
    assert page.fetched == []


def test_a_film_is_shown_in_a_form_that_browsers_play(tmp_path: Path) -> None:
    folder = make_run(tmp_path, WHOLE, summary=SUMMARY)
    film = Film(folder.video, 20.0, np.full((48, 64, 3), 10, np.uint8))
    for k in range(1, 40):
        film.add(np.full((48, 64, 3), 10 + 6 * k, np.uint8))
    film.close()
    (shown,) = [address for address in report(folder).fetched if address.startswith(WEBP)]
    with Image.open(io.BytesIO(base64.b64decode(shown.removeprefix(WEBP)))) as animation:
        assert animation.n_frames == 20
        animation.seek(19)
        assert animation.convert("L").getpixel((5, 5)) > 180


def test_a_film_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    folder = make_run(tmp_path, WHOLE, summary=SUMMARY)
    folder.video.write_bytes(b"\0\0\0\x1cftypisom")
    assert not [address for address in report(folder).fetched if address.startswith(WEBP)]


def test_several_runs_are_compared_first(tmp_path: Path) -> None:
    for seed in range(3):
        lines = [episode(251 * k, 10.0 * k + seed) for k in range(1, 7)]
        make_run(tmp_path / "cartpole" / "dreamer-cpu" / f"seed{seed}", lines, seed=seed)
    page = report(RunFolder(tmp_path), out=tmp_path / "all.html")
    assert "3 runs" in page.text
    assert "interquartile mean" in page.text
    assert [seed for seed in range(3) if f"cartpole, dreamer-cpu, seed {seed}" in page.text] == [0, 1, 2]
    assert len(page.fetched) == 4


def test_a_folder_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "no run in it or below it" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "typo")]) == 2
    assert f"{tmp_path / 'typo'}: no such folder" in capsys.readouterr().err
