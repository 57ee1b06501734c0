"""What was chosen on validation clients: ``selection.json`` and ``algorithms.json``.

How it is chosen is in ``selection`` and ``server_rates``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from perfedavg.runtime.errors import reading
from perfedavg.storage.files import read_json, write_json
from perfedavg.storage.tables import VALIDATION

EQUAL_ROUNDS, EQUAL_GRADIENTS = "equal rounds", "equal gradient evaluations"
"""The two bases on which algorithms are compared."""
BASES = (EQUAL_ROUNDS, EQUAL_GRADIENTS)


@dataclass(frozen=True)
class SettingChoice:
    """The fine-tune epoch selected for a setting (None: all its runs diverged) and the mean
    accuracies on validation clients, before fine-tuning and after that epoch."""

    selected_epoch: int | None
    initial_accuracy: float | None
    personalized_accuracy: float | None
    num_runs: int
    num_diverged: int


@dataclass(frozen=True)
class Selection:
    """``selection.json``: by setting what is selected, the best settings of the grid (claim C3),
    and by kind of Reptile's server optimizer the setting chosen."""

    num_clients: int
    settings: dict[str, SettingChoice]
    best_setting_by_initial_accuracy: str | None
    best_setting_by_personalized_accuracy: str | None
    reptile: dict[str, str]

    @property
    def epochs(self) -> dict[str, int | None]:
        """The selected epoch of every setting."""
        return {setting: choice.selected_epoch for setting, choice in self.settings.items()}

    def save(self, path: str | Path) -> None:
        """Write the file."""
        write_json(path, {"selected_on": f"{VALIDATION} clients, last round", **asdict(self)})

    @classmethod
    def load(cls, path: str | Path) -> Selection:
        """Read the file."""
        with reading(path):
            values = read_json(path)
            del values["selected_on"]
            settings = values.pop("settings").items()
            chosen = {name: SettingChoice(**choice) for name, choice in settings}
            return cls(**values, settings=chosen)


@dataclass(frozen=True)
class RateChoice:
    """The setting chosen for an entry, i.e. its server rate, and the fine-tune epoch selected for
    it (None: all its runs diverged)."""

    setting: str
    selected_epoch: int | None


@dataclass(frozen=True)
class EntryRates:
    """An entry of the algorithm comparison: the rounds at which it may be compared, and what is
    chosen on each basis (None: no run affords one of these rounds)."""

    rounds: list[int]
    chosen: dict[str, RateChoice | None]


@dataclass(frozen=True)
class ServerRates:
    """``algorithms.json``: what is chosen for every entry of the algorithm comparison, the rounds
    at equal rounds, and the budget (gradient evaluations per run) at equal gradient evaluations."""

    rounds: int
    budget: float
    entries: dict[str, EntryRates]

    def choices(self) -> Iterator[tuple[str, str, RateChoice]]:
        """(entry, basis, choice) wherever there is a choice, one basis after the other."""
        for basis in BASES:
            for name, entry in self.entries.items():
                if choice := entry.chosen[basis]:
                    yield name, basis, choice

    @property
    def settings(self) -> set[str]:
        """The settings chosen on any basis."""
        return {choice.setting for _, _, choice in self.choices()}

    def save(self, path: str | Path) -> None:
        """Write the file."""
        values = asdict(self)
        for name, entry in values["entries"].items():
            values["entries"][name] = {"rounds": entry["rounds"], **entry["chosen"]}
        write_json(path, {"selected_on": f"{VALIDATION} clients", **values})

    @classmethod
    def load(cls, path: str | Path) -> ServerRates:
        """Read the file."""
        with reading(path):
            values = read_json(path)
            entries = {}
            for name, entry in values["entries"].items():
                chosen = {b: RateChoice(**entry[b]) if entry[b] else None for b in BASES}
                entries[name] = EntryRates(entry["rounds"], chosen)
            return cls(values["rounds"], values["budget"], entries)
