"""Takes the screenshots of docs/watching.md in a headless Chromium, of any run.

    robot-mbrl watch --run RUN --port 8099 &
    python docs/pictures/screenshots.py RUN --page http://127.0.0.1:8099      # while it lives: the page
    python docs/pictures/screenshots.py RUN                                   # once it has ended: the report

The page of a living run has its robot, pictures and prediction on it.
"""

import argparse
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image

from robot_mbrl.cli import main as robot_mbrl

BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
HERE = Path(__file__).parent
PAGE, PHONE, REPORT = (1280, 1500), (400, 860), (1100, 1500)
"""Width and height of the windows, in pixels."""
SECONDS_SHOWN = 8
"""Of the browser's own time, in which the page has asked for everything."""
WARM_S = 20
"""For how long a living run is looked at before: a prediction is drawn every five seconds, for those who look."""
PATIENCE_S = 150
COLOURS = 128
ASKED = ("details.json", "history.json", "picture/prediction", "picture/camera")


def keep_looking(page: str, stop: threading.Event) -> None:
    """Ask as the page does, so that there is something to see once the browser looks."""
    while not stop.wait(0.5):
        for path in ASKED:
            try:
                urllib.request.urlopen(f"{page}/{path}", timeout=5).read()
            except urllib.error.HTTPError:
                # A run without a camera, or before its first picture.
                continue


def shoot(url: str, file: Path, size: tuple[int, int]) -> None:
    """Save what a browser shows, in few colours: there are few on the page."""
    subprocess.run(
        [
            *(str(BROWSER), "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *(f"--virtual-time-budget={1000 * SECONDS_SHOWN}", f"--window-size={size[0]},{size[1]}"),
            *(f"--screenshot={file}", url),
        ],
        check=True,
        timeout=PATIENCE_S,
        stderr=subprocess.DEVNULL,
    )
    Image.open(file).convert("RGB").quantize(COLOURS).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size // 1024} KiB")


def main() -> int:
    """Take those that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--page", help="where robot-mbrl watch serves the run (default: take its report)")
    args = parser.parse_args()
    if BROWSER is None:
        parser.error("there is no Chromium here")
    if args.page is None:
        report = args.run.absolute() / "report.html"
        robot_mbrl(["report", str(args.run), "--out", str(report)])
        shoot(report.as_uri(), HERE / "watching-report.png", REPORT)
        return 0
    page, stop = args.page.rstrip("/"), threading.Event()
    looker = threading.Thread(target=keep_looking, args=(page, stop))
    looker.start()
    stop.wait(WARM_S)
    shoot(page, HERE / "watching-page.png", PAGE)
    shoot(page, HERE / "watching-phone.png", PHONE)
    stop.set()
    looker.join()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
