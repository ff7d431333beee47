"""Random numbers go on after a resume."""

import torch

from robot_mbrl.agents.random_source import RandomSource

CPU = torch.device("cpu")


def draw(source: RandomSource) -> list[float]:
    return torch.rand(5, generator=source.generator).tolist()


def test_it_goes_on_where_it_was() -> None:
    source, resumed = RandomSource(CPU, seed=1), RandomSource(CPU, seed=2)
    draw(source)
    resumed.load_state_dict(source.state_dict(), updates=7)
    assert draw(source) == draw(resumed)


def test_on_another_kind_of_device_it_begins_a_sequence_that_can_be_repeated() -> None:
    saved = RandomSource(CPU, seed=1).state_dict() | {"device": "cuda"}
    begun: list[list[float]] = []
    for updates in (7, 7, 8):
        source = RandomSource(CPU, seed=1)
        source.load_state_dict(saved, updates)
        begun.append(draw(source))
    assert begun[0] == begun[1] != begun[2]
    assert begun[0] != draw(RandomSource(CPU, seed=1))
