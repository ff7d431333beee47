"""`robot-mbrl predict`: pictures of what a run's world model expects beside what the robot then observed."""

import argparse

from robot_mbrl.commands.options import Subparsers, add_run_folder, file_to_write, read_run, seed_number


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "predict",
        help="draw what a run's world model expects beside what the robot observed",
        description="Takes a sequence from the run's newest checkpoint. The model sees its first observations; the "
        "others it expects from the actions alone. Writes a picture and, of cameras, an animated GIF.",
    )
    add_run_folder(parser)
    parser.add_argument("--seed", type=seed_number, default=0, help="which sequence (default %(default)s)")
    parser.add_argument(
        "--out",
        type=file_to_write,
        metavar="FILE",
        help="the PNG to write (default prediction.png in the run's folder)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the pictures."""
    # Not at the top: the command line must start without torch and Pillow, which are extras.
    from PIL import Image

    from robot_mbrl.learning.learner import Learner
    from robot_mbrl.learning.pictures import draw, film
    from robot_mbrl.learning.prediction import predict

    config, folder = read_run(args.folder)
    prediction = predict(Learner.resume(config, folder.path), args.seed)
    picture = args.out or folder.path / "prediction.png"
    Image.fromarray(draw(prediction)).save(picture, "PNG")
    print(f"picture: {picture}")
    if prediction.images:
        film(prediction, picture.with_suffix(".gif"))
        print(f"film: {picture.with_suffix('.gif')}")
    return 0
