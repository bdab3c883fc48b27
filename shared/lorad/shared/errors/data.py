"""The training data."""

from __future__ import annotations

from lorad.shared.errors.base import LoradError


class DataError(LoradError):
    """The training data cannot be used."""

    exit_code = 2


class FolderMissing(DataError):
    """The picture folder {path} does not exist. Set `data.path` to a folder of pictures."""


class NoPictures(DataError):
    """There are no pictures in {path}. Put .png, .jpg or .webp files there."""


class NoCaptions(DataError):
    """There are no captions in {path}. Add metadata.csv or metadata.jsonl with the columns
    `file_name` and `text`, or a .txt file beside each picture."""


class CaptionsMissing(DataError):
    """{count} of {total} pictures in {path} have no caption: {names}. Write one for each, or
    move those pictures away."""


class ListedFileMissing(DataError):
    """{metadata} lists {names}, which {verb} not there. Add the files or take the lines out."""


class OutsideFolder(DataError):
    """{metadata} lists `{name}`, which lies outside the picture folder. Use paths below it;
    `data.follow_links = true` allows links out of it."""


class BadMetadata(DataError):
    """{metadata} cannot be used: {why}."""


class CaptionColumn(DataError):
    """It is not clear which column of {source} holds the captions. Set `data.caption_column` to
    one of: {columns}."""


class BrokenPicture(DataError):
    """{names} cannot be decoded: {why}. Replace or remove {them}."""


class DataChanged(DataError):
    """{names} changed since this run began, so it cannot go on exactly. Put the old files back,
    or `lorad restart` the job to train on the new ones."""


class DataSetOutside(DataError):
    """The data set {name} takes {file} for a file of its own, which lies outside of it, so none of
    it is read. Look for `data_files` in its README.md; `data.follow_links = true` allows links out
    of a folder."""


class DataSetUnreachable(DataError):
    """The data set {name} cannot be loaded: {why}. Check the name and the network, or set
    `data.path` to a local folder."""
