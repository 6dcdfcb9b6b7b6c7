"""Find a data set's files on this machine, or download them.

Folders named in ``BENCHBOOK_DATA`` come first, then the cache (``BENCHBOOK_CACHE``, or the
system's cache folder). A file is known by its size and sha256, not by its name or place.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from hashlib import file_digest
from hashlib import sha256 as _digest
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from platformdirs import user_cache_path

from helpers.data.errors import DataError

if TYPE_CHECKING:
    from helpers.data.dataset import Dataset, File

_SCHEMES = ("https://",)
_ATTEMPTS = 3
_CHUNK = 1 << 14  # what arrived of a chunk is lost when a download is cut
_TIMEOUT = 30  # seconds without a byte


class DataUnavailable(DataError):
    """Files that are not here and cannot be had now."""


class DownloadCut(DataUnavailable):
    """A download that ended before its last byte; the next one goes on from there."""


class WrongFile(DataError):
    """A file whose content is not what the registry states."""


class DiskFull(DataError):
    """No room for a download."""


def cache_folder() -> Path:
    """Where downloads are kept: ``BENCHBOOK_CACHE``, or the system's cache folder."""
    named = os.environ.get("BENCHBOOK_CACHE")
    return Path(named).expanduser() if named else user_cache_path("perturbation-benchbook")


def data_folders() -> list[Path]:
    """Folders named in ``BENCHBOOK_DATA``, separated as in ``PATH``.

    Raises
    ------
    DataError
        One of them is not a folder.
    """
    named = os.environ.get("BENCHBOOK_DATA", "")
    folders = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"BENCHBOOK_DATA names {folder}, which is no folder: mend or unset it")
    return folders


def locate(file: File) -> Path | None:
    """Path of a file on this machine, by size and then by sha256; None if it is not here.

    An unverified file (no sha256) is looked for by name, and by size where that is stated. A
    verified one may be kept gzipped, as NAME.gz, in a folder of `BENCHBOOK_DATA`: it is unpacked
    into the cache.
    """
    found = next((path for path in _candidates(file) if _is(path, file)), None)
    return found or _unpacked(file)


def _unpacked(file: File) -> Path | None:
    if file.sha256 is None:
        return None
    for folder in data_folders():
        for path in _walk(folder):
            if path.name == f"{file.name}.gz" and (content := _content(path, file)) is not None:
                target = cache_folder() / "unpacked" / file.name
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with FileLock(target.with_name(f"{file.name}.lock")):
                        partial = target.with_name(f"{file.name}.part")
                        partial.write_bytes(content)
                        partial.replace(target)
                except OSError as error:
                    raise DataError(
                        f"{path} cannot be unpacked into {target.parent} ({error.strerror}); name "
                        "a folder you may write to in BENCHBOOK_CACHE"
                    ) from error
                return target
    return None


def _content(path: Path, file: File) -> bytes | None:
    """What is gzipped in a file, if it is what the registry states."""
    try:
        with gzip.open(path) as stream:
            content = stream.read(file.size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None
    fits = len(content) == file.size and _digest(content).hexdigest() == file.sha256
    return content if fits else None


def impostors(file: File) -> list[Path]:
    """Files of the same name whose content is another."""
    folders = [*data_folders(), cache_folder()]
    return [
        path
        for folder in folders
        for path in _walk(folder)
        if path.name == file.name and not (_has_size(path, file) and _is(path, file))
    ]


def fetch(
    dataset: Dataset, *, progress: bool = True, confirm: Callable[[str], bool] | None = None
) -> dict[str, Path]:
    """Paths of a data set's files, downloaded where they are missing.

    Parameters
    ----------
    dataset : Dataset
    progress : bool
        Show a progress bar, if this is a terminal.
    confirm : callable, optional
        Asked, with a sentence, before files of unstated content are used. Without it they never
        are: no page of the book stands on them.

    Returns
    -------
    dict of str to Path
        One path for each file name. All are verified.

    Raises
    ------
    DataUnavailable
        A file is not here and cannot be downloaded; `DownloadCut` if some of it arrived.
    WrongFile
        What was downloaded is not what the registry states; it is not kept.
    DiskFull
        There is no room.
    DataError
        The files are unverified, or a folder cannot be used.
    """
    if not dataset.verified:
        _ask(dataset, confirm)
    paths = {file.name: locate(file) for file in dataset.files}
    missing = [file for file in dataset.files if paths[file.name] is None]
    for file in missing:
        rejected = [_compare(path, file) for path in impostors(file)]
        try:
            paths[file.name] = _download(file, cache_folder() / dataset.name, progress)
        except _Unreachable as unreachable:
            raise DataUnavailable(unavailable(dataset, str(unreachable))) from unreachable
        for sentence in rejected:
            warnings.warn(f"not used, downloaded instead: {sentence}", stacklevel=2)
    return paths


def unavailable(dataset: Dataset, reason: str) -> str:
    """One sentence: what is not here, why, and what to do about it."""
    missing = [file for file in dataset.files if locate(file) is None]
    names = ", ".join(f"{file.name} ({_bytes(file.size)})" for file in missing)
    wrong = [_compare(path, file) for file in missing for path in impostors(file)]
    return (
        f"{dataset.name} is not here and cannot be downloaded ({reason}): run "
        f"`benchbook data get {dataset.name}` where there is a network, or put {names} in a folder "
        f"named in BENCHBOOK_DATA or in {cache_folder()}"
        + "".join(f"; not used: {sentence}" for sentence in wrong)
    )


def sha256(path: Path) -> str:
    """Hash of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


class _Unreachable(Exception):
    """Why a server cannot be asked."""


def _ask(dataset: Dataset, confirm: Callable[[str], bool] | None) -> None:
    unverified = ", ".join(file.name for file in dataset.files if not file.sha256)
    sentence = f"{dataset.name} is unverified: nobody has stated the sha256 of {unverified}"
    if confirm is None:
        raise DataError(
            f"{sentence}; `benchbook data get {dataset.name}` asks before it downloads, and no "
            "page of the book uses it"
        )
    if not confirm(f"{sentence}. Use it all the same?"):
        raise DataUnavailable(f"{sentence}, and it was declined")


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (p for name in sorted(names) if (p := Path(parent, name)).is_file())


def _candidates(file: File) -> Iterator[Path]:
    for folder in (*data_folders(), cache_folder()):
        yield from (p for p in _walk(folder) if _has_size(p, file))


def _has_size(path: Path, file: File) -> bool:
    """Whether a file may be the one looked for; where the size is unknown its name must do."""
    return path.name == file.name if file.size is None else path.stat().st_size == file.size


def _is(path: Path, file: File) -> bool:
    expected = file.sha256 or _recorded(path)
    if expected is None:
        return path.name == file.name
    state = path.stat()
    return _sha256_of(path, state.st_size, state.st_mtime_ns) == expected


@lru_cache(maxsize=4096)
def _sha256_of(path: Path, size: int, mtime_ns: int) -> str:
    """Remember the hash of a file as long as its size and time stay the same."""
    return sha256(path)


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _recorded(path: Path) -> str | None:
    """Hash of an unverified file, as it was when it was downloaded."""
    record = _record(path)
    return record.read_text(encoding="ascii").strip() if record.is_file() else None


def _compare(path: Path, file: File) -> str:
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"{path} holds {size:,} bytes, {file.name} has {file.size:,}"
    return f"{path} has sha256 {sha256(path)}, {file.name} has {file.sha256 or _recorded(path)}"


def _bytes(size: int | None) -> str:
    if size is None:
        return "size not stated"
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _download(file: File, folder: Path, progress: bool) -> Path:
    target = folder / file.name
    partial = folder / f"{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{file.name}.lock"):
            found = locate(file)  # another process may have brought it meanwhile
            if found is None:
                _complete(file, partial, progress)
                if file.sha256 is None:
                    _record(target).write_text(sha256(partial), encoding="ascii")
                partial.replace(target)
                found = target
        return found
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = "more room" if file.size is None else f"{file.size:,} bytes"
            raise DiskFull(
                f"the disk is full: {file.name} needs {needed} in {folder}; make room, "
                "or name another folder in BENCHBOOK_CACHE"
            ) from error
        raise DataError(
            f"{file.name} cannot be written to {folder} ({error.strerror}); name a folder you may "
            "write to in BENCHBOOK_CACHE"
        ) from error


def _complete(file: File, partial: Path, progress: bool) -> None:
    """Fill the partial file until its size and hash are those of the file."""
    if not file.url:
        raise _Unreachable(f"{file.name} has no address; it was made from {file.made_from}")
    if file.size is None:
        file = replace(file, size=_stated_size(file))
    resumed = False
    for _ in range(_ATTEMPTS):
        start = _size(partial)
        if start > file.size:
            partial.unlink()
            start = 0
        resumed = resumed or start > 0
        if start < file.size:
            _need_room(file, partial.parent, file.size - start)
            with _bar(file, progress) as advance:
                _transfer(file, partial, start, advance)
        size = _size(partial)
        if size < file.size:
            continue
        if file.sha256 is None or (got := sha256(partial)) == file.sha256:
            return
        partial.unlink()
        if not resumed:
            raise WrongFile(
                f"{file.url} is not the file that the registry states: expected sha256 "
                f"{file.sha256}, got {got}; nothing was kept"
            )
        resumed = False  # the old part may have been the bad one: once more, from the start
    raise DownloadCut(
        f"the download of {file.name} was cut after {size:,} of {file.size:,} bytes: repeat the "
        f"command to go on from there (kept in {partial})"
    )


def _stated_size(file: File) -> int:
    """Bytes of a file, as its server says."""
    import requests

    _need_https(file)
    host = file.url.split("/")[2]
    try:
        headers = {"Accept-Encoding": "identity"}
        with requests.head(
            file.url, headers=headers, allow_redirects=True, timeout=_TIMEOUT
        ) as response:
            if not response.ok:
                raise _Unreachable(f"{host} answered {response.status_code} for {file.url}")
            length = response.headers.get("Content-Length")
    except requests.exceptions.RequestException as error:
        raise _Unreachable(f"{host}: {error}") from error
    if length is None:
        raise _Unreachable(f"{host} does not say how large {file.url} is")
    return int(length)


def _need_https(file: File) -> None:
    if not file.url.startswith(_SCHEMES):
        raise DataError(f"{file.url} is not https: correct the registry")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _need_room(file: File, folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _transfer(file: File, partial: Path, start: int, advance: Callable[[int], None]) -> None:
    """Append what the server sends to the partial file, from byte `start` on."""
    import requests

    _need_https(file)
    # Compressed on the way, a range would count other bytes than the file's.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    host = file.url.split("/")[2]
    try:
        with requests.get(file.url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if not response.url.startswith(_SCHEMES):
                raise DataError(f"{file.url} leads to {response.url}, which is not https")
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                partial.unlink(missing_ok=True)
                return
            if not response.ok:
                raise _Unreachable(f"{host} answered {response.status_code} for {file.url}")
            going_on = response.status_code == requests.codes.partial_content
            start = start if going_on else 0
            _agree_on_size(file, response, start)
            advance(start)
            with partial.open("ab" if going_on else "wb") as stream:
                for chunk in response.iter_content(_CHUNK):
                    stream.write(chunk)
                    advance(len(chunk))
    except requests.exceptions.ChunkedEncodingError:
        return  # cut: what arrived stays, the caller goes on from there
    except requests.exceptions.Timeout as error:
        raise _Unreachable(f"{host} did not answer within {_TIMEOUT} s") from error
    except requests.exceptions.ConnectionError as error:
        if _size(partial) > start:
            return
        raise _Unreachable(f"no connection to {host}") from error
    except requests.exceptions.RequestException as error:
        raise _Unreachable(f"{host}: {error}") from error


def _agree_on_size(file: File, response, start: int) -> None:
    length = response.headers.get("Content-Length")
    if length is not None and start + int(length) != file.size:
        raise WrongFile(
            f"{file.url} is not the file that the registry states: expected {file.size:,} bytes, "
            f"the server offers {start + int(length):,}; nothing was downloaded"
        )


@contextmanager
def _bar(file: File, progress: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar where somebody looks; yields the function that moves it on."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True, force_jupyter=False)
    columns = (TextColumn(file.name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not (progress and console.is_terminal)) as bar:
        task = bar.add_task(file.name, total=file.size)
        yield lambda size: bar.advance(task, size)
