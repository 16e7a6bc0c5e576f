"""Zip files in memory, and how much a file may hold."""

from __future__ import annotations

import io
import zipfile

from conevol.errors import FileFormatError

__all__ = ["MAX_BYTES", "MIB", "Archive", "require_size"]

MIB = 2**20
MAX_BYTES = 256 * MIB  # of a file, of all that is packed in it, of one tensor in float64


def require_size(size: int, source: str) -> None:
    """Raise FileFormatError if size, in bytes, is more than a file may hold."""
    if size > MAX_BYTES:
        raise FileFormatError(
            f"{source}: holds {size / MIB:.1f} MiB, more than the limit of {MAX_BYTES // MIB} MiB; "
            "save the weights alone, without other data"
        )


class Archive:
    """A zip file in memory, of bounded size, whose every fault is a FileFormatError."""

    def __init__(self, data: bytes, source: str) -> None:
        self.source = source
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:
            raise self._fault(error) from error
        infos = self._zip.infolist()
        require_size(sum(info.file_size for info in infos), f"{source}, unpacked,")
        self.sizes = {info.filename: info.file_size for info in infos}
        if len(self.sizes) < len(infos):
            raise FileFormatError(f"{source}: has two entries of one name; save it again")
        for info in infos:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise FileFormatError(
                    f"{source}: {info.filename!r} is packed by method {info.compress_type}, "
                    "expected stored or deflated; save it again"
                )

    def read(self, name: str) -> bytes:
        """The bytes of one entry; they are as many as the directory says."""
        try:
            data = self._zip.read(name)
        except Exception as error:  # BadZipFile, zlib.error, EOFError, RuntimeError, ...
            raise self._fault(error) from error
        if len(data) != self.sizes[name]:
            raise self._fault(EOFError(f"{name!r} ends early"))
        return data

    def _fault(self, error: Exception) -> FileFormatError:
        return FileFormatError(
            f"{self.source}: is not a complete zip file ({error}); "
            "it is truncated or damaged: copy or save it again"
        )
