"""Latent states that a replay keeps beside its rows are those of the row, or none."""

import numpy as np

from tests.experience.lived import live, make_replay


class TestLatentStates:
    def values(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "deter": np.repeat(rows[..., None], 3, -1).astype(np.float32),
            "stoch": np.repeat(rows[..., None] % 256, 2, -1).astype(np.uint8),
        }

    def test_a_written_state_is_read_back_for_the_sequence_that_continues_it(self):
        replay = make_replay()
        live(replay, 20)
        rows = np.arange(4, 12).reshape(2, 4)
        replay.write_state(rows, self.values(rows))
        states, known = replay.state_before(np.array([4, 5, 12, 13]))
        assert known.tolist() == [False, True, True, False]
        assert states["deter"].tolist() == [[0] * 3, [4] * 3, [11] * 3, [0] * 3]
        assert states["stoch"].tolist() == [[0] * 2, [4] * 2, [11] * 2, [0] * 2]

    def test_nothing_continues_across_a_cut_or_before_the_first_row(self):
        replay = make_replay()
        live(replay, 5)
        live(replay, 5, start=8)
        rows = np.arange(10)
        replay.write_state(rows, self.values(rows))
        _, known = replay.state_before(np.array([0, 4, 5, 6]))
        assert known.tolist() == [False, True, False, True]

    def test_a_state_for_an_overwritten_row_is_neither_written_nor_read(self):
        replay = make_replay(capacity=8)
        live(replay, 8)
        rows = np.arange(8)
        replay.write_state(rows, self.values(rows))
        live(replay, 3, start=8)  # rows 0, 1, 2 are gone, their slots hold rows 8, 9, 10
        replay.write_state(rows, self.values(rows + 100))
        states, known = replay.state_before(np.array([3, 4, 8, 9, 10]))
        assert known.tolist() == [False, True, True, False, False]
        assert states["deter"][:, 0].tolist() == [0, 103, 107, 0, 0]

    def test_of_a_row_written_twice_at_once_the_last_counts(self):
        replay = make_replay()
        live(replay, 6)
        rows = np.array([[1, 2], [2, 3]])
        values = self.values(rows)
        values["deter"][1, 0] = 50
        replay.write_state(rows, values)
        assert replay.state_before(np.array([3]))[0]["deter"].tolist() == [[50] * 3]
