"""Rows as TensorBoard's event files, in the folder `tensorboard`."""

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE
from tensorboard.summary.writer.record_writer import RecordWriter

from microgym.agents.training.logbooks.rows import NOTHING, Row, append

EVENT_FOLDER = "tensorboard"
"""Name of the folder in the logbook's folder."""

_RGB = 3


class EventFile:
    """One event a row, so that a row is there whole or, by its checksum, not at all.

    Numbers are tensors of the scalars plugin in double precision: read back by
    `EventAccumulator.Tensors` they are the very numbers written. TensorBoard's charts show them as
    they show any scalar. Each session adds a file of its own, since a file that a killed process
    left may end in half an event, after which nothing would be read.

    Args:
        folder: of the logbook.
        resume: add to what is there; otherwise it is replaced.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self._root = folder
        place = folder / EVENT_FOLDER
        old = sorted(place.glob("events.out.tfevents.*"))
        if not resume:
            for path in old:
                path.unlink()
            old = []
        self.held = max((_last_step(path) for path in old), default=NOTHING)
        number = int(old[-1].name.rpartition(".")[2]) + 1 if old else 0
        self._path = place / f"events.out.tfevents.{number:06d}"

    def append(self, rows: Sequence[Row]) -> None:
        """Add an event for each row."""
        if not rows:
            return
        now = time.time()
        events: list[Any] = []
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            events.append(Event(wall_time=now, file_version="brain.Event:2"))
        for row in rows:
            values = [_scalar(name, value) for name, value in row.values.items()]
            values += [_picture(name, self._root / path) for name, path in row.media.items()]
            events.append(Event(wall_time=now, step=row.step, summary=Summary(value=values)))
        content = io.BytesIO()
        writer = RecordWriter(content)
        for event in events:
            writer.write(event.SerializeToString())
        append(self._path, content.getvalue())
        self.held = rows[-1].step

    def close(self) -> None:
        """Nothing is held open."""


def _scalar(name: str, value: float) -> Any:
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    tensor = TensorProto(dtype=DT_DOUBLE, double_val=[value])
    return Summary.Value(tag=name, metadata=metadata, tensor=tensor)


def _picture(name: str, path: Path) -> Any:
    """A PNG, or a GIF, which TensorBoard shows moving."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    about = {"height": height, "width": width, "colorspace": _RGB}
    return Summary.Value(tag=name, image=Summary.Image(encoded_image_string=content, **about))


def _last_step(path: Path) -> int:
    events = (Event.FromString(content) for content in RawEventFileLoader(str(path)).Load())
    return max((event.step for event in events if event.HasField("summary")), default=NOTHING)
