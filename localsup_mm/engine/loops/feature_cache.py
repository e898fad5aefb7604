"""What reaches a local module, kept instead of computed again."""

import pickle
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.utils import ProgressBar
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.data import DataLoader, Dataset

from ...supervision.local_step import replaced_method
from ...supervision.local_supervision import ForwardEnded

__all__ = ['FeatureCache']


class FeatureCache(Dataset):
    """What reaches a boundary from each sample, in CPU memory.

    1. :meth:`fill` runs the model up to the boundary once for each sample.
       It keeps the features there, the preprocessed inputs and the data
       samples, and notes which submodules were called on the way.
    2. As a data set it gives them back.
    3. Within :meth:`skip` the model takes a batch of them: its preprocessor
       hands on, the submodules noted return placeholders (NaN), and the one
       at the boundary returns the features.

    :meth:`fill` tries this with the first batch. Backbones that hand on
    something else than the features at the boundary are refused.

    Args:
        model (nn.Module): The bare model.
        backbone (nn.Module): Its backbone.
        boundary (str): Name of a submodule of the backbone.
    """

    def __init__(
        self, model: nn.Module, backbone: nn.Module, boundary: str
    ) -> None:
        self._model = model
        self._backbone = backbone
        self._name = boundary
        self._boundary = backbone.get_submodule(boundary)
        self._calls: list[tuple[nn.Module, Any]] = []
        self._samples: list[tuple] = []

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple:
        return self._samples[index]

    @staticmethod
    def collate(samples: Sequence[tuple]) -> tuple[dict, Tensor]:
        """Make a batch of samples.

        Args:
            samples (Sequence[tuple]): Of this data set.

        Returns:
            tuple[dict, Tensor]: What the model takes, and the features.
        """
        inputs, data_samples, feats = map(list, zip(*samples))
        if isinstance(data_samples[0], Tensor):
            data_samples = torch.stack(data_samples)
        data = dict(inputs=torch.stack(inputs), data_samples=data_samples)
        return data, torch.stack(feats)

    @torch.no_grad()
    def fill(self, loader: DataLoader) -> None:
        """Run the model up to the boundary for every sample.

        It is in evaluation mode afterwards.

        Args:
            loader (DataLoader): Gives all samples, in order.

        Raises:
            ValueError: If the submodules before the boundary cannot be
                skipped, or images differ in size.
        """
        self._model.eval()
        for batch in loader:
            data = self._model.data_preprocessor(batch, True)
            feats, calls = self._run(data)
            if not self._samples:
                self._calls, self._batch_size = calls, len(feats)
                self._check_skip(data['inputs'], feats)
                self._log_size(data, feats, len(loader.dataset))
                progress = ProgressBar(len(loader.dataset))
            self._extend(data, feats)
            progress.update(len(feats))

    @contextmanager
    def skip(self, feats: Tensor) -> Iterator[None]:
        """Let the next forward pass start at the boundary.

        Args:
            feats (Tensor): The features there.

        Yields:
            None: While the model takes batches of this data set.
        """
        preprocessor = self._model.data_preprocessor
        feats = preprocessor.cast_data(feats)

        def hand_on(data: dict, training: bool = False) -> dict:
            return preprocessor.cast_data(data)

        def arrive(*args, **kwargs) -> Tensor:
            skipping.close()
            return feats

        resize = partial(_resize, self._batch_size, len(feats))
        outputs: dict[nn.Module, deque] = defaultdict(deque)
        for module, output in self._calls:
            outputs[module].append(tree_map_only(Tensor, resize, output))
        with (
            replaced_method(preprocessor, 'forward', hand_on),
            ExitStack() as skipping,
        ):
            for module, queue in outputs.items():
                skipping.enter_context(
                    replaced_method(module, 'forward', partial(_replay, queue))
                )
            skipping.enter_context(
                replaced_method(self._boundary, 'forward', arrive)
            )
            yield

    def _run(self, data: dict) -> tuple[Tensor, list]:
        """Features at the boundary, and the outermost calls before it."""
        running: list[list] = [[]]  # calls completed inside each one

        def before(module: nn.Module, args: tuple) -> None:
            running.append([])

        def after(module: nn.Module, args: tuple, output: Any) -> None:
            running.pop()
            if module is self._boundary:
                raise ForwardEnded(output)
            blank = tree_map_only(Tensor, _make_placeholder, output)
            running[-1].append((module, blank))

        handles = [
            register_module_forward_pre_hook(before),
            register_module_forward_hook(after),
        ]
        try:
            self._model(**data, mode='loss')
        except ForwardEnded as end:
            return end.result, [call for calls in running for call in calls]
        finally:
            for handle in handles:
                handle.remove()
        raise RuntimeError(f'{self._name!r} was not called')

    def _check_skip(self, inputs: Tensor, feats: Tensor) -> None:
        cause = None
        try:
            expected = tree_leaves(self._backbone(inputs))
            with self.skip(feats):
                found = tree_leaves(self._backbone(inputs))
            is_same = _are_close(found, expected)
        except Exception as error:  # whatever a host's code runs into
            cause, is_same = error, False
        if not is_same:
            raise ValueError(
                f'`cache` should be False for {type(self._backbone).__name__}'
                f' cut at {self._name!r}, but got True. It computes with more '
                'than the features there, or outside of its submodules. Set '
                'cache=False.'
            ) from cause

    def _log_size(self, data: dict, feats: Tensor, total: int) -> None:
        size = data['inputs'].nbytes + feats.nbytes
        size += len(pickle.dumps(data['data_samples']))
        print_log(
            f'The cache takes {size / len(feats) * total / 2**20:.1f} MiB of '
            f'CPU memory: features at {self._name!r}, inputs and labels of '
            f'{total} samples.',
            logger='current',
        )

    def _extend(self, data: dict, feats: Tensor) -> None:
        inputs, feats = data['inputs'].cpu(), feats.cpu()
        first = self._samples[0][0] if self._samples else inputs[0]
        if inputs.shape[1:] != first.shape:
            raise ValueError(
                '`cache` should be False for images of different sizes, but '
                f'got {tuple(inputs.shape[2:])} after {tuple(first.shape[1:])}'
                '. Set cache=False, or resize all images alike.'
            )
        data_samples = [sample.cpu() for sample in data['data_samples']]
        self._samples += zip(inputs, data_samples, feats)


def _make_placeholder(tensor: Tensor) -> Tensor:
    """Takes no memory; NaN, so that what depends on it is found out."""
    value = float('nan') if tensor.is_floating_point() else 0
    return tensor.new_full((), value).expand(tensor.shape)


def _resize(old: int, new: int, placeholder: Tensor) -> Tensor:
    """From one batch size to another; windows are a multiple of it."""
    if placeholder.dim() == 0 or len(placeholder) % old:
        return placeholder
    size = len(placeholder) // old * new
    return placeholder[:1].expand(size, *placeholder.shape[1:])


def _replay(outputs: deque, *args, **kwargs) -> Any:
    return outputs.popleft()


def _are_close(found: list, expected: list) -> bool:
    return len(found) == len(expected) and all(
        torch.allclose(a, b, rtol=1e-3, atol=1e-5)
        if isinstance(b, Tensor)
        else a == b
        for a, b in zip(found, expected)
    )
