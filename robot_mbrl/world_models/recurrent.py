"""The recurrent state-space model (PlaNet, section 3) as a composition: latent, core, prior, posterior and start.

Shapes: B batch, T time, S latent variables, D deter, E embedding, A action; see docs/tensor_shapes.md.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from robot_mbrl.nets.latent_kinds import Latent
from robot_mbrl.nets.styles import Style
from robot_mbrl.specs import TensorSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.cores import BlockCore, DenseCore, Transition
from robot_mbrl.world_models.state import State

Entrance = Callable[[State, Tensor], tuple[State, Tensor | None]]
"""Of states (B, ...) and (B, 1), 0 where an episode begins: the states to go on from, and where their latents count."""


class Start(Protocol):
    """The state before an episode."""

    def entrance(self, prior: Callable[[Tensor], Tensor], latent: Latent) -> Entrance:
        """What puts states of the beginning in place of those before it."""
        ...


class ZeroStart(nn.Module):
    """All zeros, also where a latent stands for one-hots (Dreamer v1, DreamerV3)."""

    def entrance(self, prior: Callable[[Tensor], Tensor], latent: Latent) -> Entrance:
        """See `Start`."""

        def enter(state: State, known: Tensor) -> tuple[State, Tensor | None]:
            return state._replace(deter=state.deter * known), known

        return enter


class LearnedStart(nn.Module):
    """The tanh of learned weights, and the latent that is likeliest there, without gradient (DayDreamer)."""

    def __init__(self, deter: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(deter))

    def entrance(self, prior: Callable[[Tensor], Tensor], latent: Latent) -> Entrance:
        """See `Start`."""

        def begin(weight: Tensor) -> tuple[Tensor, Tensor]:
            deter = torch.tanh(weight)
            return deter, latent.mode(prior(deter.detach())).detach()

        begun = begin(self.weight.unsqueeze(0))  # (1, D), (1, S)

        def enter(state: State, known: Tensor) -> tuple[State, Tensor | None]:
            deter, likeliest = begun
            if torch.compiler.is_exporting():
                # What depends on weights alone would be computed once, at export, and never follow them again.
                deter, likeliest = begin(self.weight + 0.0 * known)
            known_too = known > 0.5
            # Of a beginning nothing is carried; zeros there keep the gradient from what was before.
            carried = None if state.probs is None else state.probs * known.unsqueeze(-1)
            drawn = torch.where(known_too, state.latent, likeliest)
            return State(torch.where(known_too, state.deter, deter), drawn, carried), None

        return enter


class Posterior(nn.Module):
    """A hidden layer on deter and the embedding of what is observed, and the latent's outputs."""

    def __init__(self, deter: int, embedding: int, hidden: int, outputs: int, style: Style) -> None:
        super().__init__()
        self.sizes = [deter, embedding]
        self.first = style.linear(deter + embedding, hidden, bias=style.bias)
        self.rest = nn.Sequential(style.after(hidden), style.linear(hidden, outputs))

    def split(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """The kernel of deter (H, D), and the images (B, T, H) of embeddings (B, T, E): all that needs no state."""
        of_deter, of_embedding = torch.split(self.first.weight, self.sizes, 1)
        return of_deter, nn.functional.linear(embedding, of_embedding, self.first.bias)

    def step(self, deter: Tensor, kernel: Tensor, image: Tensor) -> Tensor:
        """Outputs (B, n) of deter (B, D), given what `split` made."""
        out: Tensor = self.rest(nn.functional.linear(deter, kernel) + image)
        return out

    def forward(self, deter: Tensor, embedding: Tensor) -> Tensor:
        """Outputs (B, n) of deter (B, D) and embeddings (B, E)."""
        out: Tensor = self.rest(self.first(torch.cat([deter, embedding], -1)))
        return out


class SplitPosterior(nn.Module):
    """The same with a layer for deter and another for the embedding, each with weights of its own, which add up."""

    def __init__(self, of_deter: nn.Linear, of_embedding: nn.Linear, rest: nn.Module) -> None:
        super().__init__()
        self.of_deter, self.of_embedding, self.rest = of_deter, of_embedding, rest

    def split(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """See `Posterior`."""
        return self.of_deter.weight, self.of_embedding(embedding)

    def step(self, deter: Tensor, kernel: Tensor, image: Tensor) -> Tensor:
        """See `Posterior`."""
        out: Tensor = self.rest(nn.functional.linear(deter, kernel, self.of_deter.bias) + image)
        return out

    def forward(self, deter: Tensor, embedding: Tensor) -> Tensor:
        """See `Posterior`."""
        return self.step(deter, *self.split(embedding))


class RecurrentModel(nn.Module):
    """Filters observations into model states, and imagines states from actions alone."""

    def __init__(
        self,
        deter: int,
        latent: Latent,
        core: DenseCore | BlockCore,
        prior: nn.Module,
        posterior: Posterior | SplitPosterior,
        start: ZeroStart | LearnedStart,
    ) -> None:
        """Compose the model.

        Args:
            deter: size of the states' recurrent part.
            latent: kind of their stochastic part.
            core: leads from a state and an action to the next deter.
            prior: deter (..., D) to the latent's outputs, before its observation is seen.
            posterior: likewise, once it is seen.
            start: the state before an episode.
        """
        super().__init__()
        self.deter, self.latent = deter, latent
        self.core, self.prior_network, self.posterior, self.start = core, prior, posterior, start

    def initial(self, batch: int) -> State:
        """States (B, ...) before anything was observed: what is in them does not count, for `is_first` replaces it."""
        weight = next(self.parameters())
        latent = torch.zeros(batch, self.latent.stoch, dtype=self.latent.dtype, device=weight.device)
        return State(
            weight.new_zeros(batch, self.deter), latent.to(weight.dtype) if latent.is_floating_point() else latent
        )

    def remembers(self) -> dict[str, TensorSpec]:
        """States as replay keeps them beside its rows: the bulk of its memory, so half precision must do."""
        return {
            "deter": TensorSpec(shape=(self.deter,), dtype="float16"),
            "latent": TensorSpec(shape=(self.latent.stoch,), dtype="uint8"),
        }

    def remembered(self, batch: Batch) -> State:
        """States before sequences, (B, ...), as they were when the rows before were last learned from."""
        return State(batch.before["deter"].to(batch.reward.dtype), batch.before["latent"].long())

    def prior(self, deter: Tensor) -> Tensor:
        """The latent's statistics (..., S, n) before its observation is seen."""
        return self.latent.statistics(self.prior_network(deter))

    def observe(
        self, embedding: Tensor, prev_action: Tensor, is_first: Tensor, initial: State, noise: Tensor
    ) -> tuple[State, Tensor, Tensor]:
        """Filter sequences.

        Args:
            embedding: (B, T, E).
            prev_action: (B, T, A), the action that led to each observation.
            is_first: (B, T), 1 where the state before does not count.
            initial: states before the sequences, (B, ...).
            noise: (B, T, S), what the latents are drawn with.

        Returns:
            Posterior states (B, T, ...), and the statistics (B, T, S, n) of posterior and prior.
        """
        enter = self.start.entrance(self.prior, self.latent)
        kernel, images = self.posterior.split(embedding)
        transition = self.core.transition()
        images_at, driven_at = images.unbind(1), transition.drive(prev_action).unbind(1)
        known_at, noise_at = (1.0 - is_first).unsqueeze(-1).unbind(1), noise.unbind(1)
        state, deters, latents, all_statistics = initial, [], [], []
        for time in range(embedding.shape[1]):
            before, kept = enter(state, known_at[time])
            deter = transition.advance(before, driven_at[time], kept)
            statistics = self.latent.statistics(self.posterior.step(deter, kernel, images_at[time]))
            state = self._draw(deter, statistics, noise_at[time])
            deters.append(deter)
            latents.append(state.latent)
            all_statistics.append(statistics)
        deter, posterior = torch.stack(deters, 1), torch.stack(all_statistics, 1)
        states = State(deter, torch.stack(latents, 1), self.latent.carried(posterior))
        return states, posterior, self.prior(deter)

    def imagine(self, state: State, action: Tensor, noise: Tensor, transition: Transition | None = None) -> State:
        """One imagined step.

        Args:
            state: states (B, ...).
            action: (B, A).
            noise: (B, S), what the latents are drawn with.
            transition: the core's; whoever makes many steps with the same weights asks it for one.

        Returns:
            States (B, ...), with what they carry.
        """
        transition = transition or self.core
        deter = transition.advance(state, transition.drive(action))
        return self._draw(deter, self.prior(deter), noise)

    def filter(self, state: State, prev_action: Tensor, is_first: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """One observed step, without drawing a latent: the next deter (B, D) and the latent's statistics (B, S, n).

        Args:
            state: states (B, ...).
            prev_action: (B, A).
            is_first: (B,).
            embedding: of what is observed, (B, E).
        """
        before, kept = self.start.entrance(self.prior, self.latent)(state, 1.0 - is_first.unsqueeze(-1))
        deter = self.core.advance(before, self.core.drive(prev_action), kept)
        return deter, self.latent.statistics(self.posterior(deter, embedding))

    def _draw(self, deter: Tensor, statistics: Tensor, noise: Tensor) -> State:
        return State(deter, self.latent.sample(statistics, noise), self.latent.carried(statistics))
