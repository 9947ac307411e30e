"""Where the sample world is: in the installed package, or in the checkout that it is run from."""

from pathlib import Path
from typing import Final

from slt.client.errors import WrongUse

HERE: Final = Path(__file__).parent

# The year of the sample world as its State would report it: by the day each report was made (label 003).
YEAR: Final = (
    *("XLF1-101", "XLF1-102", "XLR1-41", "XLS1-21", "XLS1-22", "XLF1-103", "XLF1-104", "XLF1-105", "XLR1-42"),
    *("XLF1-106", "XLR1-43", "XLF1-107", "XLR1-44", "XLR1-45", "XLS1-23", "XLS1-24", "XLF1-108", "XLF1-109"),
)


def sample_folder() -> Path:
    """The folder with world.toml, openings/ and the reports. Raises WrongUse when this installation has none."""
    for place in (HERE.parent / "sample", HERE.parents[3] / "tests" / "vectors" / "reports"):
        if (place / "world.toml").is_file():
            return place
    raise WrongUse("This installation has no sample world: write a world file and name it with --from WORLD.toml")
