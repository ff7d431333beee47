"""An update as one CUDA graph learns what the agent's own update learns; where there is no GPU, nothing is captured."""

import pytest
import torch

from benchmarks.gpu.cases import Case, draw, smoke_cases
from robot_mbrl.agents.agent import Capturable
from robot_mbrl.learning.captured import WARM_UP_UPDATES, CapturedUpdate, updating, why_eager
from robot_mbrl.learning.state_tree import split
from robot_mbrl.world_models.batch import Batch

CPU = torch.device("cpu")
each_case = pytest.mark.parametrize("case", smoke_cases(), ids=lambda case: case.name)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def test_where_there_is_no_gpu_the_agent_makes_its_own_updates() -> None:
    agent = smoke_cases()[0].agent(CPU)
    assert why_eager(agent, CPU) == "there are no CUDA graphs on the device cpu"
    assert updating(agent, CPU) == agent.update


def test_an_agent_is_captured_only_if_it_says_that_it_can_be_and_the_settings_allow_it() -> None:
    gpu = torch.device("cuda")
    for case in smoke_cases():
        agent = case.agent(CPU)
        assert isinstance(agent, Capturable) == (not why_eager(agent, gpu))
        assert updating(agent, gpu, capture=False) == agent.update
        if not isinstance(agent, Capturable):
            assert updating(agent, gpu) == agent.update


@each_case
def test_what_a_graph_leaves_out_is_only_what_the_host_counts(case: Case) -> None:
    one, other = case.agent(CPU), case.agent(CPU)
    if not isinstance(other, Capturable):
        pytest.skip("its update cannot be captured")
    with case.learner(CPU) as learner:
        first, batches = draw(learner, CPU), draw(learner, CPU)
        for agent in (one, other):
            agent.update(first)
        one.update(batches)
        before = split(other.state_dict())[0]
        other.compute(batches)
        assert split(other.state_dict())[0] == before
        other.computed()
    (tree, tensors), (other_tree, others) = split(one.state_dict()), split(other.state_dict())
    assert tree == other_tree
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


@each_case
def test_weights_and_moments_stay_where_a_graph_found_them(case: Case) -> None:
    agent = case.agent(CPU)
    if not isinstance(agent, Capturable):
        pytest.skip("its update cannot be captured")
    with case.learner(CPU) as learner:
        agent.update(draw(learner, CPU))
        found = {name: tensor.data_ptr() for name, tensor in split(agent.state_dict())[1].items()}
        agent.update(draw(learner, CPU))
        moved = {name for name, tensor in split(agent.state_dict())[1].items() if tensor.data_ptr() != found[name]}
    # A generator's state is a copy each time it is asked for.
    assert {name for name in moved if "generator" not in name} == set()


def _on(batch: Batch, device: torch.device) -> Batch:
    def moved(part):
        return {name: value.to(device) for name, value in part.items()} if isinstance(part, dict) else part.to(device)

    return Batch(*map(moved, batch))


@needs_gpu
@each_case
def test_captured_updates_learn_what_eager_ones_do(case: Case) -> None:
    gpu = torch.device("cuda")
    eager, graph = case.agent(gpu), case.agent(gpu)
    if not isinstance(graph, Capturable):
        pytest.skip("its update cannot be captured")
    update = CapturedUpdate(graph, gpu).update
    with case.learner(CPU) as learner:
        for _ in range(WARM_UP_UPDATES + 3):
            batches = draw(learner, CPU)
            learned = update(batches)
            expected = eager.update({name: _on(batch, gpu) for name, batch in batches.items()})
            for name, value in expected.metrics.items():
                # After some updates: cuDNN may choose another convolution, which rounds otherwise, within a graph.
                torch.testing.assert_close(learned.metrics[name], value, rtol=1e-2, atol=1e-2)


@needs_gpu
def test_a_batch_of_another_shape_is_refused() -> None:
    gpu = torch.device("cuda")
    agents = [(case, case.agent(gpu)) for case in smoke_cases()]
    case, agent = next((case, agent) for case, agent in agents if isinstance(agent, Capturable))
    assert isinstance(agent, Capturable)
    update = CapturedUpdate(agent, gpu).update
    with case.learner(CPU) as learner:
        batches = draw(learner, CPU)
        update(batches)
        shorter = {name: batch._replace(reward=batch.reward[:, :1]) for name, batch in batches.items()}
        with pytest.raises(ValueError, match="reward has the shape"):
            update(shorter)
