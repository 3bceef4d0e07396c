"""Where a machine keeps a font with Chinese letters."""

from collections.abc import Sequence
from pathlib import Path

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
)
CHINESE = (
    "wqy", "notosanscjk", "notoserifcjk", "notosanssc", "sourcehan", "lxgw", "simsun", "simhei", "msyh", "pingfang",
    "heiti", "songti", "droidsansfallback", "uming", "ukai",
)  # fmt: skip
"""How the files of fonts with Chinese begin, in lower case and without marks."""


def find_font(folders: Sequence[str] = FOLDERS) -> Path | None:
    """The first font with Chinese letters; None where there is none."""
    for folder in folders:
        here = Path(folder).expanduser()
        for path in (*sorted(here.rglob("*.tt[cf]")), *sorted(here.rglob("*.otf"))):
            if path.name.lower().replace("-", "").replace("_", "").startswith(CHINESE):
                return path
    return None
