"""What is packaged is what is there, and every version is pinned."""

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = dict(
    line.lower().replace("_", "-").split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)


def requirements() -> dict[str, list[str]]:
    """Names required by the core, under "", and by each extra."""
    groups = {"": PROJECT["project"]["dependencies"], **PROJECT["project"]["optional-dependencies"]}
    return {
        group: [re.split(r"[\[<>=; ]", text)[0].lower().replace("_", "-") for text in texts]
        for group, texts in groups.items()
    }


def test_every_package_of_the_source_tree_is_packaged() -> None:
    found = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for top in ("robot_mbrl", "ros_nodes", "sim")
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


def test_every_file_that_a_package_reads_is_packaged() -> None:
    for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items():
        packaged = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
        suffixes = ("xml", "yaml", "urdf", "html", "css", "js")
        there = {path for suffix in suffixes for path in (ROOT / package).rglob(f"*.{suffix}")}
        assert there <= packaged


def test_every_requirement_is_pinned() -> None:
    # An extra may build on another one of this project.
    missing = {name for names in requirements().values() for name in names} - CONSTRAINTS.keys() - {"robot-mbrl"}
    assert not missing


def test_pinned_versions_are_exact_and_found_on_any_index() -> None:
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in CONSTRAINTS.values())


def test_ros_requirements_agree_with_the_constraints() -> None:
    for text in PROJECT["project"]["optional-dependencies"]["ros"]:
        name, _, version = text.partition("==")
        assert CONSTRAINTS[name.partition("[")[0]] == version


def test_neither_robot_nor_core_needs_torch_or_ros() -> None:
    needed = requirements()
    for name in (*needed[""], *needed["robot"]):
        assert not name.startswith(("torch", "ros-"))


def test_colcon_and_pip_agree_on_name_and_version() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    assert package.findtext("name") == PROJECT["project"]["name"].replace("-", "_")
    assert package.findtext("version") == PROJECT["project"]["version"]
    assert (ROOT / "resource" / "robot_mbrl").exists()


def test_every_ros_package_that_is_imported_is_required() -> None:
    sources = [path.read_text() for top in ("ros_nodes", "sim") for path in (ROOT / top).rglob("*.py")]
    imported = {
        name for text in sources for name in re.findall(r"^from (rclpy|\w+_(?:msgs|srvs|interfaces))\b", text, re.M)
    }
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    assert imported <= {element.text for element in package.iter("exec_depend")}
    assert {f"ros-{name}".replace("_", "-") for name in imported} <= set(requirements()["ros"])


def test_learner_and_simulation_bring_what_runs_on_a_robot() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert all("robot-mbrl[robot]" in extras[name] for name in ("learner", "sim"))


def test_the_launch_folder_is_no_package() -> None:
    assert not (ROOT / "launch" / "__init__.py").exists()
