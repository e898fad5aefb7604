"""Sizes of memory as people write them."""

import pytest

from localsup_mm.metering import format_bytes, parse_bytes


@pytest.mark.parametrize(
    ('text', 'size'),
    [
        ('8GiB', 8 * 2**30),
        ('500 MiB', 500 * 2**20),
        ('2.5GB', 2_500_000_000),
        ('.5gib', 2**29),
        ('1024B', 1024),
        (4096, 4096),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text, 'memory_budget') == size


@pytest.mark.parametrize(
    'text', ['8', '8G', 'much', '-1GiB', '0MiB', '1iB', 0, -5, 2.5, True, None]
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match=rf'`memory_budget`.*{text!r}'):
        parse_bytes(text, 'memory_budget')


def test_sizes_are_written():
    assert format_bytes(round(2.55 * 2**30)) == '2.55 GiB'
    assert format_bytes(3 * 2**20) == '3.0 MiB'


@pytest.mark.parametrize('size', [2**30 + 1, 2_173_000_000, 10_400_000, 1])
def test_what_is_rounded_up_is_enough(size):
    assert (
        0
        <= parse_bytes(format_bytes(size, round_up=True), 'size') - size
        < 2**24
    )


def test_two_sizes_in_one_unit():
    assert format_bytes(2**26, unit_of=2**31) == '0.06 GiB'
    assert format_bytes(2**31, unit_of=2**26) == '2048.0 MiB'
    assert format_bytes(2**31 + 1, True, unit_of=2**26) == '2048.1 MiB'
