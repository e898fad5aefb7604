"""Probes: estimates of what the features of a trained network hold."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Optional

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import ModuleList
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ..hosts import find_host
from ..planning import find_candidates
from ..simulation import build_host_model
from ..supervision import LocalModule, record_features, set_normalization
from ..tracing import trace_backbone
from .probe_tally import ProbeTally, sum_losses

__all__ = ['Probes', 'make_probes']

# of Adam, at the start
_LEARNING_RATE = 2e-3


class Probes(nn.Module):
    """Aux nets that learn from the features of a network that is frozen.

    At each boundary a decoder rebuilds the image and an aux head tells the
    labels. What they reach on images that they have not learned from bounds
    from below what the features hold of both. The network is not changed.

    Source: `InfoPro <https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR
    2021, section 3.1 and figure 2. Differences: the aux nets are those that
    :func:`localize` would take, the same at each boundary, in place of a
    ResNet-32.

    Args:
        model (nn.Module): The host's model; it is put into evaluation mode
            and its parameters are frozen.
        local_modules (Sequence[LocalModule]): The aux nets, one at each
            boundary.
    """

    def __init__(
        self, model: nn.Module, local_modules: Sequence[LocalModule]
    ) -> None:
        super().__init__()
        # not a child, which would make it a part of these probes
        self._model = [model.eval().requires_grad_(False)]
        self.local_modules = ModuleList(local_modules)
        self.local_modules.init_weights()
        set_normalization(self, model.data_preprocessor)

    def fit(
        self,
        batches: Iterable[dict],
        iterations: int,
        on_step: Callable[[int, float], None] = lambda i, loss: None,
    ) -> None:
        """Train the probes, each by its own losses.

        Args:
            batches (Iterable[dict]): Those of a data loader; they are gone
                through as often as need be.
            iterations (int): How many batches to learn from.
            on_step (Callable): Called with the number of iterations done and
                the sum of all losses. Defaults to nothing.
        """
        self.train()
        optimizer = torch.optim.Adam(self.parameters(), lr=_LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, iterations
        )
        for i, batch in enumerate(_repeat(batches, iterations), 1):
            inputs, data_samples, feats = self._extract(batch)
            optimizer.zero_grad()
            total = 0.0
            for probe, h in zip(self.local_modules, feats):
                loss = sum_losses(probe.loss(h, inputs, data_samples))
                loss.backward()
                total += float(loss.detach())
            optimizer.step()
            schedule.step()
            on_step(i, total)

    @torch.no_grad()
    def evaluate(self, batches: Iterable[dict]) -> list[dict[str, Any]]:
        """Measure what the probes tell of images.

        Args:
            batches (Iterable[dict]): Those of a data loader; not those that
                the probes have learned from.

        Returns:
            list[dict]: For each boundary its ``boundary`` by name and
            ``stride``; ``image``, the share of the variance of pixels that
            the decoder explains, at most 1; ``label_loss``, the mean of the
            head's losses; ``accuracy`` in percent, where the head reports
            one. Without a head the last two are None.
        """
        self.eval()
        tallies = [ProbeTally() for _ in self.local_modules]
        for batch in batches:
            inputs, data_samples, feats = self._extract(batch)
            for probe, h, tally in zip(self.local_modules, feats, tallies):
                losses = probe.loss(h, inputs, data_samples)
                tally.add_losses(losses, len(inputs))
                logits = probe.decoder(
                    (probe.to_feature_map(h, inputs),), inputs.shape[-2:]
                )
                target = F.adaptive_avg_pool2d(
                    probe.decoder.restore(inputs), logits.shape[-2:]
                )
                tally.add_images(logits.sigmoid(), target)
        return [
            dict(
                boundary=probe.boundary.name,
                stride=probe.boundary.stride,
                **tally.summarize(),
            )
            for probe, tally in zip(self.local_modules, tallies)
        ]

    def _extract(self, batch: dict) -> tuple[Tensor, Any, list[Tensor]]:
        """Compute the features at all boundaries."""
        (model,) = self._model
        # as in evaluation: no mixed images
        data = model.data_preprocessor(batch, False)
        feats = record_features(
            model.backbone,
            data['inputs'],
            [probe.boundary.name for probe in self.local_modules],
            with_context=True,
        )
        return data['inputs'], data['data_samples'], feats


def make_probes(
    cfg: Config,
    model: nn.Module,
    image_size: tuple[int, int],
    num_boundaries: Optional[int] = None,
) -> Probes:
    """Put probes where the backbone of a model can be cut.

    Args:
        cfg (Config): The config of a training, locally supervised or not.
        model (nn.Module): Its model, with trained weights.
        image_size (tuple[int, int]): H and W, in pixels.
        num_boundaries (int, optional): At how many places, evenly along the
            backbone; the last is its end. Defaults to None: at all.

    Returns:
        Probes: They have a head where the host's losses tell something of
        labels alone, which those of a detector do not.

    Raises:
        ValueError: If ``num_boundaries`` is below 1.
    """
    if num_boundaries is not None and num_boundaries < 1:
        raise ValueError(
            '`num_boundaries` should be at least 1, but got '
            f'{num_boundaries}. Leave it out for all.'
        )
    host = find_host(cfg)
    aux_nets = host.make_default_aux_nets(cfg, image_size)[0]
    # at each boundary the same, of full resolution
    aux_nets.pop('min_stride', None)
    stride = host.find_first_stride(image_size)
    aux_nets['decoder']['target_stride'] = stride
    if host.reads_values:
        aux_nets = dict(decoder=aux_nets['decoder'])
    else:
        host.report_accuracy(aux_nets['aux_head'])
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        plain = build_host_model(cfg, is_local=False).backbone
        trace = trace_backbone(plain, image_size)
        names = [*find_candidates(plain, trace)]
        end = [*trace.boundaries][-1]
        if not end.startswith(f'{names[-1]}.') and end != names[-1]:
            names.append(end)
        return Probes(
            model,
            [
                LocalModule(trace.boundaries[name], **aux_nets)
                for name in _choose(names, num_boundaries)
            ],
        )


def _choose(names: list[str], number: Optional[int]) -> list[str]:
    """Choose names evenly from the end on."""
    if number is None or number >= len(names):
        return names
    step = len(names) / number
    return [names[round((i + 1) * step) - 1] for i in range(number)]


def _repeat(batches: Iterable[dict], number: int) -> Iterator[dict]:
    done = 0
    while done < number:
        for batch in batches:
            yield batch
            done += 1
            if done == number:
                return
