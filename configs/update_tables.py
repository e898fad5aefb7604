"""Write the metafiles and the tables of published numbers in the READMEs.

    python configs/update_tables.py
    python configs/update_tables.py --check

A published number stands once, in ``localsup_mm/published/{method}.yml``;
batch sizes and lengths of training stand in the configs. After a change of
either run this script. With ``--check`` it writes nothing and fails where a
file is not up to date.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.fileio import dump, load

ROOT = Path(__file__).parents[1]
METHODS = (
    'auglocal',
    'contsup',
    'dgl',
    'e2e',
    'greedy',
    'infopro',
    'man',
    'miniature',
    'predsim',
)
DATASETS = {
    'cifar10': 'CIFAR-10',
    'cifar10-small': 'CIFAR-10, 16 x 16',
    'cifar10-half': 'CIFAR-10, 16 x 16, five classes',
    'svhn': 'SVHN',
    'stl10': 'STL-10',
    'imagenet': 'ImageNet-1k',
    'cityscapes': 'Cityscapes',
    'camvid': 'CamVid',
    'camvid-small': 'CamVid, 240 x 180',
    'ade20k': 'ADE20K',
    'coco': 'COCO',
    'coco-mini': 'COCO Mini',
    'mini-cityscapes': 'Mini Cityscapes (generated)',
    'kinetics400': 'Kinetics-400',
    'mini-videos': 'Mini Videos (generated)',
}
# how a metric begins, and its task
TASKS = {
    'mIoU': 'Semantic Segmentation',
    'box': 'Object Detection',
    'mask': 'Instance Segmentation',
    'acc': 'Action Recognition',
    '': 'Image Classification',
}
# the networks of InfoPro's Table 2
NETWORKS = {
    ('resnet32', 'cifar10'): 'CIFAR-10, ResNet-32',
    ('resnet110', 'cifar10'): 'CIFAR-10, ResNet-110',
    ('densenet-bc-100-12', 'cifar10'): 'CIFAR-10, DenseNet-BC-100-12',
    ('resnet110', 'svhn'): 'SVHN, ResNet-110',
    ('resnet110', 'stl10'): 'STL-10, ResNet-110',
}
SEGMENTATION = (
    'mIoU SS',
    'mIoU MS',
    'mIoU MS+Flip',
    'memory (GB)',
    'overhead (%)',
)
CIFAR = ('error', 'memory (GB)', 'overhead (%)')
IMAGENET = ('top-1 error', 'top-5 error', 'memory (GB)', 'overhead (%)')
TRANSFORMERS = ('top-1 accuracy (mmpretrain)', 'mIoU (mmsegmentation)')
DETECTION = ('box AP (mmdetection)', 'mask AP (mmdetection)')
RECOGNITION = ('accuracy (mmaction2)', 'accuracy, top 5 (mmaction2)')


def read_published(method: str) -> dict:
    """Read the published settings and results of a method."""
    return load(ROOT / 'localsup_mm' / 'published' / f'{method}.yml')


def read_config(method: str, stem: str) -> Config:
    """Read a config."""
    return Config.fromfile(ROOT / 'configs' / method / f'{stem}.py')


def find_dataset(stem: str) -> str:
    """Tell the data set of a config from its name."""
    return DATASETS[stem.rpartition('_')[2]]


def write_metafile(
    method: str, read: Callable[[str, str], Config] = read_config
) -> str:
    """Write the metafile of a method.

    Args:
        method (str): Name of its folder.
        read (Callable): Reads the config of a method and a name.

    Returns:
        str: The text of ``metafile.yml``.
    """
    published = read_published(method)
    stems = sorted(p.stem for p in (ROOT / 'configs' / method).glob('*.py'))
    there = {find_dataset(stem) for stem in stems}
    collection = {
        'Name': published['name'],
        'License': 'Apache License 2.0',
        'Metadata': {
            'Training Data': [d for d in DATASETS.values() if d in there]
        },
    }
    if 'paper' in published:
        collection['Paper'] = {
            'Title': published['paper']['title'],
            'URL': published['paper']['url'],
        }
    collection['README'] = f'configs/{method}/README.md'
    collection['Frameworks'] = ['PyTorch']
    models = [
        {
            'Name': f'{method}_{stem}',
            'In Collection': published['name'],
            'Config': f'configs/{method}/{stem}.py',
            **_describe(stem, read(method, stem), published),
        }
        for stem in stems
    ]
    head = '# Written by configs/update_tables.py: do not edit it here.\n'
    content = {'Collections': [collection], 'Models': models}
    return head + dump(content, file_format='yaml', sort_keys=False, width=999)


def _describe(stem: str, cfg: Config, published: dict) -> dict:
    batch = cfg.auto_scale_lr.base_batch_size
    metadata = {'Training Data': find_dataset(stem), 'Batch Size': batch}
    if 'max_iters' in cfg.train_cfg:
        metadata['Iterations'] = cfg.train_cfg.max_iters
    else:
        metadata['Epochs'] = cfg.train_cfg.max_epochs
    if batch != cfg.train_dataloader.batch_size:
        metadata['GPUs'] = batch // cfg.train_dataloader.batch_size
    found = dict(published.get('results', {}).get(stem, {}))
    found.pop('overhead (%)', None)
    if 'memory (GB)' in found:
        metadata['Published Memory (GB)'] = found.pop('memory (GB)')
    metadata.update(published.get('costs', {}).get(stem, {}))
    metrics = {}
    for name, value in found.items():
        task = next(t for start, t in TASKS.items() if name.startswith(start))
        metrics.setdefault(task, {})[f'published {name}'] = value
    results = [
        {'Task': task, 'Dataset': find_dataset(stem), 'Metrics': numbers}
        for task, numbers in metrics.items()
    ]
    return {'Metadata': metadata, **({'Results': results} if results else {})}


def write_tables(method: str) -> list[str]:
    """Write the tables in the README of a method.

    Args:
        method (str): Name of its folder.

    Returns:
        list[str]: Tables in Markdown, each with a first line of its own.
    """
    e2e = _prefix('e2e', read_published('e2e')['results'])
    published = read_published(method)
    own = _prefix(method, published.get('results', {}))
    more = published.get('without_config', {})
    if method == 'infopro':
        both = {**e2e, **own}
        asynchronous = {p: own[p] for p in own if '_async_' in p}
        return [
            _list_settings(published['settings']),
            _list('Cityscapes', SEGMENTATION, _pick(both, 'mIoU SS')),
            _compare_k(own, ('softmax', 'contrast')),
            _list('InfoPro*', CIFAR, _pick(both, *CIFAR[:2])),
            _list('Asy-InfoPro', CIFAR[:1], _pick(asynchronous, 'error')),
            _list('ImageNet', IMAGENET, _pick(both, 'top-1 error')),
        ]
    if method == 'e2e':
        rows = {**_pick(own, 'mIoU SS'), **more}
        return [
            _list('Cityscapes', SEGMENTATION[:4], rows),
            _list('CIFAR-10, SVHN, STL-10', CIFAR, _pick(own, 'error')),
            _list('ImageNet', IMAGENET[:3], _pick(own, 'top-1 error')),
            _list('COCO', DETECTION, _pick(own, DETECTION[0])),
            _list('Kinetics-400', RECOGNITION, _pick(own, RECOGNITION[0])),
            _list(
                'transformers',
                TRANSFORMERS,
                {k: v for m in TRANSFORMERS for k, v in _pick(own, m).items()},
            ),
        ]
    if method == 'dgl':
        tables = [_list('Cityscapes', SEGMENTATION[:3], more)]
    elif method == 'greedy':
        tables = [_list('CIFAR-10, deeper than ResNet-110', CIFAR[:1], more)]
    else:
        tables = []
    return [_compare_k(own), *tables] if own else []


def _prefix(method: str, results: dict) -> dict:
    return {f'{method}/{stem}.py': row for stem, row in results.items()}


def _pick(results: dict, *metrics: str) -> dict:
    return {
        f'`{path}`': row
        for path, row in results.items()
        if all(metric in row for metric in metrics)
    }


def _list(title: str, metrics: Sequence[str], rows: dict[str, dict]) -> str:
    lines = [[title, *metrics]]
    for label, row in rows.items():
        lines.append([label, *(show(row.get(m), m) for m in metrics)])
    return _join(lines)


def _list_settings(settings: dict[str, dict]) -> str:
    names = next(iter(settings.values()))
    rows = (
        [name, *(show(s[name], '') for s in settings.values())]
        for name in names
    )
    return _join([['published', *(f'`{s}.py`' for s in settings)], *rows])


def _compare_k(results: dict, losses: Sequence[str] = ()) -> str:
    ks = (2, 4, 8, 16)
    lines = [['error', *(f'K={k}' for k in ks)]]
    method = next(iter(results)).partition('/')[0]
    for (network, dataset), label in NETWORKS.items():
        for loss in losses or ('',):
            variant = f'_{loss}' if loss else ''
            paths = (
                f'{method}/{network}_k{k}{variant}_{dataset}.py' for k in ks
            )
            errors = [results[path]['error'] for path in paths]
            lines.append([f'{label}, {loss}'.rstrip(', '), *errors])
    return _join(lines)


def show(value: Any, metric: str) -> str:
    """Write the value of a metric as the tables have it."""
    if value is None:
        return '-'
    if isinstance(value, list):
        return ' x '.join(map(str, value))
    if isinstance(value, float) and metric:
        return f'{value:.{1 if "AP" in metric or "%" in metric else 2}f}'
    return str(value)


def _join(lines: Iterable[Sequence[str]]) -> str:
    head, *rows = [f'| {" | ".join(line)} |' for line in lines]
    rule = '| --- ' * (head.count('|') - 1) + '|'
    return '\n'.join([head, rule, *rows])


def replace_table(text: str, table: str) -> str:
    """Replace the table of a page that has the same first line.

    Raises:
        ValueError: If the page has no such table.
    """
    first = table.splitlines()[0]
    lines = text.split('\n')
    if first not in lines:
        raise ValueError(
            f'the README should have a table that begins {first!r}, but it '
            'has none. Write this line where the table belongs.'
        )
    start = stop = lines.index(first)
    while stop < len(lines) and lines[stop].startswith('|'):
        stop += 1
    return '\n'.join([*lines[:start], table, *lines[stop:]])


def write_all() -> dict[Path, str]:
    """Write the text of each metafile and each README as it should be."""
    files = {}
    for method in METHODS:
        folder = ROOT / 'configs' / method
        files[folder / 'metafile.yml'] = write_metafile(method)
        text = (folder / 'README.md').read_text()
        for table in write_tables(method):
            text = replace_table(text, table)
        files[folder / 'README.md'] = text
    return files


def main() -> int:
    """Write the files, or check them; return 1 where one is not current."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args()
    files = write_all()
    stale = [path for path, text in files.items() if path.read_text() != text]
    for path in stale:
        if not args.check:
            path.write_text(files[path])
        is_now = 'is not up to date' if args.check else 'is written anew'
        print(path.relative_to(ROOT), is_now)
    return int(args.check and bool(stale))


if __name__ == '__main__':
    sys.exit(main())
