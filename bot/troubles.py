"""Messages that met a bug, as they lie in the books until they are replayed: JSON, with the photos in base64."""

import base64
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from handlers.chat import Incoming, Quote
from models.photos import Photo
from models.places import Location


def kept(incoming: Incoming) -> dict[str, Any]:
    """The message as JSON can hold it."""
    fields = asdict(incoming)
    fields["at"] = incoming.at.isoformat() if incoming.at else None
    fields["photos"] = [
        {"content": base64.b64encode(photo.content).decode(), "media_type": photo.media_type}
        for photo in incoming.photos
    ]
    return fields


def revived(fields: Mapping[str, Any]) -> Incoming:
    """The message that was kept, by this release or an earlier one."""
    photos = [Photo(base64.b64decode(one["content"]), one["media_type"]) for one in fields.get("photos", ())]
    given = {
        "at": datetime.fromisoformat(fields["at"]) if fields["at"] else None,
        "quote": Quote(**fields["quote"]) if fields["quote"] else None,
        "location": Location(**fields["location"]) if fields.get("location") else None,
        "photos": tuple(photos),
    }
    return Incoming(**{**fields, **given})
