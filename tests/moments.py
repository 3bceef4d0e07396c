"""Moments that tests speak of, in Shanghai."""

from datetime import datetime

from models.clock import SHANGHAI

TUESDAY_EVENING = datetime(2026, 11, 17, 19, 30, tzinfo=SHANGHAI)
"""When the demo community of the documents is looked at."""
SATURDAY = datetime(2026, 11, 21, 9, 0, tzinfo=SHANGHAI)
