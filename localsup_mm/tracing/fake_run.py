"""A forward pass of a backbone on fake tensors, which changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from ..hosts import adapted_compiled_ops, find_checkpointing_layers
from ..upstream import BatchNorm, FakeTensorMode

__all__ = ['FakeRun', 'faked']


class FakeRun:
    """A backbone whose parameters and buffers are fake tensors.

    Attributes:
        mode (FakeTensorMode): The mode that its tensors belong to.
        state (dict[str, Tensor]): Its parameters and buffers, by name.
    """

    def __init__(self, backbone: nn.Module) -> None:
        self._backbone = backbone
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.state = {
            name: self.mode.from_tensor(
                tensor if tensor.is_meta else tensor.cpu()
            )
            for name, tensor in [
                *backbone.named_parameters(),
                *backbone.named_buffers(),
            ]
        }

    def __call__(self, image: Tensor) -> Any:
        """Run it.

        Args:
            image (Tensor): Fake images, made under the mode.

        Returns:
            Any: Its result, of fake tensors.
        """
        return functional_call(self._backbone, self.state, (image,))


@contextmanager
def faked(backbone: nn.Module) -> Iterator[FakeRun]:
    """Let a backbone run on fake tensors, in training mode.

    Shapes are those of a real pass, and the autograd graph, too; no memory is
    taken, and no parameter, buffer or random state changes.

    Args:
        backbone (nn.Module): Any backbone, on any device.

    Yields:
        FakeRun: The backbone; its hooks run.
    """
    modes = {m: m.training for m in backbone.modules()}
    # Reentrant checkpointing would hide its inside from the graph.
    checkpointed = [
        (module, flag)
        for module, flag in find_checkpointing_layers(backbone)
        if getattr(module, flag)
    ]
    try:
        backbone.train()
        for module, flag in checkpointed:
            setattr(module, flag, False)
        for module in backbone.modules():
            if isinstance(module, BatchNorm):
                # SyncBN refuses CPU tensors in training; the graph is alike.
                module.training = False
        run = FakeRun(backbone)
        with adapted_compiled_ops(), run.mode:
            yield run
    finally:
        for module, training in modes.items():
            module.training = training
        for module, flag in checkpointed:
            setattr(module, flag, True)
