"""The fields of the form that comes with a photo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ...core.errors import UsageError
from .settings import ServeSettings

__all__ = ["Options", "read_options"]


class Options(BaseModel):
    """What a request may choose; the words are those of ``wholeface reconstruct``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    remove: Literal["auto", "glasses", "all", "none"] = Field(
        "auto",
        description="What the de-occluded photo is to be without: everything but hair and hats, glasses alone, "
        "all, nothing. The head is complete in any case.",
    )
    face: Annotated[int, Field(ge=1)] | None = Field(None, description="Only the N-th largest face.")
    max_faces: Annotated[int, Field(ge=1)] | None = Field(
        None, description="At most the N largest faces; the server may allow fewer."
    )
    texture_size: int = Field(1024, ge=64, le=4096, description="Edge of the texture in texels.")
    formats: tuple[Literal["glb", "obj", "ply"], ...] = Field(
        ("glb",), description="Comma-separated: glb (always written), obj, ply."
    )
    expressions: bool = Field(True, description="Write the named expressions as morph targets of the GLB.")
    expression_names: Literal["arkit", "ict"] = Field("arkit", description="How these are called.")
    detail: Literal["normal", "mesh", "none"] = Field(
        "normal", description="Wrinkles and folds by a normal map, by a dense mesh, or not."
    )
    fast: bool = Field(False, description="Skip the photometric refinement.")
    method: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$", description="Another system; see docs/methods.md."
    )
    focal: float | None = Field(
        None, gt=0, lt=1e7, allow_inf_nan=False, description="Focal length in pixels, where it is known."
    )
    min_face: float | None = Field(
        None, ge=1, le=100_000, description="Height in pixels from which faces are looked for."
    )
    certainty: float | None = Field(
        None, ge=0, le=1, description="How sure a face must be; less keeps badly seen ones."
    )

    @field_validator("formats", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        words = [word.strip().lower() for word in value.split(",") if word.strip()]
        return tuple(dict.fromkeys(("glb", *words)))


def read_options(fields: Mapping[str, str], settings: ServeSettings) -> dict[str, Any]:
    """Options from the form's text fields, within what the server allows; empty fields count as absent.

    Args:
        fields: by name.
        settings: of the server.

    Raises:
        UsageError: an unknown field, or a value out of range; names the field.
    """
    try:
        options = Options.model_validate({name: text for name, text in fields.items() if text.strip()})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(map(str, first["loc"][:1])) or "form"
        words = {"extra_forbidden": f"no such field; there are photo, {', '.join(Options.model_fields)}"}
        raise UsageError(f"{name}: {words.get(first['type'], first['msg'])}") from error
    if options.texture_size > settings.max_texture_size:
        raise UsageError(f"texture_size: this server makes at most {settings.max_texture_size} texels")
    wanted = settings.max_faces if options.max_faces is None else options.max_faces
    return {**options.model_dump(), "max_faces": min(wanted, settings.max_faces)}
