"""Recording what an end-to-end iteration needs."""

import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import Any, Optional

from torch import Tensor, nn

from ..metering import LiveBytes, MacCounter
from ..replaced_method import replaced_method
from ..simulation import FakeStep, Workload
from ..tracing import BackboneTrace, Partition
from .saved_outputs import watching_saved
from .storages import Storages, count_bytes, find_storages, find_tensors
from .stretches import StepProfile, Stretch

__all__ = ['profile_step']


def profile_step(
    workload: Workload, trace: BackboneTrace, names: Sequence[str]
) -> StepProfile:
    """Run an end-to-end iteration on fake tensors and look at it.

    Args:
        workload (Workload): The training that is recorded; its model is
            plain and has a ``backbone``.
        trace (BackboneTrace): Trace of the backbone.
        names (Sequence[str]): Candidate boundaries, in order.

    Returns:
        StepProfile: The memory of each stretch.
    """
    step = FakeStep(workload)
    recorder = _StepRecorder(step, trace, names)
    with ExitStack() as stack:
        recorder.attach(stack)
        stack.enter_context(step.running())
        stack.enter_context(recorder.live)
        watched = watching_saved(step.model.backbone)
        with MacCounter() as counter, watched as is_saved:
            loss = step.compute_loss()
        recorder.end_forward(is_saved)
        step.wrapper.update_params(loss)
        return recorder.finish(counter.forward)


class _StepRecorder:
    """Hooks that write down what lives at each boundary.

    Args:
        step (FakeStep): The iteration.
        trace (BackboneTrace): Trace of its backbone.
        names (Sequence[str]): Candidate boundaries, in order.

    Attributes:
        live (LiveBytes): It counts while the iteration runs.
    """

    def __init__(
        self, step: FakeStep, trace: BackboneTrace, names: Sequence[str]
    ) -> None:
        self.live = LiveBytes(step.model, step.optimizer)
        self._step = step
        self._backbone = step.model.backbone
        self._stretches = [Stretch(name) for name in (*names, '')]
        self._partitions = [trace.partition([name]) for name in names]
        self._static = self._peak = self.live.current
        self._live_at_start = 0
        self._before_update = 0
        # what the backward is in; bytes of its ends that are gone by then
        self._going_back: Optional[Stretch] = None
        self._freed = dict.fromkeys((*names, ''), 0)
        # of modules, by their names
        self._inputs: dict[str, Storages] = {}
        # of the backbone: bytes, and whether they are frozen and saved
        self._outputs: list[Storages] = []
        self._is_frozen: list[bool] = []
        self._is_saved: list[bool] = []

    def attach(self, stack: ExitStack) -> None:
        """Register the hooks.

        Args:
            stack (ExitStack): It removes them.
        """

        def keep(handle: Any) -> None:
            stack.callback(handle.remove)

        backbone, stretches = self._backbone, self._stretches
        keep(backbone.register_forward_pre_hook(self._at_start))
        for stretch, following in pairwise(stretches):
            module = backbone.get_submodule(stretch.name)
            hook = partial(self._at_end, stretch, following)
            keep(module.register_forward_hook(hook))
        pairs = zip(stretches, self._partitions)
        holders = [_find_holders(*pair) for pair in pairs]
        for name in {s.name for s in stretches[:-1]}.union(*holders):
            hook = partial(self._at_input, name)
            module = backbone.get_submodule(name)
            keep(module.register_forward_pre_hook(hook, with_kwargs=True))
        keep(self._step.optimizer.register_step_pre_hook(self._at_update))
        forward = partial(self._at_backbone_end, backbone.forward)
        stack.enter_context(replaced_method(backbone, 'forward', forward))

    def end_forward(self, is_saved: Sequence[bool]) -> None:
        """Note that the forward pass is over.

        Args:
            is_saved (Sequence[bool]): Whether neck and heads save the
                outputs of the backbone.
        """
        self._is_saved = list(is_saved)
        last = self._going_back = self._stretches[-1]
        last.forward_peak = max(last.forward_peak, self._take_peak())

    def _take_peak(self) -> int:
        """Read the peak since it was last read."""
        peak = self.live.peak
        self._peak = max(self._peak, peak)
        self.live.peak = self.live.current
        return peak - self._static

    def _at_start(self, module: nn.Module, args: tuple) -> None:
        self._take_peak()
        self._live_at_start = self.live.current - self._static

    def _at_input(
        self, name: str, module: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        # not in a second run
        self._inputs.setdefault(name, find_storages((args, kwargs)))

    def _at_end(
        self,
        stretch: Stretch,
        following: Stretch,
        module: nn.Module,
        args: tuple,
        h: Tensor,
    ) -> None:
        if stretch.output:  # in a second run
            return
        stretch.forward_peak = self._take_peak()
        stretch.live_after = self.live.current - self._static
        stretch.output = find_storages(h)
        stretch.features = (tuple(h.shape), h.dtype)
        h.register_hook(partial(self._at_gradient, stretch, following))
        # the caller of the module holds its input, a local module h
        for storage in {t.untyped_storage() for t in find_tensors((args, h))}:
            at_freed = partial(self._at_freed, stretch, storage.nbytes())
            weakref.finalize(storage, at_freed).atexit = False

    def _at_backbone_end(
        self, forward: Callable, *args: Any, **kwargs: Any
    ) -> Any:
        feats = forward(*args, **kwargs)
        last = self._stretches[-1]
        last.forward_peak = self._take_peak()
        last.live_after = self.live.current - self._static
        self._outputs = [find_storages(t) for t in find_tensors(feats)]
        self._is_frozen = [not t.requires_grad for t in find_tensors(feats)]
        return feats

    def _at_freed(self, stretch: Stretch, size: int) -> None:
        """Note that an input or output of a module goes, but still counts."""
        if stretch is self._going_back:
            self._note_backward(stretch)
            self.live.peak -= size
        self._freed[stretch.name] += size

    def _at_gradient(
        self, stretch: Stretch, following: Stretch, gradient: Tensor
    ) -> None:
        self._note_backward(following)
        self._going_back = stretch

    def _note_backward(self, stretch: Stretch) -> None:
        peak = self._take_peak()
        holding = peak + self._freed[stretch.name]
        stretch.backward_peak = max(stretch.backward_peak, peak)
        stretch.holding_peak = max(stretch.holding_peak, holding)

    def _at_update(self, *args: Any) -> None:
        self._note_backward(self._stretches[0])
        self._going_back = None
        self._before_update = self.live.current - self._static

    def finish(self, macs: int) -> StepProfile:
        """Sum up, when the iteration is over.

        Args:
            macs (int): Multiply-accumulates of the forward pass.

        Returns:
            StepProfile: The figures of the iteration.
        """
        update = self._take_peak() - self._before_update
        step = self._step
        trained = [p for p in step.model.parameters() if p.requires_grad]
        state = find_tensors(list(step.optimizer.state.values()))
        # where gradients accumulate they are static
        is_new = not step.workload.accumulates
        for stretch, partition in zip(self._stretches, self._partitions):
            own = map(self._backbone.get_parameter, partition.parameters[0])
            stretch.gradients = is_new * count_bytes(own)
            stretch.input = self._inputs[stretch.name]
            stretch.kept = self._find_kept(partition)
            for name in _find_holders(stretch, partition):
                # a ModuleList around a boundary is not called
                stretch.kept.update(self._inputs.get(name, {}))
        last = self._stretches[-1]
        last.gradients = is_new * count_bytes(trained)
        # the backbone's callers hold nothing; neck and heads what they save
        behind = self._partitions[-1]
        last.kept = self._find_kept(behind, self._is_saved)
        for name in behind.taps:
            last.kept.update(self._inputs.get(name, {}))
        ratio = count_bytes(state) / count_bytes(trained)
        return StepProfile(
            self._stretches,
            static=self._static,
            peak=self._peak,
            macs=macs,
            state_ratio=ratio,
            live_at_start=self._live_at_start,
            update=update,
        )

    def _find_kept(
        self, partition: Partition, is_held: Optional[Sequence[bool]] = None
    ) -> Storages:
        """Find outputs of the backbone that live on behind a cut."""
        kept = {}
        for i, output in enumerate(self._outputs):
            is_kept = self._is_frozen[i] or i in partition.closed_outputs
            if is_kept and (is_held is None or is_held[i]):
                kept.update(output)
        return kept


def _find_holders(stretch: Stretch, partition: Partition) -> set[str]:
    """Name the modules whose inputs live on behind a cut."""
    parts = stretch.name.split('.')
    around = {'.'.join(parts[:i]) for i in range(1, len(parts))}
    return around.union(partition.taps)
