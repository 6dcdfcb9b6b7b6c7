"""What a data set is: its files, and whose they are."""

from dataclasses import dataclass
from hashlib import sha256 as _sha256

from helpers.words import Words

KINDS = (
    *("screen", "large-screen", "log-screen", "profiles", "tissue"),
    *("relationships", "scores", "distances", "lengths"),
    *("labels", "gene-sets", "interactions", "interventions"),
    *("agreements", "network-scores"),
    *("matching", "signatures", "indications", "annotations"),
)


@dataclass(frozen=True)
class File:
    """One file, at a place and with a content that never change.

    Parameters
    ----------
    name : str
        Name under which the file is kept.
    url : str
        https address, of one commit or version; empty where there is none.
    size : int or None
        Bytes; None where nobody has stated them: the server is asked.
    sha256 : str or None
        64 hexadecimal digits; None where nobody has stated them: such a file is *unverified*.
    made_from : str
        Of a file without an address: what it was made from, and how.
    """

    name: str
    url: str
    size: int | None
    sha256: str | None
    made_from: Words = ""


@dataclass(frozen=True)
class Dataset:
    """Files that belong together, with licence and citation.

    Parameters
    ----------
    name : str
        Name in the registry: lower case, words joined by "-".
    title : str
        One line for tables.
    kind : str
        What its reader returns, one of `KINDS`.
    files : tuple of File
    licence, licence_url : str
        Licence in words, and where it is written.
    citation, doi, citation_key : str
        Whom to cite; the key in the book's bibliography.
    description : str
        What is inside, and what to beware of.
    """

    name: str
    title: Words
    kind: str
    files: tuple[File, ...]
    licence: str
    licence_url: Words
    citation: str
    doi: str
    citation_key: Words
    description: Words

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.name}: kind is {self.kind!r}; it is one of {', '.join(KINDS)}")

    @property
    def size(self) -> int | None:
        """Bytes of all files, None if one is unknown."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(sizes)

    @property
    def verified(self) -> bool:
        """Whether the content of every file is stated."""
        return all(file.sha256 for file in self.files)

    @property
    def sha256(self) -> str | None:
        """The file's hash; for several files the hash of their hashes, None if one is unknown."""
        if not self.verified:
            return None
        return _of_all([file.sha256 for file in self.files])

    def provenance(self, found: dict[str, str] | None = None) -> dict[str, str]:
        """What `uns["dataset"]` of the contract holds.

        Parameters
        ----------
        found : dict of str to str, optional
            Hashes of the files as they were read, by name; for an unverified set, which states
            none of its own.
        """
        return {
            "name": self.name,
            "sha256": _of_all([found[f.name] for f in self.files]) if found else self.sha256,
            "licence": self.licence,
            "citation": f"{self.citation} https://doi.org/{self.doi}",
        }


def _of_all(hashes: list[str]) -> str:
    return hashes[0] if len(hashes) == 1 else _sha256("\n".join(hashes).encode()).hexdigest()
