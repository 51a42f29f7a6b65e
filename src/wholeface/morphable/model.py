"""The linear face model that every room shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from .._short_repr import short_repr
from ..errors import UsageError
from .albedo import AlbedoModel
from .embedding import Embedding
from .expression_names import native_expressions

__all__ = ["REGION_NAMES", "MorphableModel"]

REGION_NAMES = (
    "skin",  # all outer skin: face, scalp, ears, neck; without eyeballs, teeth, inner mouth
    "face",  # the part of the skin on which faces are compared and masks are drawn: hairline to chin, ear to ear
    "brows",
    "lids",
    "nose",
    "lips",
    "ears",
    "neck",
    "scalp",
    "inner_mouth",
    "teeth",
    "eyeballs",
)


@dataclass(frozen=True)
class MorphableModel:
    r"""Linear shape and albedo statistics over one triangulated head.

    .. math:: v = \mu + \sum_i \alpha_i I_i + \sum_e \epsilon_e E_e

    Convention: right-handed model space, +x to the face's own left, +y up, +z out of the face, millimetres.
    UV in [0, 1], u to the right and v up in the texture image (row 0 of the image lies at v = 1).

    Args:
        name: short name, e.g. ``wholeface``, ``bfm2017``.
        version: version of the asset, or the file's own version.
        mean: (V, 3) mm, neutral mean face.
        identity: (K, V, 3) mm, one standard deviation per mode, strongest first.
        expression: (E, V, 3) mm at weight 1 (blendshapes) or one standard deviation (statistical models).
        expression_names: E names; ``expression_00`` … where the source has none.
        triangles: (F, 3) int64, counter-clockwise seen from outside.
        uv: (U, 2) or None.
        uv_triangles: (F, 3) int64 into ``uv``, or None.
        mirror: (V,) int64, index of each vertex's mirror image, or None if the mesh is not symmetric.
        regions: name -> (V,) bool; see ``REGION_NAMES``; a model may lack some.
        landmarks_68: embedding of the 68 iBUG points, or None.
        landmarks_478: embedding of the 478 MediaPipe points, or None. Points without a place on the mesh
            have barycentric weights of NaN.
        albedo: albedo statistics, or None.
        extras: further tensors that a room needs and that belong to this model (documented where used).
    """

    name: str
    version: str
    mean: Tensor
    identity: Tensor
    expression: Tensor
    expression_names: tuple[str, ...]
    triangles: Tensor
    uv: Tensor | None = None
    uv_triangles: Tensor | None = None
    mirror: Tensor | None = None
    regions: Mapping[str, Tensor] = field(default_factory=dict)
    landmarks_68: Embedding | None = None
    landmarks_478: Embedding | None = None
    albedo: AlbedoModel | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    __repr__ = short_repr

    @property
    def vertex_count(self) -> int:
        """Number of vertices V."""
        return int(self.mean.shape[0])

    @property
    def identity_size(self) -> int:
        """Number of identity modes K."""
        return int(self.identity.shape[0])

    @property
    def expression_size(self) -> int:
        """Number of expression modes E."""
        return int(self.expression.shape[0])

    @property
    def albedo_size(self) -> int:
        """Number of albedo modes A (0 without albedo statistics)."""
        return 0 if self.albedo is None else self.albedo.size

    def vertices(self, identity: Tensor | None = None, expression: Tensor | None = None) -> Tensor:
        """Vertices of one face or a batch.

        Args:
            identity: (..., K') in standard deviations, K' ≤ K, or None for the mean face.
            expression: (..., E') weights, E' ≤ E, or None for neutral.

        Returns:
            (..., V, 3) mm, model space.

        Raises:
            UsageError: more coefficients than modes.
        """
        shape = self.mean
        for what, coefficients, basis in (
            ("identity", identity, self.identity),
            ("expression", expression, self.expression),
        ):
            if coefficients is None:
                continue
            count = coefficients.shape[-1]
            if count > basis.shape[0]:
                raise UsageError(
                    f"{count} {what} coefficients for the model {self.name!r} with {basis.shape[0]} modes"
                )
            # s_vc = sum_k a_k B_kvc
            offset = coefficients @ basis[:count].flatten(1)
            shape = shape + offset.reshape(*offset.shape[:-1], *self.mean.shape)
        return shape

    def expression_vector(self, weights: Mapping[str, float] | Sequence[float]) -> Tensor:
        """(E,) expression weights from a name → weight mapping (others 0) or a full sequence.

        Names are the model's own or ARKit's (``eyeBlinkLeft`` for ``eyeBlink_L``, ``browInnerUp`` for both sides).

        Raises:
            UsageError: a name that the model does not know or that is given twice, a wrong count, or a weight that
                is not a number.
        """
        if not isinstance(weights, Mapping):
            try:
                vector = torch.as_tensor(weights, dtype=self.mean.dtype, device=self.mean.device)
            except (TypeError, ValueError, RuntimeError) as error:
                raise UsageError(
                    f"expression weights must be numbers, by name or all {self.expression_size} in order"
                ) from error
            if vector.shape != (self.expression_size,):
                raise UsageError(
                    f"expected {self.expression_size} expression weights, got shape {tuple(vector.shape)}"
                )
            return vector
        vector = self.mean.new_zeros(self.expression_size)
        given: dict[str, str] = {}
        for name, weight in weights.items():
            for part in native_expressions(name, self.expression_names):
                if part in given:
                    raise UsageError(
                        f"the expressions {given[part]!r} and {name!r} are the same; give one of them"
                    )
                given[part] = name
                try:
                    vector[self.expression_names.index(part)] = float(weight)
                except (TypeError, ValueError) as error:
                    raise UsageError(
                        f"expression {name!r}: a weight must be a number, got {weight!r}"
                    ) from error
        return vector

    def region(self, *names: str) -> Tensor:
        """(V,) bool, the union of named regions.

        Raises:
            UsageError: a region that this model does not name.
        """
        mask = torch.zeros(self.vertex_count, dtype=torch.bool, device=self.mean.device)
        for name in names:
            if name not in self.regions:
                raise UsageError(
                    f"model {self.name!r} has no region {name!r}; it has: {', '.join(sorted(self.regions))}"
                )
            mask |= self.regions[name]
        return mask

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> MorphableModel:
        """The same model on another device; ``dtype`` applies to floating-point tensors."""

        def move(value: object) -> object:
            if isinstance(value, Tensor):
                return value.to(device=device, dtype=dtype if value.is_floating_point() else None)
            if isinstance(value, (AlbedoModel, Embedding)):
                return value.to(device=device, dtype=dtype)
            if isinstance(value, Mapping):
                return {k: move(v) for k, v in value.items()}
            return value

        return replace(self, **{f.name: move(getattr(self, f.name)) for f in fields(self)})  # type: ignore[arg-type]
