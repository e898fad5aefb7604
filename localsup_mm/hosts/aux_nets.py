"""Cheap aux nets for networks of all hosts."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Optional, Union

from mmengine.config import Config

__all__ = ['METHODS', 'MakesAuxNets', 'make_decoder', 'narrow']

METHODS = ('infopro', 'greedy', 'dgl', 'contsup', 'auglocal', 'man')
# blocks of AugLocal's aux nets at the first boundary, from many to few
_DEPTHS = (4, 3, 2, 1)
# (width, stride at the finest) from large to small: half as wide and half the
# resolution in turns; the stride is in units of the first one
_SIZES = ((32, 1), (32, 2), (16, 2), (16, 4), (8, 4), (8, 8))


class MakesAuxNets(ABC):
    """The part of a :class:`Host` that makes aux nets for its task.

    Attributes:
        scope (str): See :class:`Host`.
        context_supply (Mapping): See :class:`Host`.
        sampled_blocks (Mapping): Arguments of :class:`SampledBlocks` in front
            of aux heads of its task. Defaults to none.
    """

    scope: str
    context_supply: Mapping[str, Any]
    sampled_blocks: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def find_num_classes(self, cfg: Config) -> int:
        """See :class:`Host`."""

    @abstractmethod
    def find_image_size(self, cfg: Config) -> tuple[int, int]:
        """See :class:`Host`."""

    @abstractmethod
    def make_aux_net(
        self, width: int, stride: int, num_classes: int
    ) -> dict[str, Any]:
        """Make a cheap decoder and aux head for its task.

        Args:
            width (int): Unit of their channels, 8 to 32.
            stride (int): The finest stride that they work at, in pixels.
            num_classes (int): Classes of the task.

        Returns:
            dict[str, Any]: ``decoder``, ``aux_neck``, ``aux_head`` and other
            arguments of :func:`expand_local_modules`.
        """

    def find_first_stride(self, image_size: Sequence[int]) -> int:
        """Find the finest stride that aux nets work at, for an H and W."""
        return 4

    def follow_own_head(  # noqa: B027 - a host need not
        self, cfg: Config, aux_nets: dict
    ) -> None:
        """Let an aux head read labels as the network's own head does.

        What says what labels mean goes over, such as the label that is
        ignored, and the loss; not what says how the head is built.

        Args:
            cfg (Config): The config of a training.
            aux_nets (dict): Those of :meth:`make_aux_net`, changed in place.
        """

    def make_default_aux_nets(
        self, cfg: Config, image_size: Optional[Sequence[int]] = None
    ) -> list[dict]:
        """Make cheap aux nets for a network that has none, in several sizes.

        Those of one size work at one resolution: features, target and labels
        of a finer one are averaged or subsampled. The largest cost a few
        percent of a ResNet-50 at each boundary; :func:`choose_aux_nets` takes
        the first that the network can afford.

        Args:
            cfg (Config): The config of a training.
            image_size (Sequence[int], optional): H and W, in pixels. Defaults
                to None: :meth:`find_image_size`.

        Returns:
            list[dict]: Aux nets as :meth:`make_aux_net` makes them, from
            large to small.

        Raises:
            ValueError: If the number of classes is unknown.
        """
        num_classes = self.find_num_classes(cfg)
        first = self.find_first_stride(image_size or self.find_image_size(cfg))
        sizes = [
            self.make_aux_net(width, stride * first, num_classes)
            for width, stride in _SIZES
        ]
        for aux_nets in sizes:
            self.follow_own_head(cfg, aux_nets)
        return sizes

    def make_aux_nets(
        self, cfg: Config, method: str, image_size: Sequence[int]
    ) -> tuple[list[dict], Optional[dict]]:
        """Make aux nets and context of a method.

        Args:
            cfg (Config): The config of a training.
            method (str): One of ``METHODS``.
            image_size (Sequence[int]): H and W, in pixels.

        Returns:
            tuple[list[dict], Optional[dict]]: Arguments of
            :func:`expand_local_modules` from large to small aux nets, and
            ``context_supply``.

        Raises:
            ValueError: If the method has no aux nets for the host's task.
        """
        if method == 'dgl':
            others = [name for name in METHODS if name != 'dgl']
            raise ValueError(
                f'`method` should be one of {others} for {self.scope}, but '
                "got 'dgl', whose aux nets classify images. Choose one of "
                'those.'
            )
        sizes = self.make_default_aux_nets(cfg, image_size)
        if method == 'auglocal':
            del sizes[0]['decoder']
            sizes[0].pop('min_stride', None)
            neck = dict(type='SampledBlocks', **self.sampled_blocks)
            return [
                dict(sizes[0], aux_neck=dict(neck, depth=depth))
                for depth in _DEPTHS
            ], None
        if method == 'man':
            block = dict(type='MomentumBlock')
            sizes = [dict(nets, shared_neck=block) for nets in sizes]
        if method == 'infopro':
            # lambda_1 falls with depth, as in the published settings
            weights = [[1.5, 1.0], [0.5, 1.0]]
            return [dict(nets, loss_weights=weights) for nets in sizes], None
        for aux_nets in sizes:
            del aux_nets['decoder']
        context = dict(self.context_supply) if method == 'contsup' else None
        return sizes, context


def make_decoder(
    channels: tuple[int, ...], stride: Union[int, str], **kwargs: Any
) -> dict[str, Any]:
    """Make the config of a decoder that rebuilds a small image.

    Args:
        channels (tuple[int]): Channels of its hidden convs.
        stride (int | str): ``target_stride`` of the decoder.
        **kwargs (Any): Further arguments of :class:`ReconstructionDecoder`.

    Returns:
        dict[str, Any]: The config.
    """
    return dict(
        type='ReconstructionDecoder',
        channels=channels,
        target_stride=stride,
        **kwargs,
    )


def narrow(width: int) -> int:
    """Find the channels of a decoder's last hidden conv: 12 behind 32.

    Args:
        width (int): Channels of the conv before it.

    Returns:
        int: The channels, at least 8.
    """
    return max(12 * width // 32, 8)
