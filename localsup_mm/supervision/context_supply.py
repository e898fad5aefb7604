"""Context for later local modules, beside the features handed to them."""

import operator
from collections.abc import Mapping, Sequence
from functools import partial, reduce
from typing import Any, Optional

from mmengine.model import BaseModule, ModuleDict, ModuleList
from torch import Tensor, nn

from ..tracing import Partition
from ..upstream import find_version
from .context_encoders import FeatureEncoder, ImageEncoder
from .context_mode import parse_context_mode
from .load_state_dict import check_encoders
from .local_supervision import find_image

__all__ = ['ContextSupply']


class ContextSupply(BaseModule):
    """Context encoders at the boundaries of a locally supervised backbone.

    A local module cannot recover what an earlier one threw away, since no
    gradient asks that one for it. So each local module but the first gets,
    added to the features of the one before it, encodings of the image
    (``e``), of the inputs of the n local modules before it (``r{n}``), or of
    both (``r{n}e``). At boundary k the inputs u of the local modules are

        ``u_k = h_k + E_k(x) + sum over j < n of R_kj(u_{k-1-j})``,

    each source detached: an encoder learns from the loss of the local module
    it feeds, and no gradient crosses a boundary. The image counts as input
    of local module 0 where there is no ``e``; with it, ``r{n}`` has none.
    The local losses at boundary k read h_k, all behind it u_k: neck and heads
    too, where the boundary ends a stage whose output they get.

    The encoders are part of the network: they run at inference too, and stay
    in exported checkpoints. Attached to the backbone as its child
    ``context_supply``.

    Source: `ContSup <https://arxiv.org/abs/2312.07636>`_, section 3;
    authors' code ``cont_sup_node.py``. Differences: only encoders that the
    mode uses are built; the size to pool to is that of the features at run
    time; the sum is out of place; any n; token features, whose class and
    register tokens get nothing; biases start from 0, which the norm behind
    them makes no difference.

    Args:
        backbone (nn.Module): Locally supervised.
        partition (Partition): Where it is cut.
        mode (str): ``'e'``, ``'r{n}'`` or ``'r{n}e'``; ``'r0'`` supplies
            nothing. Defaults to 'r1e'.
        channels (int): Hidden width of the image encoders; the authors'
            ``widen`` times 12. Defaults to 12.
        pool_first (bool): Whether to pool before the wide conv of an encoder
            rather than behind it. Not equivalent, and our own: much cheaper
            on large images. Defaults to False.
        norm_cfg (dict, optional): Norm layer, as the hosts write it.
            Defaults to None: plain batch norm.

    Attributes:
        sources (dict): Inputs of local modules, by index, that encoders may
            still ask for, and their versions; that of local module 0 is the
            image. Empty but for the time of a forward pass.
        only (int, optional): The one boundary at which encoders run; None,
            as it is at first, lets all of them run.

    Raises:
        ValueError: If the mode is unknown; in the forward pass, if features
            at a boundary are no feature map or image tokens; on loading, if
            a checkpoint has other encoders, but not if it has none at all.
        RuntimeError: If a source was changed in place behind its boundary,
            or a boundary runs once more behind the forward pass.
    """

    def __init__(
        self,
        backbone: nn.Module,
        partition: Partition,
        mode: str = 'r1e',
        channels: int = 12,
        pool_first: bool = False,
        norm_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(
            [
                dict(type='Kaiming', layer=['Conv2d', 'Conv3d']),
                dict(type='Constant', layer=['_BatchNorm'], val=1),
            ]
        )
        self.mode = mode
        parsed = parse_context_mode(mode)
        self.num_sources, self.has_image = parsed.num_sources, parsed.has_image
        self.boundaries = partition.boundaries
        # channels of the image, then of the input of each local module
        widths = [
            self.boundaries[0].image_channels,
            *(boundary.channels for boundary in self.boundaries),
        ]
        self.encoders = ModuleList()
        for k, boundary in enumerate(self.boundaries):
            own = ModuleDict()
            if self.has_image:
                own['image'] = ImageEncoder(
                    widths[0],
                    channels,
                    boundary.channels,
                    pool_first,
                    norm_cfg,
                    boundary.num_dims,
                )
            for j in self._find_sources(k):
                own[f'r{j + 1}'] = FeatureEncoder(
                    widths[k - j],
                    boundary.channels,
                    pool_first,
                    norm_cfg,
                    boundary.num_dims,
                )
            self.encoders.append(own)
        self.sources: dict[int, tuple[Tensor, Optional[int]]] = {}
        self.only: Optional[int] = None
        # Behind the hooks of LocalSupervision, which hand on h.detach().
        backbone.register_forward_pre_hook(self._at_start, with_kwargs=True)
        for k, boundary in enumerate(self.boundaries):
            backbone.get_submodule(boundary.name).register_forward_hook(
                partial(self._at_boundary, k)
            )
        backbone.register_forward_hook(self._at_end, always_call=True)

    def forward(self, x: Any) -> Any:
        """Hand on: ``nn.Sequential`` calls every child, this one too."""
        return x

    def _find_sources(self, k: int) -> range:
        """Say how far back the sources of ``r{n}`` at boundary k lie.

        0 is the input of the local module that ends there; the image, input
        of local module 0, is left out where ``e`` encodes it already.
        """
        oldest = k if self.has_image else k + 1
        return range(min(self.num_sources, oldest))

    def _at_start(
        self, backbone: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        self.sources = {}
        self.keep_input(0, find_image(args, kwargs))

    def _at_boundary(
        self, k: int, module: nn.Module, args: tuple, h: Tensor
    ) -> Optional[Tensor]:
        encoders = self.encoders[k]
        if not encoders or self.only not in (None, k):
            return None
        if not self.sources:
            raise RuntimeError(
                f'`boundary` {self.boundaries[k].name!r} should run within '
                'the forward pass for context_supply, but got a run behind '
                'it. Let recompute, or activation_checkpointing, name parts '
                'of local modules only, or set with_cp=True of the backbone.'
            )
        image = self.find_input(0)
        boundary = self.boundaries[k]
        size = self._find_size(k, h, image)
        context = reduce(
            operator.add,
            (
                encoder(
                    image if name == 'image' else self._source(k, name), size
                )
                for name, encoder in encoders.items()
            ),
        )
        u = boundary.add_feature_map(h, context)
        # held no longer than a later boundary asks for it
        if k + 1 == len(self.boundaries):
            self.sources = {}
        elif self.num_sources:
            self.keep_input(k + 1, u)
            if k + 1 > self.num_sources:
                del self.sources[k + 1 - self.num_sources]
        return u

    def _source(self, k: int, name: str) -> Tensor:
        local_module = k + 1 - int(name.removeprefix('r'))
        source = self.find_input(local_module)
        if local_module == 0:
            return source
        return self.boundaries[local_module - 1].to_feature_map(
            source, self.find_input(0)
        )

    def keep_input(self, local_module: int, tensor: Tensor) -> None:
        """Keep the input of a local module for encoders behind it."""
        tensor = tensor.detach()
        self.sources[local_module] = tensor, find_version(tensor)

    def find_input(self, local_module: int) -> Tensor:
        """Return the input of a local module, as it entered it.

        It is no copy, so an in-place operation that begins the local module
        would change it; torch counts such changes.
        """
        tensor, version = self.sources[local_module]
        if local_module and version != find_version(tensor):
            name = self.boundaries[local_module - 1].name
            raise RuntimeError(
                '`boundary` should not lie right before an in-place operation'
                f' for context_supply mode {self.mode!r}, but got {name!r}. '
                'Choose the module that does the operation.'
            )
        return tensor

    def _find_size(self, k: int, h: Tensor, image: Tensor) -> Sequence[int]:
        boundary = self.boundaries[k]
        feature_map = boundary.to_feature_map(h, image)
        batch, channels, *size = feature_map.shape
        expected = size[-2] * image.shape[-1] / image.shape[-2]
        # convs without padding lose a few pixels
        if (batch, channels) != (len(image), boundary.channels) or abs(
            size[-1] - expected
        ) > 2 + size[-1] / 4:
            raise ValueError(
                f'`boundary` {boundary.name!r} should give features (B, '
                f'{boundary.channels}, h, w) in the shape of the images, or '
                'tokens of them, for context_supply, but got '
                f'{tuple(h.shape)} from images {tuple(image.shape)}. Choose '
                'another boundary.'
            )
        return size

    def _at_end(self, backbone: nn.Module, args: tuple, outputs: Any) -> None:
        self.sources = {}

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any
    ) -> None:
        found = {k: v for k, v in state_dict.items() if k.startswith(prefix)}
        if found:  # else that of a plain network, to start from
            own = {f'{prefix}{k}': v for k, v in self.state_dict().items()}
            check_encoders(own, found)
        super()._load_from_state_dict(state_dict, prefix, *args)
