"""Named time zones for a server's tables, computed from the machine's own time zone data.

RDS has them loaded. Here are those that its parameter `time_zone` takes, and some that applications like to name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dev.sandbox.mysql.sessions import AdminSession

__all__ = ["PARAMETER_VALUES", "load_time_zones"]

# What AWS's documentation lists as values of the parameter.
_CITIES = {
    "Africa": "Cairo Casablanca Harare Monrovia Nairobi Tripoli Windhoek",
    "America": (
        "Araguaina Asuncion Bogota Buenos_Aires Caracas Chihuahua Cuiaba Denver Fortaleza Guatemala "
        "Halifax Manaus Matamoros Monterrey Montevideo Phoenix Santiago Tijuana"
    ),
    "Asia": (
        "Amman Ashgabat Baghdad Baku Bangkok Beirut Calcutta Damascus Dhaka Irkutsk Jerusalem Kabul "
        "Karachi Kathmandu Krasnoyarsk Magadan Manila Muscat Novosibirsk Riyadh Seoul Shanghai "
        "Singapore Taipei Tehran Tokyo Ulaanbaatar Vladivostok Yakutsk Yerevan"
    ),
    "Atlantic": "Azores",
    "Australia": "Adelaide Brisbane Darwin Hobart Perth Sydney",
    "Brazil": "DeNoronha East",
    "Canada": "Newfoundland Saskatchewan Yukon",
    "Europe": (
        "Amsterdam Athens Dublin Helsinki Istanbul Kaliningrad Madrid Moscow Paris Prague Rome Sarajevo"
    ),
    "Pacific": "Auckland Fiji Guam Honolulu Samoa",
    "US": "Alaska Central East-Indiana Eastern Pacific",
}
PARAMETER_VALUES = (
    *(f"{region}/{city}" for region, cities in _CITIES.items() for city in cities.split()),
    "UTC",
)
_OTHERS = (
    "America/Chicago",
    "America/Los_Angeles",
    "America/New_York",
    "Europe/Berlin",
    "Europe/London",
    "GMT",
)
_FIRST, _LAST = 0, 2_145_916_800  # 1970 to 2038, where the server's table ends on 5.7
_STEP = 7 * 86_400

_Type = tuple[int, int, str]
"""Offset, whether it is a summer time, abbreviation."""


def load_time_zones(session: AdminSession) -> None:
    """Fill the server's tables of time zones; a zone that this machine does not know is left out."""
    names, transitions, types = [], [], []
    for number, name in enumerate((*PARAMETER_VALUES, *_OTHERS), start=1):
        try:
            zone = ZoneInfo(name)
        except ZoneInfoNotFoundError:
            continue
        names.append((name, number))
        known = [_type(zone, _FIRST)]
        for second, kind in _transitions(zone):
            if kind not in known:
                known.append(kind)
            transitions.append((number, second, known.index(kind)))
        types += [(number, index, *kind) for index, kind in enumerate(known)]
    with session.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (%s, 'N')",
            [(number,) for _, number in names],
        )
        cursor.executemany("INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES (%s, %s)", names)
        cursor.executemany(
            "INSERT INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) "
            "VALUES (%s, %s, %s)",
            transitions,
        )
        cursor.executemany(
            "INSERT INTO mysql.time_zone_transition_type "
            "(Time_zone_id, Transition_type_id, Offset, Is_DST, Abbreviation) VALUES (%s, %s, %s, %s, %s)",
            types,
        )


def _transitions(zone: ZoneInfo) -> Iterator[tuple[int, _Type]]:
    before = _type(zone, _FIRST)
    for second in range(_FIRST + _STEP, _LAST, _STEP):
        after = _type(zone, second)
        if after != before:
            yield _first_with(zone, after, second - _STEP, second), after
            before = after


def _first_with(zone: ZoneInfo, new_type: _Type, without: int, having: int) -> int:
    while having - without > 1:
        middle = (without + having) // 2
        if _type(zone, middle) == new_type:
            having = middle
        else:
            without = middle
    return having


def _type(zone: ZoneInfo, second: int) -> _Type:
    moment = datetime.fromtimestamp(second, UTC).astimezone(zone)
    offset, summer = moment.utcoffset(), moment.dst()
    return (
        0 if offset is None else int(offset.total_seconds()),
        int(bool(summer)),
        (moment.tzname() or "")[:8],
    )
