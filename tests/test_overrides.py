"""DGen.override belongs to the thread or the task that is inside it, and ends whatever the order; assignment is for all."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dgenlazy import DGen, Signal, Tensor


def in_thread(fn):
    """What `fn` returns in a thread of its own, which is inside of no override."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(fn).result()


@pytest.fixture
def session():
    """Assignments to the whole process, undone."""
    before = in_thread(lambda: (DGen.sample_rate, DGen.default_frame_count, DGen.seed))
    yield

    def undo():
        DGen.sample_rate, DGen.default_frame_count, DGen.seed = before

    in_thread(undo)


def test_threads_do_not_see_each_others_overrides():
    together, rates = threading.Barrier(4), (8000, 16000, 32000, 48000)

    def run(rate):
        seen = []
        for _ in range(50):
            with DGen.override(sample_rate=rate):
                together.wait()
                seen.append((DGen.sample_rate, round(100 / float(Signal.phasor(100.0).realize(2)[1]), -2)))
            together.wait()
        return set(seen), DGen.sample_rate

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(run, rates))
    for rate, (seen, after) in zip(rates, got):
        assert seen == {(rate, rate)}
        assert after == 44100
    assert DGen.sample_rate == 44100


def test_asyncio_tasks_do_not_see_each_others_overrides_and_keep_the_one_they_began_in():
    async def run(rate):
        seen = {DGen.sample_rate}
        with DGen.override(sample_rate=rate):
            for _ in range(5):
                await asyncio.sleep(0)
                seen.add(DGen.sample_rate)
        return seen, DGen.sample_rate

    async def late():
        before = DGen.sample_rate
        await asyncio.sleep(0.02)
        return before, DGen.sample_rate

    async def main():
        with DGen.override(sample_rate=11025):
            begun = asyncio.create_task(late())
            await asyncio.sleep(0)
        return await asyncio.gather(run(8000), run(16000), run(32000)), await begun

    got, begun = asyncio.run(main())
    assert got == [({44100, rate}, 44100) for rate in (8000, 16000, 32000)]
    assert begun == (11025, 11025)
    assert DGen.sample_rate == 44100


def suspended(rate, **more):
    with DGen.override(sample_rate=rate, **more):
        yield DGen.sample_rate


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1), (1, 2, 0)])
def test_overrides_that_end_in_any_order_leave_nothing_behind(order):
    running = [suspended(8000), suspended(16000), suspended(32000)]
    assert [next(g) for g in running] == [8000, 16000, 32000]
    left = [8000, 16000, 32000]
    for i in order:
        running[i].close()
        left[i] = None
        assert DGen.sample_rate == next((rate for rate in reversed(left) if rate), 44100)
    assert DGen.sample_rate == 44100


def test_an_override_that_is_given_up_ends_when_it_is_collected():
    generator = suspended(8000)
    next(generator)
    del generator
    gc.collect()
    assert DGen.sample_rate == 44100


def test_an_override_that_ends_in_another_thread_is_over_where_it_began():
    generator = suspended(8000)
    next(generator)
    in_thread(generator.close)
    assert DGen.sample_rate == 44100
    DGen.sample_rate = 22050
    assert DGen.sample_rate == 22050

    handed = in_thread(lambda: (g := suspended(8000), next(g))[0])
    assert DGen.sample_rate == 22050
    handed.close()
    assert DGen.sample_rate == 22050


def test_an_assignment_is_for_every_thread_but_those_inside_an_override(session):
    def assign():
        DGen.sample_rate, DGen.default_frame_count = 12345, 3
        return DGen.sample_rate

    assert in_thread(assign) == 12345
    assert in_thread(lambda: (DGen.sample_rate, Signal.constant(1.0).realize().shape)) == (12345, (3,))
    assert DGen.sample_rate == 44100  # overridden here, as in every test


def test_what_is_assigned_to_an_overridden_setting_ends_with_the_override_and_is_seen_in_it_alone():
    with DGen.override(sample_rate=8000):
        DGen.sample_rate = 4000
        assert (DGen.sample_rate, in_thread(lambda: DGen.sample_rate)) == (4000, 44100)
        with DGen.override(seed=1):
            DGen.sample_rate = 2000
        assert DGen.sample_rate == 2000
    assert DGen.sample_rate == 44100


def test_overrides_that_are_over_are_forgotten():
    gc.collect()
    before = len(vars(DGen))
    for rate in range(1, 100):
        with DGen.override(sample_rate=rate):
            assert DGen.sample_rate == rate
    assert len(vars(DGen)) == before


def test_each_override_of_the_seed_numbers_what_is_made_in_it_from_the_start():
    def numbers(count):
        return [Tensor.randn([2]).value.tolist() for _ in range(count)]

    DGen.seed = 7
    expected = numbers(6)
    DGen.seed = 7
    one, other = suspended(1, seed=7), suspended(2, seed=7)
    got = numbers(1)
    next(one)
    assert numbers(2) == expected[:2]
    next(other)
    assert numbers(3) == expected[:3]
    one.close()
    assert numbers(1) == expected[3:4]
    other.close()
    assert got + numbers(2) == expected[:3]


def test_numbers_of_many_threads_differ(session):
    def run(_):
        return [Tensor.randn([4]).value.tobytes() for _ in range(100)]

    with ThreadPoolExecutor(4) as pool:
        made = [x for xs in pool.map(run, range(4)) for x in xs]
    assert len(set(made)) == len(made)
