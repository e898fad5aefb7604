"""The sweep over the hosts' configs, and the page that it writes."""

import sys

import pytest
from processes import ROOT, run_script

FOLDER = ROOT / 'benchmarks/host_configs'
sys.path.insert(0, str(FOLDER))

from list_configs import (  # noqa: E402
    find_family,
    group_configs,
    list_names,
    locate,
    name_paths,
)
from measure_config import measure  # noqa: E402
from records import append_record, read_records, write_records  # noqa: E402
from write_page import VERDICTS, make_page  # noqa: E402

RECORDS = ROOT / 'docs/logs/hosts.jsonl.gz'
FCN = 'mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py'
GIB = 2**30


def make_record(key, *configs, verdict='works', **figures):
    return dict(key=key, configs=[*configs], verdict=verdict, **figures)


PLAN = dict(
    num_local_modules=3, end_to_end=4 * GIB, peak_memory=GIB, seconds=5.0
)
SAMPLE = [
    make_record('a', 'mmseg::x/1.py', 'mmseg::x/2.py', **PLAN),
    make_record('b', 'mmseg::x/3.py', **{**PLAN, 'peak_memory': 2 * GIB}),
    make_record('c', 'mmdet::y/1.py', verdict='no cut', message='a | b'),
    make_record('d', 'mmdet::y/2.py', verdict='fails', message='KeyError'),
]


def test_the_page_is_current_with_the_records():
    records = list(read_records(RECORDS).values())
    assert {record['verdict'] for record in records} <= set(VERDICTS)
    assert (ROOT / 'docs/hosts.md').read_text() == make_page(records)


def test_page():
    page = make_page(SAMPLE)
    assert '\n| works | 3 | 0 | 0 | 3 | ' in page
    assert '\n| no cut | 0 | 1 | 0 | 1 | ' in page
    assert '\n| all | 3 | 2 | 0 | 5 |  |' in page
    assert '\n| x | 3 | 25 % to 50 % | 3 |' in page
    assert '\n| y | 1 | 1 |  |  |' in page
    assert r'| 1 | `mmdet::y/1.py` | a \| b |' in page


def test_records_are_kept_and_replaced(tmp_path):
    path = tmp_path / 'logs' / 'a.jsonl.gz'
    assert read_records(path) == {}
    for record in SAMPLE:
        append_record(path, record)
    append_record(path, dict(SAMPLE[3], verdict='works'))
    records = read_records(path)
    assert len(records) == 4
    assert records['d']['verdict'] == 'works'
    write_records(path, records.values())
    assert read_records(path) == records
    assert [*read_records(path)] == ['c', 'd', 'a', 'b']


def test_records_hold_no_paths():
    text = f"no 'a' in {locate(FCN)!r}"
    assert name_paths(text) == f"no 'a' in '{FCN}'"
    messages = [r.get('message', '') for r in read_records(RECORDS).values()]
    assert not [text for text in messages if 'site-packages' in text]


def test_half_a_record_is_no_record(tmp_path):
    path = tmp_path / 'a.jsonl'
    append_record(path, SAMPLE[0])
    path.write_text(path.read_text() + '{"key": "b", "con')
    assert [*read_records(path)] == ['a']


def test_configs_of_a_host():
    names = list(list_names(['mmseg']))
    assert FCN in names
    assert len(names) > 600
    assert not any('_base_' in name for name in names)
    assert find_family(FCN) == 'mmseg::fcn'


def test_the_same_network_is_measured_once():
    base = 'mmseg::pspnet/pspnet_r50-d8_4xb2-{}_cityscapes-512x1024.py'
    names = [base.format('40k'), base.format('80k'), FCN]
    groups = group_configs(names)
    assert [group.configs for group in groups] == [names[:2], [FCN]]


def test_what_trains_nothing_and_what_cannot_be_read(tmp_path):
    nothing, broken = tmp_path / 'nothing.py', tmp_path / 'broken.py'
    nothing.write_text("model = dict(type='A')")
    broken.write_text('a = b')
    groups = group_configs([str(nothing), str(broken)])
    verdicts = {group.name: group.verdict for group in groups}
    assert verdicts[str(nothing)] == 'trains nothing'
    assert verdicts[str(broken)].startswith('unreadable: NameError')


@pytest.fixture
def write(tmp_path):
    def write_child(name, text):
        path = tmp_path / f'{name}.py'
        path.write_text(f"_base_ = ['{FCN}']\n{text}")
        return str(path)

    return write_child


SMALL = """
train_pipeline = [dict(type='RandomCrop', crop_size=(64, 64))]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
"""


def test_verdicts(write):
    works = measure(write('works', SMALL.replace('64', '256')))
    assert works['verdict'] == 'works', works
    assert works['input_shape'] == [2, 3, 256, 256]
    assert works['peak_memory'] < works['end_to_end']
    refused = measure(
        write('refused', f"{SMALL}optim_wrapper = dict(type='Other')")
    )
    assert refused['verdict'] == 'refused'
    assert "'Other'" in refused['message']
    frozen = 'model = dict(backbone=dict(frozen_stages=4))'
    no_cut = measure(write('no_cut', f'{SMALL}{frozen}'))
    assert no_cut['verdict'] == 'no cut'
    unbuilt = measure(
        write('unbuilt', f'{SMALL}model = dict(backbone=dict(depth=7))')
    )
    assert unbuilt['verdict'] == 'host fails'
    assert unbuilt['message'].startswith('KeyError')
    beyond = 'model = dict(decode_head=dict(in_index=9))'
    fails = measure(write('fails', f'{SMALL}{beyond}'))
    assert fails['verdict'] == 'fails'


def test_what_a_host_does_not_train():
    name = 'mmpretrain::levit/levit-128_8xb256_in1k.py'
    found = measure(name)
    assert found['verdict'] == 'host fails'
    assert "doesn't support training in distillation" in found['message']


@pytest.mark.slow  # imports of all hosts
def test_a_measurement_that_takes_too_long(write):
    pytest.importorskip('resource')  # not on Windows
    from measure_apart import measure_apart

    found = measure_apart(write('a', SMALL), seconds=1)
    assert found['verdict'] == 'fails'
    assert found['message'] == 'it took longer than 1 s of the CPU'


@pytest.mark.slow  # processes of their own
def test_sweep_goes_on_where_it_stopped(write, tmp_path):
    configs = [write('a', SMALL), write('b', SMALL + "unknown = 'same'")]
    configs.append(
        write(
            'c',
            SMALL
            + 'model = dict(decode_head=dict(channels=8, in_channels=8))',
        )
    )
    words = ['--out', str(tmp_path / 'o.jsonl')]
    sweep = 'benchmarks/host_configs/sweep.py'
    done = run_script(sweep, configs[0], *words)
    assert '1 networks, 1 to measure' in done
    done = run_script(sweep, *configs, *words)
    # a config more in its group
    assert '2 networks, 2 to measure' in done
    done = run_script(sweep, *configs, *words)
    assert '2 networks, 0 to measure' in done
    done = run_script(sweep, *configs, *words, '--again', 'fails')
    assert '2 networks, 1 to measure' in done
    # a config that is grouped otherwise is not counted twice
    configs[2] = write('c', SMALL + 'train_dataloader = dict(batch_size=3)')
    run_script(sweep, *configs, *words)
    records = read_records(tmp_path / 'o.jsonl').values()
    assert sorted(c for r in records for c in r['configs']) == sorted(configs)
    page = tmp_path / 'page.md'
    run_script(sweep, *words, '--page', str(page))
    assert '# Configs of the hosts' in page.read_text()
