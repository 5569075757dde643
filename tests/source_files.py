"""Source files of the four floors."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("envs", "agents", "baselines")
FOLDERS = ("microgym", *PARTS)


def sources(folder: Path) -> list[Path]:
    """Python files of one folder, not followed through the links that stand in microgym/."""
    skipped = {folder / part for part in PARTS} if folder.name == "microgym" else set()
    return sorted(p for p in folder.rglob("*.py") if not skipped.intersection(p.parents))
