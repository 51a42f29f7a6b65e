"""Networks, optimisers and averages of a run: who may move in a turn, and steps that are taken."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ....core.errors import TrainingError, UsageError
from ..config import TrainConfig
from ..schedule import Cosine, Phase, Rate, Schedule
from ..task import JointTask
from .average import WeightAverage
from .checkpoint import Checkpoint, optimiser_from_parts, optimiser_to_parts

__all__ = ["Players"]


class Players:
    """What a task owns, on the device.

    Args:
        task: whose networks move to the device.
        config: settings.
        fabric: launched.
        scaled: the precision scales losses (16-mixed).

    Raises:
        TrainingError: the task's names and parameters contradict each other.
        UsageError: it cannot be trained on several devices, or in this precision.
    """

    def __init__(self, task: JointTask, config: TrainConfig, fabric: Any, *, scaled: bool) -> None:
        self.fabric, self.scaled = fabric, scaled
        self.raw = {name: network.to(fabric.device).train() for name, network in task.networks.items()}
        optimisers = dict(task.optimisers(config))
        self.schedule: Schedule = task.schedule(config)
        self.holders = _holders(self.raw, optimisers)
        _check(self.raw, task.teachers, optimisers, self.schedule)
        if scaled and any("+" in turn for turn in self.schedule.turns):
            raise UsageError(
                "--precision 16-mixed cannot step several optimisers on one loss; use bf16-mixed"
            )
        if fabric.world_size > 1:
            _check_whole(self.raw, optimisers, self.holders)
        default = Cosine(config.warmup, config.final_rate)
        self.rates: dict[str, Rate] = {name: self.schedule.rates.get(name, default) for name in optimisers}
        self.clips = {name: self.schedule.clips.get(name, config.clip) for name in optimisers}
        self.peaks = {n: float(o.defaults.get("lr", o.param_groups[0]["lr"])) for n, o in optimisers.items()}
        self.factors = {
            name: [group["lr"] / self.peaks[name] if self.peaks[name] else 1.0 for group in o.param_groups]
            for name, o in optimisers.items()
        }
        learned = {name for held in self.holders.values() for name in held}
        self.wrapped: dict[str, nn.Module] = {}
        self.direct: dict[str, nn.Module] = {}
        for name, network in self.raw.items():
            if name in learned:
                self.wrapped[name] = fabric.setup_module(network)
            self.direct[name] = _Direct(network, fabric)
        self.teachers = {
            name: _Direct(teacher.to(fabric.device).eval().requires_grad_(False), fabric)
            for name, teacher in task.teachers.items()
        }
        self.hashes = {name: _digest(teacher) for name, teacher in task.teachers.items()}
        self.optimisers = {name: fabric.setup_optimizers(o) for name, o in optimisers.items()}
        decays = task.averages(config)
        self.averages = {
            name: WeightAverage(network, decays.get(name, 0.0) if name in learned else 0.0)
            for name, network in self.raw.items()
        }
        self.updates = dict.fromkeys(optimisers, 0)
        self.learned = dict.fromkeys(self.raw, 0)
        self._now: tuple[str, str] | None = None
        self._only = len(self.schedule.turns) == 1
        self._movable = {
            turn: {p for name in turn.split("+") for g in optimisers[name].param_groups for p in g["params"]}
            for turn in self.schedule.turns
        }

    def networks_in(self, turn: str) -> set[str]:
        """Names of the networks that learn in a turn."""
        return {network for name in turn.split("+") for network in self.holders[name]}

    def column(self, turn: str, name: str) -> str:
        """How a number of a turn is called in the log."""
        return name if self._only else f"{turn}/{name}"

    def begin(self, turn: str, phase: Phase) -> Mapping[str, nn.Module]:
        """Let what learns in the turn move, and nothing else.

        Returns:
            The networks to call.
        """
        learning = self.networks_in(turn)
        if self._now != (turn, phase.resting):
            for name, network in self.raw.items():
                network.train(name in learning or phase.resting == "train")
            if not self._only:
                for parameters in self._movable.values():
                    for parameter in parameters:
                        parameter.requires_grad_(parameter in self._movable[turn])
            self._now = (turn, phase.resting)
        for name in turn.split("+"):
            self.optimisers[name].zero_grad()
        # Several devices exchange gradients of what learns; a network at rest has none and must not wait for them.
        return {n: self.wrapped[n] if n in learning else self.direct[n] for n in self.raw}

    def descend(
        self, turn: str, parts: Sequence[tuple[float, Any]], losses: Callable[[Any], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Add up the gradients of the parts of a batch.

        Args:
            turn: whose.
            parts: share of the batch and its tensors, each.
            losses: of one part.

        Returns:
            Losses of the batch.
        """
        total: dict[str, Tensor] = {}
        learning = [self.wrapped[name] for name in self.networks_in(turn)]
        for index, (share, part) in enumerate(parts):
            with contextlib.ExitStack() as stack:
                if self.fabric.world_size > 1 and index + 1 < len(parts):
                    for network in learning:
                        stack.enter_context(self.fabric.no_backward_sync(network))
                found = losses(part)
                if "loss" not in found:
                    raise TrainingError(f"the losses of the turn {turn!r} need one called 'loss'")
                whole = len(parts) == 1
                self.fabric.backward(found["loss"] if whole else found["loss"] * share)
            if whole:
                return found
            if total and set(found) != set(total):
                raise TrainingError(
                    f"the turn {turn!r} returns other names for a part of a batch than before"
                )
            for name, value in found.items():
                total[name] = total.get(name, 0.0) + value.detach() * share
        return total

    def step(self, turn: str, progress: float) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Clip and take the steps of a turn.

        Returns:
            Norms of the gradients (none where a scaler skips steps whose gradients are infinite) and learning rates.
        """
        norms, rates = {}, {}
        names = turn.split("+")
        for name in names:
            optimiser = self.optimisers[name]
            rate = self.rates[name](self.peaks[name], self.updates[name], progress)
            for group, factor in zip(optimiser.param_groups, self.factors[name]):
                group["lr"] = rate * factor
            rates["learning_rate" if len(self.optimisers) == 1 else f"{name}/learning_rate"] = rate
            if self.clips[name] > 0:
                held = self.wrapped[self.holders[name][0]]
                norm = self.fabric.clip_gradients(
                    held, optimiser, max_norm=self.clips[name], error_if_nonfinite=False
                )
                if not self.scaled:
                    norms["gradient_norm" if len(names) == 1 else f"{name}/gradient_norm"] = norm
            optimiser.step()
            self.updates[name] += 1
        for name in self.networks_in(turn):
            self.learned[name] += 1
            self.averages[name].update(self.learned[name])
        return norms, rates

    @contextlib.contextmanager
    def evaluation(self) -> Any:
        """The averaged networks in evaluation mode."""
        found = {name: average.network for name, average in self.averages.items()}
        for network in found.values():
            network.eval()
        try:
            yield found
        finally:
            self._now = None  # a network without average is in evaluation mode, too

    def parts(self) -> dict[str, Any]:
        """What a checkpoint says of them."""
        split = {name: optimiser_to_parts(o.optimizer) for name, o in self.optimisers.items()}
        return {
            "networks": {name: network.state_dict() for name, network in self.raw.items()},
            "averages": {n: a.network.state_dict() for n, a in self.averages.items() if a.decay > 0},
            "optimisers": {name: tensors for name, (tensors, _) in split.items()},
            "facts": {
                "optimisers": {name: others for name, (_, others) in split.items()},
                "updates": {"optimisers": dict(self.updates), "networks": dict(self.learned)},
                "teachers": self.hashes,
            },
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Inverse of :meth:`parts`.

        Raises:
            RuntimeError, ValueError, KeyError: the checkpoint is of other networks, optimisers or teachers.
        """
        for kind, mine, theirs in (
            ("networks", self.raw, checkpoint.networks),
            ("optimisers", self.optimisers, checkpoint.optimisers),
        ):
            if set(mine) != set(theirs):
                raise ValueError(f"its {kind} are {', '.join(theirs)}, not {', '.join(mine)}")
        told = checkpoint.facts.get("teachers", {})
        for name, digest in self.hashes.items():
            if told.get(name) != digest:
                raise ValueError(
                    f"the teacher {name!r} has other weights than the one with which the run began"
                )
        for name, network in self.raw.items():
            network.load_state_dict(dict(checkpoint.networks[name]))
            if self.averages[name].decay > 0:
                self.averages[name].network.load_state_dict(dict(checkpoint.averaged(name)))
        for name, optimiser in self.optimisers.items():
            optimiser_from_parts(
                optimiser.optimizer, checkpoint.optimisers[name], checkpoint.facts["optimisers"][name]
            )
        updates = checkpoint.facts["updates"]
        self.updates = {name: int(updates["optimisers"][name]) for name in self.optimisers}
        self.learned = {name: int(updates["networks"][name]) for name in self.raw}


class _Direct(nn.Module):
    """A network in the run's precision, without the exchange of gradients between devices."""

    def __init__(self, network: nn.Module, fabric: Any) -> None:
        super().__init__()
        self.network = network
        self._precision = fabric.strategy.precision
        self.training = network.training

    def forward(self, *args: Any, **options: Any) -> Any:
        args, options = self._precision.convert_input((args, options))
        with self._precision.forward_context():
            found = self.network(*args, **options)
        return self._precision.convert_output(found)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)


def _holders(
    networks: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, list[str]]:
    """Optimiser -> names of the networks whose parameters it holds."""
    found: dict[str, list[str]] = {}
    taken: dict[Tensor, str] = {}
    owners = {p: name for name, network in reversed(list(networks.items())) for p in network.parameters()}
    for name, optimiser in optimisers.items():
        held = dict.fromkeys(networks, False)
        for parameter in (p for group in optimiser.param_groups for p in group["params"]):
            if parameter in taken:
                raise TrainingError(
                    f"the optimisers {taken[parameter]!r} and {name!r} hold the same parameter"
                )
            if parameter not in owners:
                raise TrainingError(
                    f"the optimiser {name!r} holds a parameter that is in none of the networks"
                )
            taken[parameter] = name
            held[owners[parameter]] = True
        found[name] = [network for network, yes in held.items() if yes]
    return found


def _check(
    networks: Mapping[str, nn.Module],
    teachers: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    schedule: Schedule,
) -> None:
    for name in (*networks, *teachers, *optimisers):
        if not name.isidentifier():
            raise TrainingError(f"networks and optimisers need names like variables, not {name!r}")
    learned = {p for o in optimisers.values() for group in o.param_groups for p in group["params"]}
    for name, teacher in teachers.items():
        if any(p in learned for p in teacher.parameters()):
            raise TrainingError(f"the teacher {name!r} holds a parameter that an optimiser changes")
    named = {name for turn in schedule.turns for name in turn.split("+")}
    if unknown := sorted({*named, *schedule.rates, *schedule.clips} - set(optimisers)):
        raise TrainingError(
            f"the schedule names {', '.join(unknown)}, but the optimisers are {', '.join(optimisers) or 'none'}"
        )
    if idle := [name for name in optimisers if name not in named]:
        raise TrainingError(f"no phase of the schedule lets the optimiser {', '.join(idle)} step")


def _check_whole(
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    holders: Mapping[str, list[str]],
) -> None:
    """On several devices a network learns as a whole."""
    for name in networks:
        holding = [optimiser for optimiser, held in holders.items() if name in held]
        if len(holding) > 1:
            raise UsageError(
                f"the network {name!r} is split between the optimisers {', '.join(holding)}; on several devices it "
                "needs one optimiser (with groups), or train with --devices 1"
            )


def _digest(network: nn.Module) -> str:
    """SHA-256 of a network's state."""
    found = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
