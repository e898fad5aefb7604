"""The interface between this package and a library of networks."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Optional

from mmengine.config import Config
from torch import nn

from .data_checks import DataChecks
from .find_classes import find_classes
from .image_size import find_image_size

__all__ = ['METHODS', 'Host']

METHODS = ('infopro', 'greedy', 'dgl', 'contsup')
# (width, stride at the finest) from large to small: half as wide and half the
# resolution in turns; the stride is in units of the first one
_SIZES = ((32, 1), (32, 2), (16, 2), (16, 4), (8, 4), (8, 8))


class Host(DataChecks, ABC):
    """A library of networks, data sets and configs for one kind of task.

    All that is special to a host is said by one subclass of this, in one
    file, which :func:`register_host` makes known. It has to say

    - ``scope``,
    - the labels of an image: :meth:`make_data_sample`,
    - aux nets for its task: :meth:`make_aux_net`,

    and whatever else is different from the defaults here.

    Attributes:
        scope (str): Name of its Python package, and ``default_scope`` of its
            configs.
        distribution (str, optional): Its name for pip, for the message where
            it is not installed. Defaults to None: it is always there.
        head_names (Collection[str]): Names of the submodules of its models
            whose ``num_classes`` is that of the data set. Defaults to
            ``('head',)``.
        result_heads (Collection[str]): Places in a model's config of the head
            whose ``num_classes`` is that of the task. The first that is
            there counts. Defaults to ``('head',)``.
        label_maps (Collection[str]): Fields of its data samples with
            ``data`` of a class for each pixel, ``(1, H, W)``. Defaults to
            ().
        reads_values (bool): Whether its losses read values of features, as
            where boxes are assigned by what is predicted. They cannot be
            simulated on fake tensors then. Defaults to False: it is tried.
        context_supply (Mapping): Arguments of :class:`ContextSupply` for its
            networks. Defaults to ``'r1e'`` with encoders that pool before
            their wide conv, since images are large.
    """

    scope: str
    distribution: Optional[str] = None
    head_names: Collection[str] = ('head',)
    result_heads: Collection[str] = ('head',)
    label_maps: Collection[str] = ()
    reads_values: bool = False
    context_supply: Mapping[str, Any] = MappingProxyType(
        dict(mode='r1e', pool_first=True)
    )

    @abstractmethod
    def make_data_sample(self, cfg: Config, size: tuple[int, int]) -> Any:
        """Make labels of one image; they are the same each time.

        Args:
            cfg (Config): The config of a training.
            size (tuple[int, int]): H and W of the image, in pixels.

        Returns:
            Any: The image's labels, as heads of this host take them.
        """

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

    def make_data_samples(self, cfg: Config, shape: Sequence[int]) -> Any:
        """Make labels of a batch.

        Args:
            cfg (Config): The config of a training.
            shape (Sequence[int]): ``(B, 3, H, W)`` of the images.

        Returns:
            Any: The batch's labels, as models of this host take them.
        """
        size = (shape[2], shape[3])
        return [self.make_data_sample(cfg, size) for _ in range(shape[0])]

    def find_num_classes(self, cfg: Config) -> int:
        """Find the number of classes, without a detector's background.

        Args:
            cfg (Config): The config of a training.

        Returns:
            int: The number.

        Raises:
            ValueError: If no head says it.
        """
        return find_classes(cfg, self.result_heads)

    def find_image_size(self, cfg: Config) -> tuple[int, int]:
        """Find height and width of the images, see :func:`find_image_size`.

        Args:
            cfg (Config): The config of a training.

        Returns:
            tuple[int, int]: Height and width, in pixels.

        Raises:
            ValueError: If the config does not say it.
        """
        return find_image_size(cfg)

    def find_first_stride(self, image_size: Sequence[int]) -> int:
        """Find the finest stride that aux nets work at, for an H and W."""
        return 4

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
        return [
            self.make_aux_net(width, stride * first, num_classes)
            for width, stride in _SIZES
        ]

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
            raise ValueError(
                "`method` should be 'infopro', 'greedy' or 'contsup' for "
                f"{self.scope}, but got 'dgl', whose aux nets classify "
                'images. Choose one of those.'
            )
        sizes = self.make_default_aux_nets(cfg, image_size)
        if method == 'infopro':
            # lambda_1 falls with depth, as in the published settings
            weights = [[1.5, 1.0], [0.5, 1.0]]
            return [dict(nets, loss_weights=weights) for nets in sizes], None
        for aux_nets in sizes:
            del aux_nets['decoder']
        context = dict(self.context_supply) if method == 'contsup' else None
        return sizes, context

    def compute_head_loss(
        self, head: nn.Module, feats: tuple, data_samples: Any
    ) -> dict:
        """Compute the losses of an aux head.

        Args:
            head (nn.Module): One of its heads.
            feats (tuple[Tensor]): Features, as the head takes them.
            data_samples (Any): Labels of the batch.

        Returns:
            dict: The losses, and other values that the head logs.
        """
        return head.loss(feats, data_samples)

    def save_predictions(self, cfg: Config, out: str) -> None:
        """Let a test save its predictions.

        Args:
            cfg (Config): The config of a test, changed in place.
            out (str): The file to write.

        Raises:
            ValueError: If ``out`` is no ``.pkl`` file.
        """
        if not out.endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'`out` should be a .pkl file, but got {out!r}. '
                'Only segmentation writes a folder of images.'
            )
        dump = dict(type='DumpResults', out_file_path=out)
        evaluator = cfg.test_evaluator
        evaluators = evaluator if isinstance(evaluator, list) else [evaluator]
        cfg.test_evaluator = [*evaluators, dump]
