"""Recording what an end-to-end iteration needs."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Optional

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import tree_leaves

from ..metering import LiveBytes, MacCounter
from ..simulation import FakeStep, Workload
from ..supervision.replaced_method import replaced_method
from ..tracing import BackboneTrace, Partition
from .step_profile import StepProfile

__all__ = ['profile_step']


def profile_step(
    workload: Workload, trace: BackboneTrace, names: Sequence[str]
) -> StepProfile:
    """Run an end-to-end iteration on fake tensors, twice, and look at it.

    Args:
        workload (Workload): Its model is plain and has a ``backbone``.
        trace (BackboneTrace): Of the backbone.
        names (Sequence[str]): Candidate boundaries, in order.

    Returns:
        StepProfile: What lives when.
    """
    recorder, macs = _record(workload, trace, names, holds_features=False)
    held = _record(workload, trace, names, holds_features=True)[0]
    return recorder.to_profile(held.backward_peaks, macs)


def _record(
    workload: Workload,
    trace: BackboneTrace,
    names: Sequence[str],
    holds_features: bool,
) -> tuple['_Recorder', int]:
    step = FakeStep(workload)
    recorder = _Recorder(step, trace, names, holds_features)
    with ExitStack() as stack:
        recorder.attach(stack)
        stack.enter_context(step.running())
        stack.enter_context(recorder.live)
        with MacCounter() as counter, recorder.watching_heads():
            loss = step.compute_loss()
        loss.backward()
        del loss
        recorder.finish()
    return recorder, counter.forward


class _Recorder:
    """Hooks that write down what lives at each place."""

    def __init__(
        self,
        step: FakeStep,
        trace: BackboneTrace,
        names: Sequence[str],
        holds_features: bool,
    ) -> None:
        self.holds_features = holds_features
        self.backbone = step.model.backbone
        self.model, self.optimizer = step.model, step.optimizer
        self.workload = step.workload
        self.names = tuple(names)
        self.partitions = [trace.partition([n]) for n in names]
        self.live = LiveBytes(step.model, step.optimizer)
        self.static = self.peak = self.live.current
        n = len(names)
        self.forward = [0] * (n + 2)
        self.forward_peaks = [0] * (n + 2)
        self.backward_peaks = [0] * (n + 2)
        self.outputs: list = [(0, 0)] * (n + 2)
        self.features: list = [None] * (n + 2)
        self.held: dict[int, Tensor] = {}
        self.around = [
            {name[:i] for i, char in enumerate(name) if char == '.'}
            for name in names
        ]
        self.inputs: dict[str, dict[int, int]] = {}

    def attach(self, stack: ExitStack) -> None:
        hook = self.backbone.register_forward_pre_hook(self._at_start)
        stack.callback(hook.remove)
        for i, name in enumerate(self.names, 1):
            module = self.backbone.get_submodule(name)
            hook = module.register_forward_hook(partial(self._at_place, i))
            stack.callback(hook.remove)
        taps = [set(partition.taps) for partition in self.partitions]
        for name in set().union(self.names, *taps, *self.around):
            module = self.backbone.get_submodule(name)
            hook = module.register_forward_pre_hook(
                partial(self._at_input, name), with_kwargs=True
            )
            stack.callback(hook.remove)
        forward = partial(self._record_end, self.backbone.forward)
        stack.enter_context(replaced_method(self.backbone, 'forward', forward))

    def _take_peak(self) -> int:
        """The peak since last asked."""
        peak = self.live.peak
        self.peak = max(self.peak, peak)
        self.live.peak = self.live.current
        return peak - self.static

    def _at_start(self, module: nn.Module, args: tuple) -> None:
        self._take_peak()
        self.forward[0] = self.live.current - self.static

    def _at_place(
        self, i: int, module: nn.Module, args: tuple, h: Tensor
    ) -> None:
        self.forward_peaks[i] = self._take_peak()
        self.forward[i] = self.live.current - self.static
        self.outputs[i] = _storage(h)
        self.features[i] = (tuple(h.shape), h.dtype)
        if self.holds_features:
            self.held[i] = h.detach()
        h.register_hook(partial(self._at_gradient, i))

    def _at_input(
        self, name: str, module: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        self.inputs[name] = dict(map(_storage, _tensors((args, kwargs))))

    def _record_end(self, forward: Callable, *args: Any, **kwargs: Any) -> Any:
        feats = forward(*args, **kwargs)
        self.forward_peaks[-1] = self._take_peak()
        self.forward[-1] = self.live.current - self.static
        self.results = [_storage(t) for t in _tensors(feats)]
        # of frozen stages
        self.frozen = {
            i for i, t in enumerate(_tensors(feats)) if not t.requires_grad
        }
        return feats

    @contextmanager
    def watching_heads(self) -> Iterator[None]:
        """See which outputs neck and heads save for their backward."""
        handed_on: list[Tensor] = []
        saved: set[int] = set()

        def save(tensor: Tensor) -> Tensor:
            saved.add(_storage(tensor)[0])
            return tensor

        def at_end(backbone: nn.Module, args: tuple, feats: Any) -> None:
            handed_on.extend(_tensors(feats))
            stack.enter_context(saved_tensors_hooks(save, lambda t: t))

        with ExitStack() as stack:
            stack.callback(self.backbone.register_forward_hook(at_end).remove)
            yield
        self.saved = [_storage(t)[0] in saved for t in handed_on]
        self.forward_peaks[-1] = max(self.forward_peaks[-1], self._take_peak())

    def _at_gradient(self, i: int, gradient: Tensor) -> None:
        self.backward_peaks[i + 1] = self._take_peak()
        # those at i on, until the gradient of those before arrives
        self.held.pop(i + 1, None)

    def finish(self) -> None:
        self.backward_peaks[1] = self._take_peak()
        self.held.clear()
        before = self.live.peak = self.live.current
        self.optimizer.step()
        self.update = self._take_peak() + self.static - before

    def to_profile(self, held_peaks: list, macs: int) -> StepProfile:
        trained = [p for p in self.model.parameters() if p.requires_grad]
        trained_bytes = sum(map(_bytes, trained))
        state = sum(
            _bytes(t) for t in _tensors(list(self.optimizer.state.values()))
        )
        places = [*zip(self.partitions, self.around)]
        kept = [self._find_kept(*place) for place in places]
        # the backbone's callers hold nothing; neck and heads do what they save
        kept.append(self._find_kept(self.partitions[-1], (), self.saved))
        # where they accumulate they are static
        is_new = not self.workload.accumulates
        gradients = [
            is_new * sum(_bytes(self.backbone.get_parameter(n)) for n in names)
            for names in (p.parameters[0] for p in self.partitions)
        ]
        return StepProfile(
            self.names,
            self.static,
            self.peak,
            macs,
            state / trained_bytes,
            self.forward,
            self.forward_peaks,
            self.backward_peaks,
            held_peaks,
            self.update,
            [0, *gradients, is_new * trained_bytes],
            [{}, *kept],
            self.outputs,
            [{}, *(self.inputs[name] for name in self.names), {}],
            self.features,
        )

    def _find_kept(
        self,
        partition: Partition,
        around: Collection[str],
        is_held: Optional[Sequence[bool]] = None,
    ) -> dict[int, int]:
        outputs = self.frozen.union(partition.closed_outputs)
        storages = dict(
            self.results[i] for i in outputs if is_held is None or is_held[i]
        )
        for name in (*partition.taps, *around):
            # a ModuleList around a boundary is not called
            storages.update(self.inputs.get(name, {}))
        return storages


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _storage(tensor: Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return storage._cdata, storage.nbytes()
