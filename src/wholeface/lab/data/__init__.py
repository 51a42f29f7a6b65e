"""Training and test images: rendered faces, real portraits, occluders, and the field's datasets."""

from .compositing.layer import Layer, LayerSource, Split
from .samples.contact_sheet import OCCLUDER_COLOURS, PARSING_COLOURS, contact_sheet, sample_panel
from .samples.files import write_sample
from .samples.sample import FaceSample
from .samples.shards import encode_sample, read_shards, write_encoded_shards, write_shards
from .samples.workers import IndexedSource, in_workers

__all__ = [
    "OCCLUDER_COLOURS",
    "PARSING_COLOURS",
    "FaceSample",
    "IndexedSource",
    "Layer",
    "LayerSource",
    "Split",
    "contact_sheet",
    "encode_sample",
    "in_workers",
    "read_shards",
    "sample_panel",
    "write_encoded_shards",
    "write_sample",
    "write_shards",
]
