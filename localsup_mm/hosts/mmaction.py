"""MMAction2."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Optional

from mmengine.config import Config
from torch import nn

from .aux_nets import make_decoder, narrow
from .config_parts import find_head, read_argument
from .host import Host
from .image_size import find_transforms
from .known_hosts import register_host

__all__ = ['MMAction']

# transforms and the argument that is the size of what they return
_SIZES = {
    'CenterCrop': 'crop_size',
    'MultiScaleCrop': 'input_size',
    'RandomCrop': 'size',
    'Resize': 'scale',
    'ThreeCrop': 'crop_size',
}
# of a head: what its labels mean
_LABEL_ARGUMENTS = ('loss_cls', 'multi_class', 'label_smooth_eps')


@register_host
class MMAction(Host):
    """Action recognition: a class for each video.

    What enters a 3D backbone are clips; a 2D one gets the frames of all
    videos side by side, as if they were images.
    """

    scope = 'mmaction'
    # mmaction2 1.2.0 with the folder that its wheel lacks
    distribution = 'otxmmaction2'
    head_names = result_heads = ('cls_head',)
    # top-k accuracies, in the loss
    reads_values = True
    sampled_blocks = MappingProxyType(dict(pool=True))

    def make_data_sample(self, cfg: Config, size: tuple[int, int]) -> Any:
        """Make a label of class 0."""
        from mmaction.structures import ActionDataSample

        return ActionDataSample().set_gt_label(0)

    def make_input_shape(
        self,
        cfg: Config,
        batch_size: int,
        image_channels: int,
        size: Sequence[int],
    ) -> tuple[int, ...]:
        """Find how many clips or frames of a video a batch has.

        Returns:
            tuple[int, ...]: ``(B, N, C, T, H, W)`` for N clips, or ``(B, N,
            C, H, W)`` for N frames.
        """
        num_frames = num_clips = layout = None
        for transform in find_transforms(cfg):
            if 'clip_len' in transform:
                num_frames = transform['clip_len']
                num_clips = transform.get('num_clips', 1)
            layout = transform.get('input_format', layout)
        if num_frames is None or layout not in ('NCHW', 'NCTHW'):
            raise ValueError(
                '`train_dataloader.dataset.pipeline` should have SampleFrames '
                'with a clip_len and FormatShape with the input_format NCHW '
                f'or NCTHW, but got clip_len={num_frames} and {layout!r}. '
                'Choose the config of a recognizer of RGB frames.'
            )
        if layout == 'NCHW':
            return batch_size, num_clips * num_frames, image_channels, *size
        return batch_size, num_clips, image_channels, num_frames, *size

    def find_image_size(self, cfg: Config) -> tuple[int, int]:
        """Find the size that the last crop or resize of a pipeline gives."""
        found: Optional[tuple[int, int]] = None
        names = []
        for transform in find_transforms(cfg):
            name = str(transform['type']).rsplit('.', 1)[-1]
            names.append(name)
            size = transform.get(_SIZES.get(name, ''))
            if name == 'Resize' and transform.get('keep_ratio', True):
                continue
            if size is not None:
                width, height = (size, size) if isinstance(size, int) else size
                found = height, width
        if found is None:
            raise ValueError(
                '`train_dataloader.dataset.pipeline` should crop or resize to '
                f'a known size, but got {names}. Give `image_size` yourself '
                '(e.g. by --size HxW).'
            )
        return found

    def make_aux_net(
        self, width: int, stride: int, num_classes: int
    ) -> dict[str, Any]:
        """Make a decoder and a classifier of three convs.

        Both work at the features' rate.
        """
        return dict(
            decoder=make_decoder(
                (width, narrow(width)), stride, frame_stride='feature'
            ),
            aux_neck=dict(
                type='ConvPool',
                num_convs=3,
                channels=(width, 2 * width, 8 * width),
                kernel_sizes=(1, 3, 1),
                strides=(1, 2, 1),
            ),
            # its consensus is over the frames, or clips, of a video
            aux_head=dict(
                type='mmaction.TSNHead',
                num_classes=num_classes,
                spatial_type=None,
                dropout_ratio=0.0,
                loss_cls=dict(type='CrossEntropyLoss'),
            ),
            min_stride=stride,
        )

    def follow_own_head(self, cfg: Config, aux_nets: dict) -> None:
        """Take over the loss, and whether a video has several labels."""
        own = find_head(cfg, self.result_heads) or {}
        head = aux_nets['aux_head']
        for name in _LABEL_ARGUMENTS:
            default = read_argument(head, name, self.scope)
            value = read_argument(own, name, self.scope, default)
            if value != default:
                head[name] = value

    def compute_head_loss(
        self, head: nn.Module, feats: tuple, data_samples: Any
    ) -> dict:
        """Compute the losses of a head; a video may be several inputs.

        The host's heads are told how many. Others get its label for each.
        """
        from mmaction.models.heads import BaseHead

        if data_samples is None:
            return super().compute_head_loss(head, feats, data_samples)
        x = feats[-1]
        num_views = len(x) // len(data_samples)
        if isinstance(head, BaseHead):
            return head.loss(x, data_samples, num_segs=num_views)
        samples = [s for s in data_samples for _ in range(num_views)]
        return super().compute_head_loss(head, feats, samples)
