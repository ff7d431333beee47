"""Means of metrics between two reports."""

import torch

from robot_mbrl.learning.metrics import MetricMeans


def test_means_are_of_the_updates_since_the_last_report_that_had_the_metric() -> None:
    means = MetricMeans()
    means.add({"loss": torch.tensor(1.0), "early": torch.tensor(5.0)})
    means.add({"loss": torch.tensor(3.0)})
    assert means.take() == {"loss": 2.0, "early": 5.0}
    assert means.take() == {}
    means.add({"loss": torch.tensor(7.0)})
    assert means.take() == {"loss": 7.0}


def test_what_an_agent_computes_in_place_afterwards_changes_nothing() -> None:
    means, loss = MetricMeans(), torch.tensor(1.0)
    means.add({"loss": loss})
    loss.fill_(100.0)
    assert means.take() == {"loss": 1.0}


def test_a_life_without_reports_takes_no_more_memory_than_one_update() -> None:
    means = MetricMeans()
    for _ in range(1000):
        means.add({"loss": torch.tensor(0.5)})
    kept = [value for value in vars(means).values() if isinstance(value, dict)]
    assert [len(each) for each in kept] == [1, 1]
    assert means.take() == {"loss": 0.5}
