import io

import numpy as np
import pytest
from PIL import Image

from microgym.agents.training.video import animation
from microgym.baselines.cli import record_video
from microgym.baselines.cli.record_video import still
from microgym.baselines.evaluation.env_config import EnvironmentConfig, find_agent
from tests.baselines.stubs import TOY, ToyAgent

FRAMES = [np.full((33, 47, 3), shade, np.uint8) for shade in (0, 90, 250)]


def test_a_video_has_one_frame_more_than_steps():
    frames, outcome = record_video.record_episode(
        EnvironmentConfig(TOY), ToyAgent("random", 0), seed=3
    )
    assert len(frames) == outcome["steps"] + 1
    assert outcome["complete"]
    assert outcome["fps"] > 0
    assert frames[0].shape == (32, 32, 3)
    again, _ = record_video.record_episode(EnvironmentConfig(TOY), ToyAgent("random", 0), seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(frames, again, strict=True))


def test_an_interrupted_video_keeps_its_frames():
    class Tired(ToyAgent):
        def act(self, observation, info):
            if info["ledger"]["exposures"][0] == 2:
                raise KeyboardInterrupt
            return super().act(observation, info)

    frames, outcome = record_video.record_episode(
        EnvironmentConfig(TOY), Tired("random", 0), seed=3
    )
    assert len(frames) == 3
    assert not outcome["complete"]


def test_the_film_of_an_environment_shows_its_shipped_agent(tmp_path):
    setting = EnvironmentConfig("PFMLoop-v0")
    path = record_video.write_film(setting, tmp_path)
    assert path == tmp_path / "pfmloop.gif"
    frames, _ = record_video.record_episode(setting, find_agent(setting, "trained"), 0)
    with Image.open(path) as video:
        assert 1 < video.n_frames <= len(frames)
        assert video.size == frames[0].shape[1::-1]


def test_a_gif_repeats_and_rests_on_its_last_frame(tmp_path):
    path = record_video.write_video(tmp_path / "video.gif", FRAMES, 10)
    with Image.open(path) as video:
        assert video.n_frames == 3
        assert video.info["loop"] == 0
        durations, shades = [], []
        for i in range(3):
            video.seek(i)
            durations.append(video.info["duration"])
            shades.append(int(np.asarray(video.convert("RGB"))[0, 0, 0]))
    assert durations == [100, 100, 2000]
    assert shades == pytest.approx([0, 90, 250], abs=3)


def test_an_mp4_is_one(tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="the video encoder is not installed")
    path = record_video.write_video(tmp_path / "video.mp4", FRAMES, 10)
    assert path.read_bytes()[4:8] == b"ftyp"
    assert [one.name for one in tmp_path.iterdir()] == ["video.mp4"]


def test_a_missing_encoder_is_named(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(record_video.importlib, "import_module", absent)
    with pytest.raises(ImportError, match="pip install imageio-ffmpeg; or choose a name ending"):
        record_video.write_video(tmp_path / "video.mp4", FRAMES, 10)
    assert list(tmp_path.iterdir()) == []


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.gif or \.mp4"):
        record_video.write_video(tmp_path / "video.avi", FRAMES, 10)


def test_pictures_for_the_report():
    with Image.open(io.BytesIO(still(FRAMES[1]))) as one:
        assert np.array_equal(np.asarray(one.convert("RGB")), FRAMES[1])
    with Image.open(io.BytesIO(animation(FRAMES, 5))) as video:
        assert (video.format, video.n_frames) == ("WEBP", 3)
