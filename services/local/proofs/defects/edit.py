"""An edit: a few words of one file that are replaced by others."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.local.refusals import Refusal


class EditMisplaced(Refusal):
    """The source has changed under an edit: what it replaces is not there exactly once."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One replacement in one file; `file` is relative to the root of the checkout."""

    file: str
    old: str
    new: str
    worn_by: tuple[str, ...] = ()
    """The services that run this code; without a word the one whose folder it is in."""

    @property
    def services(self) -> tuple[str, ...]:
        """The services that must be started again to run the edited code."""
        return self.worn_by or (Path(self.file).parts[1],)

    def applied(self, text: str) -> str:
        """The text after the edit.

        :raises EditMisplaced: the text does not have the old words exactly once.
        """
        if text.count(self.old) != 1:
            raise EditMisplaced(
                f"{self.file} has these words {text.count(self.old)} times instead of once:\n{self.old}"
            )
        return text.replace(self.old, self.new)


def edited(root: Path, edits: Iterable[Edit]) -> dict[Path, str]:
    """What the edited files say, by their paths below `root`; several edits of one file follow one another.

    :raises EditMisplaced: an edit does not fit its file.
    """
    texts: dict[Path, str] = {}
    for edit in edits:
        path = root / edit.file
        texts[path] = edit.applied(texts.get(path) or path.read_text())
    return texts
