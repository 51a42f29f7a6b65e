"""Graph-convolutional refinement of a face's colours: what was hidden, at the vertices of the face mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.errors import DataError, UsageError
from ....core.mesh_hierarchy import normalised_adjacency
from ....core.srgb import encode_srgb
from ....core.srgb_torch import linear_to_srgb
from ....morphable import load_model
from ....networks.graph import (
    RenderingCritic,
    RenderingCriticConfig,
    SparseMatrix,
    TextureGraphNet,
    TextureGraphNetConfig,
)
from ....networks.registry import load_network
from ....stages.texture.graph import FEATURES, FaceMesh, face_mesh, network_inputs
from ...data.vertex_colours.errors import colour_error
from ...data.vertex_colours.store import ColourSample, ColourStore
from ..engine.initial import start_from
from ..losses.texture_graph import (
    critic_loss,
    critic_score,
    gradient_penalty,
    identity_loss,
    masked_l1,
    roughness,
)
from ..recipe import Batch, JointTask, Recipe, TrainConfig
from ..schedule import Phase, Schedule
from ..task import Update
from ..transforms.vertex_views import VertexViews

__all__ = ["RECIPE", "TextureGraphRecipeConfig", "TextureGraphTask"]

_CHECKED = 80  # held-out samples at most in a validation


@dataclass(frozen=True)
class TextureGraphRecipeConfig(TrainConfig):
    """Settings of the texture graph network's training.

    Args:
        store: folder that `python -m wholeface.lab.data.vertex_colours` made; every fifth photo of it is held out.
        initial: checkpoint of the same network whose weights to start from, or none.
        network: compact, or full for a GPU.
        start: what the network adds to: the completed texture, or, as published, the fitted model's colours.
        vertex: weight of the colours at the vertices.
        seen: weight of vertices that the completion saw, beside 1 for the others.
        pixel: weight of the pixels of renderings.
        identity: weight of the identity term, where there is an embedding.
        embedding: network of faces' identity as `wholeface.networks.load_network` takes it, (N, 3, 160, 160) sRGB in
            [0, 1] -> (N, D), or none.
        adversarial: weight of the critic's score; 0 trains without a critic.
        penalty: weight of the critic's gradient penalty.
        smooth: weight of the roughness of the change.
        gain: standard deviation of a random factor on all colours of a face, per channel, in log units.
        rendering: edge of the renderings in pixels.
    """

    store: Path | None = None
    initial: Path | None = None
    network: Literal["compact", "full"] = "compact"
    start: Literal["completed", "model"] = "completed"
    vertex: float = 1.0
    seen: float = 0.1
    pixel: float = 0.5
    identity: float = 0.2
    embedding: str | None = None
    adversarial: float = 0.001
    penalty: float = 10.0
    smooth: float = 0.3
    gain: float = 0.12
    rendering: int = 96
    steps: int = 6_000
    batch_size: int = 6
    learning_rate: float = 1.5e-3
    warmup: int = 50
    validate_every: int = 250


class TextureGraphTask(JointTask):
    """See :data:`RECIPE`."""

    def __init__(self, config: TextureGraphRecipeConfig) -> None:
        if config.store is None:
            raise UsageError(
                "this recipe needs a store of vertex colours: --set store=FOLDER; make it with "
                "`python -m wholeface.lab.data.vertex_colours FOLDER --data …`"
            )
        self.config = config
        self.store = ColourStore(config.store)
        self.rows, self.held = self.store.rows(held=False), self.store.rows(held=True)
        model = load_model("wholeface")
        self.mesh: FaceMesh = face_mesh(model)
        if self.store.vertices != len(self.mesh) or not len(self.rows):
            raise DataError(f"{config.store}: a store of another face model, or without photos to train on")
        count = len(self.mesh)
        full = config.network == "full"
        generator = TextureGraphNet(
            TextureGraphNetConfig.full(FEATURES, count)
            if full
            else TextureGraphNetConfig(FEATURES, vertices=count)
        )
        start_from(generator, config.initial, "generator")
        self.networks: Mapping[str, nn.Module] = {"generator": generator}
        if config.adversarial > 0:
            self.networks = {**self.networks, "critic": RenderingCritic(RenderingCriticConfig())}
        if config.embedding is not None:
            self.teachers = {"identity": load_network(config.embedding)[0]}
        self.train_size = len(self.rows)
        self.preprocessing = {
            "colours": "logarithms of linear-light albedo at the vertices of the face mesh",
            "start": config.start,
        }
        self._views = VertexViews(model, self.mesh, config.rendering)
        adjacency = normalised_adjacency(self.mesh.triangles, len(self.mesh))
        adjacency.data[:] = 1
        degree = np.maximum(np.asarray(adjacency.sum(axis=1)).ravel(), 1)
        adjacency.data[:] = np.repeat(1 / degree, np.diff(adjacency.indptr))
        self._neighbours = SparseMatrix(adjacency)
        self._where = torch.from_numpy(self.mesh.where)
        self._device = torch.device("cpu")

    def optimisers(self, config: TrainConfig) -> Mapping[str, torch.optim.Optimizer]:
        """AdamW for the generator, Adam without momentum for the critic."""
        found = dict(super().optimisers(config))
        if "critic" in self.networks:
            parameters = self.networks["critic"].parameters()
            found["critic"] = torch.optim.Adam(parameters, lr=0.2 * config.learning_rate, betas=(0.0, 0.9))
        return found

    def schedule(self, config: TrainConfig) -> Schedule:
        """In every update first the critic, where there is one, then the generator."""
        turns = ("critic", "generator") if "critic" in self.networks else ("generator",)
        return Schedule((Phase(turns, resting="train"),), clips={"critic": 0.0} if len(turns) > 1 else {})

    def averages(self, config: TrainConfig) -> Mapping[str, float]:
        """Of the generator alone."""
        return {"generator": config.ema}

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Samples, half of them mirrored, all colours of each a little brighter or darker and tinted."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        samples = []
        for row in self.rows[indices]:
            sample = self.store[int(row)]
            if self.mesh.mirror is not None and rng.random() < 0.5:
                sample = sample.mirrored(self.mesh.mirror)
            samples.append(sample)
        batch = _batch(samples)
        gain = torch.from_numpy(rng.normal(0, self.config.gain, (len(samples), 1, 3)).astype(np.float32))
        for name in ("colours", "model", "target"):
            batch[name] = batch[name] + gain
        return batch

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        """The critic's loss, or the generator's."""
        if batch["colours"].device != self._device:
            self._move(batch["colours"].device)
        config = self.config
        if update.turn == "critic":
            with torch.no_grad():
                fine, _ = self._refined(update.networks["generator"], batch)
            critic = update.networks["critic"]
            real, fake = (self._rendered(c, batch["trust"]) for c in (batch["target"], fine))
            distance = critic_loss(critic(real), critic(fake))
            penalty = gradient_penalty(critic, real, fake, update.generator)
            return {"loss": distance + config.penalty * penalty, "distance": -distance, "penalty": penalty}
        fine, change = self._refined(update.networks["generator"], batch)
        known, trust = batch["known"][..., 0], batch["trust"]
        weight = trust * (1 - (1 - config.seen) * known)
        parts = {
            "vertex": masked_l1(_codes(fine), _codes(batch["target"]), weight),
            "smooth": roughness(change, self._neighbours),
        }
        total = config.vertex * parts["vertex"] + config.smooth * parts["smooth"]
        if config.pixel <= 0 and "critic" not in self.networks and "identity" not in self.teachers:
            return {"loss": total, **parts}  # nobody looks at renderings
        real = self._rendered(batch["target"], trust)
        fake = self._rendered(fine, trust)
        mask = real[:, 3] * self._views(weight[..., None])[:, 0]
        parts["pixel"] = masked_l1(fake[:, :3].movedim(1, -1), real[:, :3].movedim(1, -1), mask)
        total = total + config.pixel * parts["pixel"]
        if "critic" in self.networks:
            parts["adversarial"] = critic_score(update.networks["critic"](fake))
            total = total + config.adversarial * parts["adversarial"]
        if "identity" in self.teachers:
            embed = update.teachers["identity"]
            faces = [
                nn.functional.interpolate(images[:, :3], (160, 160), mode="bilinear")
                for images in (fake, real)
            ]
            parts["identity"] = identity_loss(embed(faces[0]), embed(faces[1]).detach())
            total = total + config.identity * parts["identity"]
        return {"loss": total, **parts}

    @torch.no_grad()
    def evaluate(self, networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, float]:
        """Mean colour difference of held-out faces where the completion did not see them, before and after."""
        if not len(self.held):
            return {}
        if device != self._device:
            self._move(device)
        picked = self.held[np.unique(np.linspace(0, len(self.held) - 1, _CHECKED).astype(int))]
        errors = []
        for row in picked:
            sample = self.store[int(row)]
            fine = self._fine(networks["generator"], sample, device)
            for colours in (sample.colours, fine):
                found = colour_error(colours, sample.target, sample.hidden)
                errors.append((found.delta_e, found.rmse, found.delta_e_mean))
        table = np.array(errors).reshape(len(picked), 2, 3)
        coarse, fine_ = table.mean(axis=0)
        return {
            "delta_e_coarse": float(coarse[0]),
            "delta_e": float(fine_[0]),
            "rmse_coarse": float(coarse[1]),
            "rmse": float(fine_[1]),
            "mean_delta_e_coarse": float(coarse[2]),
            "mean_delta_e": float(fine_[2]),
            "better": float((table[:, 1, 0] < table[:, 0, 0]).mean()),
        }

    @torch.no_grad()
    def preview(self, networks: Mapping[str, nn.Module], device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out faces from the front: completed, refined, the whole photo's."""
        if not len(self.held):
            return None
        picked = self.held[np.unique(np.linspace(0, len(self.held) - 1, 12).astype(int))]
        tiles = []
        for row in picked:
            sample = self.store[int(row)]
            shown = np.stack(
                [sample.colours, self._fine(networks["generator"], sample, device), sample.target]
            )
            codes = torch.from_numpy(encode_srgb(np.exp(shown)).astype(np.float32)).to(device)
            images = self._views(codes).reshape(3, self._views.count, 3, self._views.size, -1)
            front = images[:, self._views.count // 2].permute(0, 2, 3, 1).cpu().numpy()
            tiles.append(np.concatenate(list((255 * front.clip(0, 1)).astype(np.uint8)), axis=1))
        return np.concatenate(tiles[: len(tiles) // 4 * 4] or tiles, axis=0)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Photos and what was hidden of them."""
        return ", ".join(f"{self.store.names[r]} ({self.store.kinds[r]})" for r in self.rows[indices])

    def _fine(self, network: nn.Module, sample: ColourSample, device: torch.device) -> NDArray[np.float32]:
        """(M, 3) refined; what the completion saw stays."""
        batch = {name: value.to(device) for name, value in _batch([sample]).items()}
        fine, _ = self._refined(network, batch)
        seen = sample.known[:, :1]
        start = sample.colours if self.config.start == "completed" else sample.model
        return np.asarray(seen * start + (1 - seen) * fine[0].float().cpu().numpy(), np.float32)

    def _refined(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Fine log colours and what was added."""
        start, other = batch["colours"], batch["model"]
        if self.config.start == "model":
            start, other = other, start
        colours, features = network_inputs(start, other, batch["known"], self._where)
        change = network(colours, features, self.mesh.graph) - colours
        return start + change, change

    def _rendered(self, colours: Tensor, trust: Tensor) -> Tensor:
        """(N · views, 4, S, S): sRGB, black where the photo does not tell, and where it does."""
        shown = (trust > 0).float()[..., None]
        images = self._views(torch.cat([_codes(colours) * shown, shown], dim=-1))
        mask = (images[:, 3:] > 0.99).float()
        return torch.cat([images[:, :3] * mask, mask], dim=1)

    def _move(self, device: torch.device) -> None:
        self.mesh.graph.to(device)
        self._views.to(device)
        self._neighbours.to(device)
        self._where = self._where.to(device)
        self._device = device


def _codes(colours: Tensor) -> Tensor:
    return linear_to_srgb(colours.clamp(max=0.5).exp())


def _batch(samples: list[ColourSample]) -> Batch:
    names = ("colours", "model", "known", "target", "trust")
    return {name: torch.from_numpy(np.stack([getattr(s, name) for s in samples])) for name in names}


RECIPE = Recipe(
    name="texture_graph",
    summary="graph convolutions that refine a face's colours at the vertices of its mesh",
    config=TextureGraphRecipeConfig,
    build=TextureGraphTask,
    sources=(
        "colours at the vertices of clean photos: faker-js assets-person-portrait (computer-made, CC0), stock photos"
        " of the collection inter-faces (declared CC0), official portraits of members of the US Congress (public"
        " domain)",
        "fit and completion of these photos by the shipped face model and networks",
    ),
    paper="Lin et al. 2020, Towards High-Fidelity 3D Face Reconstruction from In-the-Wild Images Using Graph"
    " Convolutional Networks, CVPR",
)
