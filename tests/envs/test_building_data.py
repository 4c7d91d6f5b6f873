"""The made year: its formulas against known cases, its noise against what is claimed of it."""

from __future__ import annotations

import numpy as np
import pytest

from morl.envs.building_data import (
    CLIMATES,
    DAY,
    YEAR,
    autoregressive,
    ground_temperature,
    make_year,
    office_occupancy,
    sun,
    tariff,
)


def test_a_year_is_reproducible_and_its_numbers_are_these() -> None:
    first, again, other = make_year(seed=0), make_year(seed=0), make_year(seed=1)
    for name, series in first._asdict().items():
        np.testing.assert_array_equal(series, getattr(again, name))
        changed = (series != getattr(other, name)).any()
        assert changed == (name in ("outdoor", "irradiance", "horizontal", "price"))
    noon = 172 * DAY + 12
    values = [first.outdoor[noon], first.ground[noon], first.horizontal[noon], first.price[noon]]
    assert values == pytest.approx([20.5365424, 14.0198141, 904.000462, 0.153163439], rel=1e-7)
    facades = [255.301742, 255.301742, 539.982425, 332.603457]
    assert first.irradiance[noon] == pytest.approx(facades, rel=1e-7)


@pytest.mark.parametrize("persistence", [6.0, 48.0])
def test_noise_has_its_variance_and_persistence_all_around_the_year(persistence: float) -> None:
    series = [autoregressive(np.random.default_rng(seed), persistence) for seed in range(60)]
    noise = np.array(series)
    assert noise.std() == pytest.approx(1.0, abs=0.02) and abs(noise.mean()) < 0.05
    keep = np.exp(-1.0 / persistence)
    shocks = np.array([np.random.default_rng(seed).standard_normal(YEAR) for seed in range(60)])
    # The recursion, which holds from the last hour to the first as well.
    np.testing.assert_allclose(
        noise, keep * np.roll(noise, 1, axis=1) + np.sqrt(1 - keep**2) * shocks, atol=1e-10
    )


@pytest.mark.parametrize("latitude", [0.0, 33.0, 50.0])
def test_the_sun_stands_where_it_stands(latitude: float) -> None:
    up, south, west = sun(latitude)
    np.testing.assert_allclose(up**2 + south**2 + west**2, 1.0, atol=1e-12)
    # Summer solstice, day 172: 90 - latitude + 23.45 degrees at noon; the hours' middles miss it by 7.5 degrees.
    for day, declination in ((172, 23.45), (355, -23.45)):
        hours = slice((day - 1) * DAY, day * DAY)
        noon = np.degrees(np.arcsin(np.sin(np.radians(90 - abs(latitude - declination)))))
        assert np.degrees(np.arcsin(up[hours].max())) == pytest.approx(noon, abs=4.0)
        # Sunrise equation: cos(w) = -tan(latitude) tan(declination); 15 degrees an hour.
        cosine = -np.tan(np.radians(latitude)) * np.tan(np.radians(declination))
        assert (up[hours] > 0).sum() == pytest.approx(2 * np.degrees(np.arccos(cosine)) / 15, abs=1.0)
    morning = np.arange(YEAR) % DAY < 12
    assert (west[morning] < 0).all() and (west[~morning] > 0).all()


def test_irradiance_follows_the_sun() -> None:
    year = make_year("mediterranean")
    up, south, west = sun(33.0)
    assert not year.horizontal[up <= 0].any() and not year.irradiance[up <= 0].any()
    assert (year.irradiance >= 0).all() and year.horizontal.max() < 1098
    morning, evening = year.irradiance[west < 0].sum(axis=0), year.irradiance[west > 0].sum(axis=0)
    assert morning[1] > 1.5 * evening[1] and evening[3] > 1.5 * morning[3]
    # The south facade gains most in winter, when the sun is low; the north never sees a low sun in winter.
    winter, summer = np.arange(YEAR) < 60 * DAY, np.abs(np.arange(YEAR) / DAY - 172) < 30
    assert year.irradiance[winter, 2].mean() > year.irradiance[summer, 2].mean()
    diffuse_only = (south > 0) & (up > 0)
    ratio = year.irradiance[diffuse_only, 0] / year.horizontal[diffuse_only]
    # Sky and ground, by half each: between (0.3 + 0.2) / 2 under a clear sky and (1 + 0.2) / 2 under clouds.
    assert 0.25 - 1e-9 <= ratio.min() < 0.3 and 0.5 < ratio.max() <= 0.6 + 1e-9


@pytest.mark.parametrize("climate", CLIMATES)
def test_temperatures_follow_the_climate(climate: str) -> None:
    place = CLIMATES[climate]
    years = [make_year(climate, seed) for seed in range(8)]
    outdoor = np.array([year.outdoor for year in years])
    assert outdoor.mean() == pytest.approx(place.mean, abs=1.0)
    daily = outdoor.reshape(8, 365, DAY)
    assert np.ptp(daily.mean(axis=(0, 1))) == pytest.approx(2 * place.diurnal, rel=0.1)
    assert daily.mean(axis=(0, 1)).argmax() == 15
    middle = daily[:, np.r_[0:30, 167:212]].mean(axis=2)
    assert middle[:, 30:].mean() - middle[:, :30].mean() == pytest.approx(2 * place.seasonal, abs=1.5)
    ground = ground_temperature(place)
    damping = np.sqrt(np.pi / (365 * 0.05))
    assert np.ptp(ground) / 2 == pytest.approx(place.seasonal * np.exp(-damping), rel=1e-3)
    assert ground.argmin() / DAY == pytest.approx(14 + 365 * damping / (2 * np.pi), abs=0.1)


def test_people_and_prices_keep_office_hours() -> None:
    occupancy, price = (series.reshape(365, DAY) for series in (office_occupancy(), tariff()))
    weekend = np.arange(365) % 7 >= 5
    assert not occupancy[weekend].any() and (price[weekend] == 0.10).all()
    assert not occupancy[:, :7].any() and not occupancy[:, 19:].any()
    assert occupancy[0, [7, 8, 9, 12, 16, 17, 18]].tolist() == [0.3, 0.8, 1.0, 0.8, 1.0, 0.6, 0.2]
    assert price[0].tolist() == [0.10] * 7 + [0.16] * 9 + [0.28] * 5 + [0.16] + [0.10] * 2
    noisy = np.log(make_year().price / tariff())
    assert noisy.std() == pytest.approx(0.1, rel=0.1)
