"""`threads: auto` keeps the number of threads that makes updates the fastest, and notices when that changes."""

import pytest
import torch

from robot_mbrl.learning.threads import MEASURED_EVERY_S, ThreadChoice, candidates, sharing


class Machine:
    """Makes updates that take as long as the present number of threads says, and keeps count."""

    def __init__(self, durations_s: dict[int, float]) -> None:
        self.durations_s = durations_s
        self.used: list[int] = []
        self.spent_s = 0.0
        self.choice = ThreadChoice(sorted(durations_s), self.used.append)

    def update(self, count: int) -> None:
        for _ in range(count):
            duration_s = self.durations_s[self.used[-1]]
            self.spent_s += duration_s
            self.choice.updated(duration_s)


@pytest.mark.parametrize(("cores", "numbers"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_powers_of_two_and_all_cores_are_tried(cores: int, numbers: list[int]) -> None:
    assert candidates(cores) == numbers


@pytest.mark.parametrize("fastest", [1, 2, 4])
def test_the_fastest_is_kept(fastest: int) -> None:
    machine = Machine({number: 1.0 if number == fastest else 1.4 for number in (1, 2, 4)})
    machine.update(40)
    assert machine.used == [1, 2, 4] + ([fastest] if fastest != 4 else [4])
    assert machine.choice.threads == fastest


def test_cores_are_not_taken_from_others_for_next_to_nothing() -> None:
    machine = Machine({1: 1.0, 2: 0.97})
    machine.update(20)
    assert machine.choice.threads == 1


def test_the_update_in_which_threads_start_does_not_count() -> None:
    machine = Machine({1: 1.0, 2: 0.6})
    machine.update(4)
    machine.choice.updated(0.9)  # the first on two threads
    machine.update(3)
    assert machine.choice.threads == 2


def test_a_number_of_threads_that_is_much_slower_is_given_up_after_one_update() -> None:
    machine = Machine({1: 3.4, 2: 9.0})
    machine.update(4)
    before_s = machine.spent_s
    machine.update(1)
    assert machine.used == [1, 2, 1]
    assert machine.spent_s - before_s == pytest.approx(9.0)


def test_it_is_measured_anew_when_another_process_comes_and_again_once_it_has_gone() -> None:
    free, beside_another = {1: 3.4, 2: 1.8}, {1: 3.4, 2: 9.0}
    machine = Machine(free)
    machine.update(20)
    assert machine.choice.threads == 2
    machine.durations_s = beside_another
    machine.update(20)
    assert machine.choice.threads == 1
    machine.durations_s = free
    machine.update(round(MEASURED_EVERY_S / 3.4) + 20)
    assert machine.choice.threads == 2


def test_one_slow_update_changes_nothing() -> None:
    machine = Machine({1: 3.4, 2: 1.8})
    machine.update(20)
    before = list(machine.used)
    machine.choice.updated(60.0)
    machine.update(20)
    assert machine.used == before


def test_measuring_costs_little_of_a_life_beside_another_process() -> None:
    machine = Machine({1: 3.4, 2: 9.0})
    machine.update(1000)
    assert machine.spent_s < 1.03 * 1000 * 3.4


def test_a_number_is_used_as_it_is_and_auto_only_where_the_cpu_learns() -> None:
    before = torch.get_num_threads()
    try:
        assert sharing(2, torch.device("cpu")) is None
        assert torch.get_num_threads() == 2
        assert sharing("auto", torch.device("cuda")) is None
        assert torch.get_num_threads() == 1
        assert isinstance(sharing("auto", torch.device("cpu")), ThreadChoice)
    finally:
        torch.set_num_threads(before)
