"""Networks as functions of arrays, computed by PyTorch or by ONNX Runtime."""

from __future__ import annotations

import copy
import os
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BACKENDS", "Backend", "NetworkFunction", "OnnxNetwork", "TorchNetwork", "fold_norms"]

Backend = Literal["torch", "onnx"]
BACKENDS: tuple[Backend, ...] = ("torch", "onnx")


class NetworkFunction(Protocol):
    """(N, 3, H, W) float32 in [0, 1] -> the network's raw output, float32."""

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network."""
        ...


class TorchNetwork:
    """A network in evaluation mode, its norms folded into its convolutions.

    Args:
        network: trained module.
        keep: copy it, which takes a tenth of a second; otherwise it is changed and belongs to this object.
    """

    def __init__(self, network: nn.Module, *, keep: bool = True) -> None:
        from . import channels_last

        self._network = channels_last(fold_norms(network, keep=keep))

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`NetworkFunction`."""
        import torch

        from ..core.threads import one_torch_thread

        with torch.inference_mode(), one_torch_thread():
            batch = torch.from_numpy(images).to(memory_format=torch.channels_last)
            result: NDArray[np.float32] = self._network(batch).contiguous().numpy()
            return result


class OnnxNetwork:
    """The same from an ONNX file or its bytes, by ONNX Runtime on the CPU, its telemetry switched off.

    Args:
        model: path or content of the file.
        threads: within one operation.

    Raises:
        UsageError: onnxruntime is not installed.
        ModelFileError: the file is not an ONNX model that it can read.
    """

    def __init__(self, model: str | bytes, *, threads: int = 1) -> None:
        # Since 1.29 the wheels report what they run to their maker. Ours do not, unless somebody asks for it. The
        # variable is read when the library loads; older ones know the function.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            import onnxruntime
        except ImportError as error:
            raise UsageError(
                f"the ONNX backend needs onnxruntime ({error}); install it with: pip install 'wholeface[onnx]'"
            ) from error
        if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
            onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own kinds, which share no base
            what = model if isinstance(model, str) else "the ONNX model"
            raise ModelFileError(
                f"ONNX Runtime cannot read {what} ({error!s:.200}); remove it, and it is made anew"
            ) from error
        self._name = self._session.get_inputs()[0].name
        self._lock = threading.Lock()

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`NetworkFunction`."""
        with self._lock:
            result: NDArray[np.float32] = self._session.run(None, {self._name: np.ascontiguousarray(images)})[
                0
            ]
        return result


def fold_norms(network: nn.Module, *, keep: bool = True) -> nn.Module:
    """A network in evaluation mode in which each convolution contains the batch normalisation that follows it.

    Args:
        network: a trained module.
        keep: change a copy, not the module itself.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    network = (copy.deepcopy(network) if keep else network).eval()
    for module in list(network.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        names = list(module._modules)
        for first, second in pairwise(names):
            conv, norm = module._modules[first], module._modules[second]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                conv.weight, conv.bias = fuse_conv_bn_weights(
                    conv.weight,
                    conv.bias,
                    norm.running_mean,
                    norm.running_var,
                    norm.eps,
                    norm.weight,
                    norm.bias,
                )
                module._modules[second] = nn.Identity()
    return network
