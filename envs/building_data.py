"""A year of hourly weather, occupancy and electricity prices for `building-energy`, made, not measured.

Everything here is computed from published formulas, from the parameters below (chosen by us to be typical of a
kind of climate, of an office and of a tariff; no station's, building's or utility's data) and from seeded
first-order autoregressive noise. The same arguments give the same year on every machine, to rounding.

- Outdoor temperature: yearly and daily cosine, and noise that lasts for days.
- Ground temperature: the yearly cosine at a depth (Kusuda and Achenbach 1965, "Earth temperature and thermal
  diffusivity at selected stations in the United States", ASHRAE Transactions 71).
- Irradiance: the sun's position (Cooper 1969, "The absorption of radiation in solar stills", for the
  declination), a clear sky (Haurwitz 1945, "Insolation in relation to cloudiness and cloud density"), clouds and
  the diffuse share (Kasten and Czeplak 1980, "Solar and terrestrial radiation dependent on the amount and type of
  cloud"), and facades under an isotropic sky (Duffie and Beckman, "Solar Engineering of Thermal Processes").
- Occupancy: an office's weekdays. Price: a time-of-use tariff with noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from morl.errors import EnvError
from morl.registry import suggest

Series = NDArray[np.float64]

DAY, YEAR = 24, 24 * 365
"""Hours."""
FACADES = ("north", "east", "south", "west")
AZIMUTHS = np.radians([180.0, -90.0, 0.0, 90.0])
"""Of the facades' normals, from south, west positive."""

GROUND_DEPTH, GROUND_DIFFUSIVITY = 1.0, 0.05
"""Metres below the surface, and square metres a day, of moist soil."""
ALBEDO = 0.2
"""What the ground around the building reflects."""
LOWEST_SUN = np.sin(np.radians(3.0))
"""Sine of the elevation below which no beam reaches a facade: horizons are not that low."""
NIGHT_PRICE, DAY_PRICE, EVENING_PRICE = 0.10, 0.16, 0.28
"""Dollars per kWh: 22 to 7 h and weekends; weekdays 7 to 22 h, but 16 to 21 h the last."""
PRICE_NOISE, PRICE_PERSISTENCE = 0.1, 6.0
"""Standard deviation of the logarithm of prices, and the hours after which noise has fallen to 1/e."""
CLOUD_PERSISTENCE = 12.0
"""Hours."""


class Year(NamedTuple):
    """Hourly values, shape (8760,) where nothing else is said, hour 0 being the first of a Monday, 1 January."""

    outdoor: Series
    """Air temperature in °C."""
    ground: Series
    """Temperature below the building in °C."""
    irradiance: Series
    """(8760, 4) W/m² on vertical facades that face north, east, south, west."""
    horizontal: Series
    """Global horizontal irradiance in W/m²."""
    occupancy: Series
    """Share, in [0, 1], of the occupants who are in."""
    price: Series
    """Of electricity, in dollars per kWh; positive."""


@dataclass(frozen=True, kw_only=True)
class Climate:
    """What the weather of a place is like."""

    latitude: float
    """Degrees north."""
    mean: float
    """Of the outdoor temperature over the year, °C."""
    seasonal: float
    """Half the difference between the warmest and the coldest time of the year, K."""
    diurnal: float
    """Half the difference between afternoon and night, K."""
    noise: float
    """Standard deviation of the temperature around all that, K."""
    noise_persistence: float
    """Hours after which a deviation has fallen to 1/e."""
    cloudiness: float
    """Median share of the sky that clouds cover, in (0, 1)."""


CLIMATES = {
    "temperate": Climate(
        latitude=50, mean=10, seasonal=9, diurnal=4, noise=3, noise_persistence=48, cloudiness=0.75
    ),
    "mediterranean": Climate(
        latitude=33, mean=17.5, seasonal=5, diurnal=5, noise=2, noise_persistence=48, cloudiness=0.3
    ),
    "continental": Climate(
        latitude=45, mean=6, seasonal=17, diurnal=6, noise=4.5, noise_persistence=60, cloudiness=0.5
    ),
    "tropical": Climate(
        latitude=10, mean=27, seasonal=1.5, diurnal=4, noise=1, noise_persistence=36, cloudiness=0.5
    ),
}


def make_year(climate: str = "temperate", seed: int = 0) -> Year:
    """One year of the climate called `climate`; `seed` chooses the noise.

    Raises:
        EnvError: there is no such climate.
    """
    if climate not in CLIMATES:
        raise EnvError(
            f"expected one of the climates {', '.join(CLIMATES)}, got {climate!r}.{suggest(climate, CLIMATES)}"
        )
    place = CLIMATES[climate]
    # One generator for each series, so that a change to one leaves the others as they are.
    weather, clouds, prices = np.random.default_rng(seed).spawn(3)
    hour = np.arange(YEAR)
    noise = autoregressive(weather, place.noise_persistence)
    daily = place.diurnal * np.cos(2 * np.pi * (hour - 15) / DAY)  # warmest at 15 h
    outdoor = place.mean + place.seasonal * _season(hour) + daily + place.noise * noise
    horizontal, irradiance = _irradiance(place, autoregressive(clouds, CLOUD_PERSISTENCE))
    return Year(
        outdoor=outdoor,
        ground=ground_temperature(place),
        irradiance=irradiance,
        horizontal=horizontal,
        occupancy=office_occupancy(),
        price=tariff() * np.exp(PRICE_NOISE * autoregressive(prices, PRICE_PERSISTENCE)),
    )


def autoregressive(rng: np.random.Generator, persistence: float) -> Series:
    """A stationary Gaussian AR(1) series (8760,), mean 0, variance 1, correlation exp(-1 / persistence).

    It is made circular, so that the year's last hour leads to its first like any hour to the next.
    """
    keep = np.exp(-1.0 / persistence)
    shocks = rng.standard_normal(YEAR)
    # x[t] = keep * x[t - 1] + sqrt(1 - keep^2) * shock[t] on a ring is a circular convolution.
    transfer = np.sqrt(1.0 - keep**2) / (1.0 - keep * np.exp(-2j * np.pi * np.arange(YEAR // 2 + 1) / YEAR))
    return np.fft.irfft(np.fft.rfft(shocks) * transfer, n=YEAR)


def _season(hour: Series | NDArray[np.int64], lag: float = 0.0) -> Series:
    """The yearly cosine, -1 on 15 January plus `lag` days."""
    return -np.cos(2 * np.pi * (hour / DAY - 14.0 - lag) / 365.0)


def ground_temperature(place: Climate) -> Series:
    """Kusuda and Achenbach's wave: with depth it falls by exp(-d) and lags by 365 d / 2 pi days."""
    damping = GROUND_DEPTH * np.sqrt(np.pi / (365.0 * GROUND_DIFFUSIVITY))
    lag = 365.0 * damping / (2 * np.pi)
    return place.mean + place.seasonal * np.exp(-damping) * _season(np.arange(YEAR), lag)


def sun(latitude: float) -> tuple[Series, Series, Series]:
    """The direction of the sun in the middle of each hour: components up, to the south, to the west, (8760,).

    Negative `up` is night. Hours are solar time.
    """
    middle = np.arange(YEAR) + 0.5
    day = middle // DAY + 1
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + day) / 365)
    angle = 2 * np.pi * (middle % DAY - 12) / DAY
    phi = np.radians(latitude)
    up = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(angle)
    south = np.sin(phi) * np.cos(declination) * np.cos(angle) - np.cos(phi) * np.sin(declination)
    return up, south, np.cos(declination) * np.sin(angle)


def _irradiance(place: Climate, noise: Series) -> tuple[Series, Series]:
    """Global horizontal irradiance (8760,) and that on the facades (8760, 4), W/m²; `noise` moves clouds."""
    up, south, west = sun(place.latitude)
    cloud = norm.cdf(norm.ppf(place.cloudiness) + noise)
    sine = up.clip(min=1e-6)
    clear = np.where(up > 0, 1098.0 * sine * np.exp(-0.057 / sine), 0.0)
    total = clear * (1.0 - 0.75 * cloud**3.4)
    diffuse = total * (0.3 + 0.7 * cloud**2)
    beam = np.where(up > LOWEST_SUN, (total - diffuse) / sine, 0.0)
    towards = south[:, None] * np.cos(AZIMUTHS) + west[:, None] * np.sin(AZIMUTHS)
    # A vertical wall sees half of the sky and half of the ground.
    return total, beam[:, None] * towards.clip(min=0.0) + (diffuse + ALBEDO * total)[:, None] / 2


def office_occupancy() -> Series:
    """Weekdays: people come from 7 to 9 h, a fifth goes out from 12 to 13 h, all leave from 17 to 19 h."""
    profile = np.zeros(DAY)
    profile[[7, 8]] = 0.3, 0.8
    profile[9:17] = 1.0
    profile[12] = 0.8
    profile[[17, 18]] = 0.6, 0.2
    return np.where(_is_weekday(), np.tile(profile, 365), 0.0)


def tariff() -> Series:
    """The price of each hour without noise."""
    hour = np.arange(YEAR) % DAY
    price = np.where((hour >= 7) & (hour < 22), DAY_PRICE, NIGHT_PRICE)
    price = np.where((hour >= 16) & (hour < 21), EVENING_PRICE, price)
    return np.where(_is_weekday(), price, NIGHT_PRICE)


def _is_weekday() -> NDArray[np.bool_]:
    return np.arange(YEAR) // DAY % 7 < 5


def check_year(year: Year) -> Year:
    """`year` as float64 arrays.

    Raises:
        EnvError: a series has another shape or a value that is not finite, or prices are not positive.
    """
    checked = Year(*(np.asarray(series, dtype=np.float64) for series in year))
    for name, series in checked._asdict().items():
        expected = (YEAR, len(FACADES)) if name == "irradiance" else (YEAR,)
        if series.shape != expected or not np.isfinite(series).all():
            raise EnvError(
                f"expected finite numbers of shape {expected} for {name}, got shape {series.shape}; "
                "make_year shows the format"
            )
    if not (checked.price > 0).all():
        raise EnvError(f"expected positive prices, got {checked.price.min()}")
    return checked
