"""When things are done, in the time of this host: the part of the day in which a copy may begin ("22:00-06:00"), and the
Sundays on which copies are compared by content. Pure."""

import re
from time import struct_time


def minutes(window: str) -> tuple[int, int]:
    """Return its first minute of the day, and the one after its last. Raise ValueError if it is no window."""
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)", window.strip())
    if not match:
        raise ValueError("is no part of the day: 22:00-06:00")
    first, last = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if first == last:
        raise ValueError("is no part of the day: it ends where it begins")
    return first, last


def is_open(window: str, now: struct_time) -> bool:
    """Tell whether a moment is in the window; it always is, if there is none."""
    if not window:
        return True
    first, last = minutes(window)
    moment = now.tm_hour * 60 + now.tm_min
    return first <= moment < last if first < last else moment >= first or moment < last


def is_sunday_for(how_often: str, now: struct_time) -> bool:
    """Tell whether a day is the one for what is done weekly or monthly; never, if it is done not at all."""
    return now.tm_wday == 6 and (how_often == "weekly" or (how_often == "monthly" and now.tm_mday <= 7))
