"""The learning rate's factor, schedule by schedule."""

from __future__ import annotations

import itertools
import math
import typing

import pytest

from lorad.daemon.training.schedule import CHOOSY, learning_rates, refuse_schedule
from lorad.shared.errors import WrongValue
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.sections import Schedule


def factors(schedule: str = "", steps: int = 100, train: str = "") -> list[float]:
    recipe = parse_recipe(
        f'name = "a"\n[data]\npath = "p"\n[train]\n{train}\n[schedule]\n{schedule}'
    )
    factor = learning_rates(recipe, steps)
    forwards = [factor(step) for step in range(steps)]
    assert [factor(step) for step in reversed(range(steps))] == forwards[::-1]  # it keeps nothing
    return forwards


def named(name: str, more: str = "") -> list[float]:
    return factors(f'lr_scheduler = "{name}"\nlr_warmup_steps = 0\n{more}')


def test_it_warms_up_for_a_tenth_and_never_rests() -> None:
    cosine = factors()
    assert cosine[0] == pytest.approx(0.1)
    assert cosine[9] == cosine[10] == 1.0
    assert all(a >= b for a, b in itertools.pairwise(cosine[10:]))
    assert 0 < cosine[-1] < 0.01
    assert factors(steps=20_000)[498:501] == [pytest.approx(499 / 500), 1.0, 1.0]
    assert factors('lr_scheduler = "constant"') == [1.0] * 100
    assert factors("lr_warmup_steps = 0")[0] == 1.0
    assert factors(steps=1) == [1.0]


def test_constant_with_warmup_stays_up() -> None:
    rates = factors('lr_scheduler = "constant_with_warmup"\nlr_warmup_steps = 4')
    assert rates == [0.25, 0.5, 0.75] + [1.0] * 97


def test_linear_and_polynomial_come_down() -> None:
    assert named("linear")[50] == pytest.approx(0.5)
    squared = named("polynomial", "lr_power = 2.0")
    assert squared[50] == pytest.approx(0.25, abs=1e-3)
    assert named("polynomial")[50] == pytest.approx(0.5, abs=1e-3)


def test_cosine_restarts_as_often_as_it_says() -> None:
    rates = named("cosine_with_restarts", "lr_num_cycles = 4")
    assert [rates[step] for step in (0, 25, 50, 75)] == [1.0] * 4
    assert rates[24] < 0.01


def test_cosine_with_min_lr_ends_at_its_floor() -> None:
    rates = named("cosine_with_min_lr", "min_lr_ratio = 0.2")
    assert rates[0] == 1.0
    assert rates[50] == pytest.approx(0.6)
    assert rates[99] == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi * 0.99)) / 2)
    assert min(rates) >= 0.2


def test_warmup_stable_decay_has_three_parts() -> None:
    rates = factors(
        'lr_scheduler = "warmup_stable_decay"\nlr_warmup_steps = 10\nlr_decay_steps = 40\n'
        "min_lr_ratio = 0.1"
    )
    assert rates[0] == pytest.approx(0.1 + 0.9 * 0.1)
    assert rates[9:61] == [1.0] * 52
    assert rates[80] == pytest.approx(0.55)
    assert 0.1 <= rates[99] < 0.11
    fifth = factors('lr_scheduler = "warmup_stable_decay"')
    assert fifth[80] == 1.0
    assert fifth[81] < 1.0


def test_more_warmup_and_decay_than_steps_is_a_sentence() -> None:
    with pytest.raises(WrongValue, match=r"lr_decay_steps.*10 steps of warm-up and 91 of decay"):
        factors('lr_scheduler = "warmup_stable_decay"\nlr_decay_steps = 91')


def test_a_rate_below_polynomials_own_floor_is_a_sentence() -> None:
    with pytest.raises(WrongValue, match=r"`train\.learning_rate` does not fit.*ends at 1e-7"):
        factors('lr_scheduler = "polynomial"', train="learning_rate = 1e-8")


KINDS = typing.get_args(typing.get_type_hints(Schedule)["lr_scheduler"])


@pytest.mark.parametrize("name", sorted({*KINDS} - {*CHOOSY}))
def test_schedules_that_are_not_asked_take_every_number(name: str) -> None:
    for steps in (1, 3):
        factors(f'lr_scheduler = "{name}"', steps=steps, train="learning_rate = 1e-9")


def test_the_others_are_refused_before_a_run() -> None:
    text = 'name = "a"\n[data]\npath = "p"\n[train]\n[schedule]\nlr_decay_steps = 90\n'
    recipe = parse_recipe(f'{text}lr_scheduler = "warmup_stable_decay"')
    refuse_schedule(recipe, 100)
    with pytest.raises(WrongValue, match="are more than the 80"):
        refuse_schedule(recipe, 80)
