"""Where something is: a point on the map, and how far two of them lie apart.

A phone tells its place when its owner sends one. It is looked at once, for the distance, and never stored.
"""

import math
from dataclasses import dataclass

EARTH_METRES = 6_371_008.8
"""Mean radius."""


@dataclass(frozen=True, slots=True)
class Location:
    """A point in degrees, as the phone's map gives it (GCJ-02 in China, on every channel alike)."""

    latitude: float
    longitude: float
    label: str = ""
    """What the map calls the place, as the platform sends it; may be empty."""


def is_on_earth(latitude: float, longitude: float) -> bool:
    """Whether these are degrees of a place; no number is none."""
    return -90 <= latitude <= 90 and -180 <= longitude <= 180


def metres_between(one: Location, other: Location) -> float:
    """The distance along the ground, in metres (haversine)."""
    north, south = math.radians(one.latitude), math.radians(other.latitude)
    across = math.radians(one.longitude - other.longitude) / 2
    chord = math.sin((north - south) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(across) ** 2
    return 2 * EARTH_METRES * math.asin(min(1.0, math.sqrt(chord)))
