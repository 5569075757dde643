"""Videos of one episode."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from microgym.agents.core.agent import Agent
from microgym.agents.training.atomic_io import write_atomically
from microgym.agents.training.video import HOLD, Frame, animation
from microgym.baselines.evaluation.env_config import EnvironmentConfig

FORMATS = (".gif", ".mp4")


def record_episode(
    setting: EnvironmentConfig,
    agent: Agent,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[Frame], dict[str, Any]]:
    """Play one episode and render a frame after every step.

    Args:
        setting: the environment.
        agent: the agent.
        seed: of the episode.
        progress: called with 1 after every step.

    Returns:
        Frames, uint8 [height, width, 3], the first one from before the first step; and "return",
        "cost", "steps", "fps" and "complete". Ctrl-C ends the video early,
        and "complete" is then False.
    """
    env: Any = setting.make(1, reveal=agent.uses_privileged_info, render=True)
    outcome = {"return": 0.0, "cost": 0.0, "steps": 0, "complete": False}
    outcome["fps"] = int(env.metadata.get("render_fps", 4))
    frames: list[Frame] = []
    try:
        agent.reset(1, [seed])
        observation, info = env.reset(seed=[seed])
        frames.append(env.render()[0])
        while not outcome["complete"]:
            observation, reward, end, cut, info = env.step(agent.act(observation, info))
            frames.append(env.render()[0])
            outcome["return"] += float(np.sum(reward))
            outcome["cost"] += float(np.sum(info.get("cost", 0.0)))
            outcome["steps"] += 1
            outcome["complete"] = bool(end[0] or cut[0])
            if progress is not None:
                progress(1)
    except KeyboardInterrupt:
        if not frames:
            raise
    finally:
        env.close()
    return frames, outcome


def check_format(path: Path | str) -> Path:
    """Check before the episode is played that a video can be written under this name.

    Args:
        path: ends in .gif or .mp4.

    Returns:
        The path.

    Raises:
        ValueError: another ending.
        ImportError: MP4, and imageio-ffmpeg is not installed.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise ValueError(f"the video's name must end in .gif or .mp4, got {str(path)!r}")
    if target.suffix.lower() == ".mp4":
        _encoder()
    return target


def write_video(path: Path | str, frames: Sequence[Frame], fps: int) -> Path:
    """Write a video as GIF or MP4, by the file's ending; whole or not at all.

    Args:
        path: ends in .gif or .mp4.
        frames: uint8 [height, width, 3], all of one size.
        fps: frames a second.

    Returns:
        The path.

    Raises:
        ValueError, ImportError: as `check_format`.
        OSError: it cannot be written.
    """
    target = check_format(path)
    if target.suffix.lower() == ".gif":
        return write_atomically(target, animation(frames, fps, "GIF"))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.stem}.partial.mp4")
    try:
        _write_mp4(partial, frames, fps)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _encoder() -> Any:
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        raise ImportError(
            "MP4 needs a video encoder: pip install imageio-ffmpeg; or choose a name ending in .gif"
        ) from error


def _write_mp4(path: Path, frames: Sequence[Frame], fps: int) -> None:
    height, width = (side + side % 2 for side in frames[0].shape[:2])  # H.264 wants even sides
    writer: Any = _encoder().write_frames(
        str(path), (width, height), fps=fps, codec="libx264", macro_block_size=2, quality=8
    )
    writer.send(None)
    try:
        for frame in [*frames, *[frames[-1]] * round(HOLD * fps)]:
            padded = np.zeros((height, width, 3), np.uint8)
            padded[: frame.shape[0], : frame.shape[1]] = frame
            writer.send(padded)
    finally:
        writer.close()
