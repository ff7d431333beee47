"""docs/safety.md says what the code does."""

from pathlib import Path

from robot_mbrl.control.stops import Reason
from robot_mbrl.control.tables import TABLES, table, written

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"


def test_the_tables_of_the_page_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(table(transitions) in page for transitions in TABLES.values())
    assert written(page) == page, "python -m robot_mbrl.control.tables docs/safety.md"


def test_every_reason_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in page and reason is not Reason.LATE] == []
    assert "(`late`)" in page
