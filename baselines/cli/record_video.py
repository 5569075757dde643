"""Videos of one episode."""

import importlib
import io
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from microgym.agents.core.agent import Agent
from microgym.agents.core.registry import TRAINED, agent_names
from microgym.agents.training.video import HOLD, Frame, animation
from microgym.atomic_io import write_atomically
from microgym.baselines.cli.console import Progress, no_progress
from microgym.baselines.evaluation.env_config import EnvironmentConfig, find_agent


def record_episode(
    setting: EnvironmentConfig, agent: Agent, seed: int, progress: Progress = no_progress
) -> tuple[list[Frame], dict[str, Any]]:
    """Play one episode and render a frame after every step.

    Args:
        setting: the environment.
        agent: the agent.
        seed: of the episode.
        progress: called with 1 after every step.

    Returns:
        Frames, uint8 [height, width, 3], the first one from before the first step; and "return",
        "cost", "steps", "fps" and "complete", which is False if Ctrl-C ended the video early.
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
            progress(1)
    except KeyboardInterrupt:
        if not frames:
            raise
    finally:
        env.close()
    return frames, outcome


def film_name(env_id: str) -> str:
    """File name of the film of an environment in the documentation."""
    return f"{env_id.partition('-')[0].lower()}.gif"


def write_film(setting: EnvironmentConfig, folder: Path) -> Path:
    """Write the film of the shipped agent, or else of the expert, in episode 0.

    Args:
        setting: the environment.
        folder: of the file.
    """
    agent = find_agent(setting, TRAINED if TRAINED in agent_names(setting.env_id) else "expert")
    frames, outcome = record_episode(setting, agent, 0)
    return write_video(folder / film_name(setting.env_id), frames, outcome["fps"])


def still(frame: Frame) -> bytes:
    """Content of a lossless WEBP file of one frame, uint8 [height, width, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame)).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def check_format(path: Path) -> Path:
    """Check before the episode is played that a video can be written under this name.

    Raises:
        ValueError: it does not end in .gif or .mp4.
        ImportError: MP4, and imageio-ffmpeg is not installed.
    """
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise ValueError(f"the video's name must end in .gif or .mp4, got {str(path)!r}")
    if path.suffix.lower() == ".mp4":
        _encoder()
    return path


def write_video(path: Path, frames: Sequence[Frame], fps: int) -> Path:
    """Write a video as GIF or MP4, by the file's ending; whole or not at all.

    Args:
        path: of the file, which is returned.
        frames: uint8 [height, width, 3], all of one size.
        fps: frames a second.

    Raises:
        ValueError, ImportError: as `check_format`.
        OSError: it cannot be written.
    """
    gif = check_format(path).suffix.lower() == ".gif"
    return write_atomically(path, animation(frames, fps, "GIF") if gif else _mp4(frames, fps))


def _encoder() -> Any:
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        raise ImportError(
            "MP4 needs a video encoder: pip install imageio-ffmpeg; or choose a name ending in .gif"
        ) from error


def _mp4(frames: Sequence[Frame], fps: int) -> bytes:
    height, width = (side + side % 2 for side in frames[0].shape[:2])  # H.264 wants even sides
    edges = [(0, height - frames[0].shape[0]), (0, width - frames[0].shape[1]), (0, 0)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "video.mp4"
        writer: Any = _encoder().write_frames(
            str(file), (width, height), fps=fps, codec="libx264", macro_block_size=2, quality=8
        )
        with closing(writer):
            writer.send(None)
            for frame in [*frames, *[frames[-1]] * round(HOLD * fps)]:
                writer.send(np.pad(frame, edges))
        return file.read_bytes()
