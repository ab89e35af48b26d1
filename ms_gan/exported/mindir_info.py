"""The metadata of a MindIR file, in its user_info; without `ms.load_mindir`, which is deprecated."""

from pathlib import Path

from mindspore.train.mind_ir_pb2 import ModelProto

_KEY = "ms_gan"


def write_info(path: Path, text: str) -> None:
    """Add `text` to a MindIR file, not atomically."""
    model = ModelProto.FromString(path.read_bytes())
    # The tables of MindSpore 2.7.1 have a list of pairs for what is a map in 2.10; in the file they are the same.
    if hasattr(model.user_info, "add"):
        model.user_info.add(key=_KEY, value=text)
    else:
        model.user_info[_KEY] = text
    # MindSpore writes read-only files.
    path.chmod(0o600)
    path.write_bytes(model.SerializeToString())


def read_info(path: Path) -> str:
    """Return what :func:`write_info` added; KeyError if there is none, protobuf's error if `path` is no MindIR."""
    info = ModelProto.FromString(path.read_bytes()).user_info
    return {entry.key: entry.value for entry in info}[_KEY] if hasattr(info, "add") else dict(info)[_KEY]
