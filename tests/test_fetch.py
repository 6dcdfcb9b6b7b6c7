"""Files are found by content, downloaded whole or not at all, and errors say what to do."""

import errno
import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from helpers.data import fetch as module
from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import (
    DataUnavailable,
    DiskFull,
    DownloadCut,
    WrongFile,
    fetch,
    impostors,
    locate,
)

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`; `ranges`: honours Range; `cut_after`: closes after so many bytes."""

    content, ranges, cut_after, status = CONTENT, True, None, 200

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        if self.status != 200:
            self.send_error(self.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        body = self.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut_after])

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty cache and data folders; http from this machine is allowed."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("BENCHBOOK_DATA", str(data))
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_SCHEMES", ("https://", "http://127.0.0.1"))
    return data, tmp_path / "cache"


@pytest.fixture
def serve():
    servers = []

    def start(**behaviour):
        handler = type("Handler", (Server,), behaviour)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.requests = []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def toy(
    url, *, content=CONTENT, sha256=None, name="toy.bin", size=None, unverified=False, sized=True
):
    known = None if unverified else sha256 or hashlib.sha256(content).hexdigest()
    size = (size or len(content)) if sized else None
    return Dataset(
        name="toy",
        title="Toy",
        kind="scores",
        files=(File(name, url, size, known),),
        licence="CC0",
        licence_url="https://example.org",
        citation="None",
        doi="10.1000/1",
        citation_key="toy",
        description="For tests.",
    )


def address(server):
    return f"http://127.0.0.1:{server.server_address[1]}/toy.bin"


def kept(cache):
    return sorted(p.name for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_download_is_verified_kept_and_not_repeated(folders, serve):
    server = serve()
    paths = fetch(toy(address(server)))
    assert paths == {"toy.bin": folders[1] / "toy" / "toy.bin"}
    assert paths["toy.bin"].read_bytes() == CONTENT
    assert kept(folders[1]) == ["toy.bin"]
    assert fetch(toy(address(server))) == paths
    assert server.requests == [None]


def test_a_named_folder_is_searched_first_by_content(folders, serve):
    data, cache = folders
    server = serve()
    (data / "deep").mkdir()
    (data / "a-decoy.bin").write_bytes(CONTENT[::-1])  # same size
    (data / "deep" / "renamed.dat").write_bytes(CONTENT)
    dataset = toy(address(server))
    assert fetch(dataset)["toy.bin"] == data / "deep" / "renamed.dat"
    assert server.requests == []
    assert not cache.exists()


def test_several_folders_are_searched_in_order(folders, tmp_path, monkeypatch):
    second = tmp_path / "second"
    second.mkdir()
    (second / "toy.bin").write_bytes(CONTENT)
    monkeypatch.setenv("BENCHBOOK_DATA", f"{folders[0]}:{second}")
    file = toy("https://example.org/toy.bin").files[0]
    assert locate(file) == second / "toy.bin"
    (folders[0] / "toy.bin").write_bytes(CONTENT)
    assert locate(file) == folders[0] / "toy.bin"


def test_a_changed_file_is_noticed(folders):
    file = toy("https://example.org/toy.bin").files[0]
    path = folders[0] / "toy.bin"
    path.write_bytes(CONTENT)
    assert locate(file) == path
    path.write_bytes(CONTENT[::-1])
    assert locate(file) is None


def test_a_folder_that_is_none_is_said(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"BENCHBOOK_DATA names .*nowhere, which is no folder"):
        locate(toy("https://example.org/toy.bin").files[0])


def test_offline_names_command_file_size_and_folder(folders, serve):
    server = serve()
    url = address(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(DataUnavailable) as error:
        fetch(toy(url))
    sentence = str(error.value)
    assert sentence == (
        "toy is not here and cannot be downloaded (no connection to "
        f"{url.split('/')[2]}): run `benchbook data get toy` where there is a network, or put "
        f"toy.bin (512 kB) in a folder named in BENCHBOOK_DATA or in {folders[1]}"
    )


def test_a_refusing_server_is_named(folders, serve):
    with pytest.raises(DataUnavailable, match="answered 404 for http"):
        fetch(toy(address(serve(status=404))))


def test_an_interrupted_download_goes_on(folders, serve):
    server = serve()
    partial = folders[1] / "toy" / "toy.bin.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(CONTENT[:1000])
    assert fetch(toy(address(server)))["toy.bin"].read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-"]
    assert kept(folders[1]) == ["toy.bin"]


def test_a_server_without_ranges_starts_again(folders, serve):
    server = serve(ranges=False)
    partial = folders[1] / "toy" / "toy.bin.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(CONTENT[:1000])
    assert fetch(toy(address(server)))["toy.bin"].read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-"]


def test_a_bad_part_is_thrown_away_and_the_file_had_anew(folders, serve):
    server = serve()
    partial = folders[1] / "toy" / "toy.bin.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * 1000)
    assert fetch(toy(address(server)))["toy.bin"].read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-", None]


def test_a_cut_download_is_resumed_and_then_reported(folders, serve):
    step = 12 * module._CHUNK
    server = serve(cut_after=step)
    assert fetch(toy(address(server)))["toy.bin"].read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={step}-", f"bytes={2 * step}-"]


def test_a_download_that_stays_cut_keeps_its_part(folders, serve):
    server = serve(cut_after=3 * module._CHUNK + 1)
    expected = r"cut after 147,456 of 512,000 bytes.*repeat the command"  # thrice three chunks
    with pytest.raises(DownloadCut, match=expected):
        fetch(toy(address(server)))
    assert kept(folders[1]) == ["toy.bin.part"]
    whole = serve()
    assert fetch(toy(address(whole)))["toy.bin"].read_bytes() == CONTENT
    assert whole.requests == ["bytes=147456-"]


def test_wrong_content_is_named_and_not_kept(folders, serve):
    expected = hashlib.sha256(CONTENT).hexdigest()
    got = hashlib.sha256(CONTENT[::-1]).hexdigest()
    with pytest.raises(WrongFile, match=f"expected sha256 {expected}, got {got}"):
        fetch(toy(address(serve(content=CONTENT[::-1]))))
    assert kept(folders[1]) == []


def test_wrong_size_is_refused_before_the_transfer(folders, serve):
    with pytest.raises(WrongFile, match="expected 512,000 bytes, the server offers 5"):
        fetch(toy(address(serve(content=b"error"))))
    assert kept(folders[1]) == []


def test_a_damaged_cached_file_is_replaced_but_only_by_a_good_one(folders, serve):
    cached = folders[1] / "toy" / "toy.bin"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"damaged")
    with pytest.raises(DataUnavailable, match=r"not used: .*toy.bin holds 7 bytes"):
        fetch(toy(address(serve(status=503))))
    assert cached.read_bytes() == b"damaged"
    with pytest.warns(UserWarning, match=r"not used, downloaded instead: .*toy.bin holds 7 bytes"):
        fetch(toy(address(serve())))
    assert cached.read_bytes() == CONTENT


def test_an_impostor_in_a_named_folder_is_said_with_both_hashes(folders, serve):
    path = folders[0] / "toy.bin"
    path.write_bytes(CONTENT[::-1])
    dataset = toy(address(serve(status=404)))
    assert impostors(dataset.files[0]) == [path]
    with pytest.raises(DataUnavailable) as error:
        fetch(dataset)
    assert f"not used: {path} has sha256 {hashlib.sha256(CONTENT[::-1]).hexdigest()}" in str(
        error.value
    )


def test_a_full_disk_is_told_before_the_transfer(folders, serve, monkeypatch):
    server = serve()
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(DiskFull, match=f"needs 512,000 bytes in {folders[1]}"):
        fetch(toy(address(server)))
    assert server.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_fills_up_is_told(folders, serve):
    partial = folders[1] / "toy" / "toy.bin.part"
    partial.parent.mkdir(parents=True)
    partial.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="the disk is full") as error:
        fetch(toy(address(serve())))
    assert error.value.__cause__.errno == errno.ENOSPC


def test_a_cache_that_cannot_be_written_is_told(folders, serve, monkeypatch):
    folders[1].write_text("a file")
    with pytest.raises(DataError, match=r"cannot be written to .*BENCHBOOK_CACHE"):
        fetch(toy(address(serve())))


def test_plain_http_is_refused(folders, serve, monkeypatch):
    server = serve()
    monkeypatch.setattr(module, "_SCHEMES", ("https://",))
    with pytest.raises(DataError, match="is not https"):
        fetch(toy(address(server)))
    assert server.requests == []


def test_unverified_files_ask_first_record_and_stay_out_of_the_book(folders, serve):
    dataset = toy(address(serve()), unverified=True)
    with pytest.raises(DataError, match=r"unverified.*toy.bin.*asks before it downloads"):
        fetch(dataset)
    with pytest.raises(DataUnavailable, match="declined"):
        fetch(dataset, confirm=lambda sentence: False)
    asked = []
    path = fetch(dataset, confirm=lambda sentence: asked.append(sentence) or True)["toy.bin"]
    assert "nobody has stated the sha256 of toy.bin" in asked[0]
    recorded = path.with_name("toy.bin.sha256").read_text()
    assert recorded == hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(DataError, match="unverified"):
        fetch(dataset)
    path.write_bytes(CONTENT[::-1])
    assert locate(dataset.files[0]) is None


def test_provenance_of_several_files_hashes_their_hashes():
    one = toy("https://example.org/1")
    assert one.sha256 == one.files[0].sha256
    two = Dataset(**{**vars(one), "files": one.files * 2})
    joined = "\n".join([one.sha256, one.sha256])
    assert two.sha256 == hashlib.sha256(joined.encode()).hexdigest()
    assert two.size == 2 * len(CONTENT)


def test_a_file_kept_gzipped_is_unpacked_once_and_checked(folders, serve):
    data, cache = folders
    file = toy("http://127.0.0.1:9/toy.bin").files[0]
    (data / "toy.bin.gz").write_bytes(gzip.compress(CONTENT[::-1]))  # the name fits, no more
    assert locate(file) is None
    for damaged in (
        b"no gzip",
        gzip.compress(CONTENT)[:-9],
        gzip.compress(CONTENT)[:40] + b"x" * 60,
    ):
        (data / "toy.bin.gz").write_bytes(damaged)
        assert locate(file) is None
    (data / "toy.bin.gz").write_bytes(gzip.compress(CONTENT))
    assert locate(file) == cache / "unpacked" / "toy.bin"
    assert locate(file).read_bytes() == CONTENT
    assert kept(cache) == ["toy.bin"]
    assert locate(toy("https://example.org", unverified=True, name="other.bin").files[0]) is None


def test_a_file_of_unknown_size_is_as_large_as_its_server_says(folders, serve):
    server = serve(cut_after=1000)
    dataset = toy(address(server), unverified=True, sized=False)
    assert dataset.size is None
    with pytest.raises(DownloadCut, match=f"of {len(CONTENT):,} bytes"):
        fetch(dataset, confirm=lambda sentence: True)
    assert kept(folders[1]) == ["toy.bin.part"]
    paths = fetch(
        toy(address(serve()), unverified=True, sized=False), confirm=lambda sentence: True
    )
    assert paths["toy.bin"].read_bytes() == CONTENT
    assert locate(dataset.files[0]) == paths["toy.bin"]
