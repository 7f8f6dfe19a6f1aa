"""A bot's journal, what is read from it and kept beside it, and the store that is built in.

For servers, which read the logs of bots that others run, and for sinks that keep files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore.model.lazy import lazy_face

if TYPE_CHECKING:
    from meetcore.log.encrypted_store import EncryptedFolderStore as EncryptedFolderStore
    from meetcore.log.folder_store import FolderMedia as FolderMedia
    from meetcore.log.folder_store import FolderStore as FolderStore
    from meetcore.log.folder_store import media_in as media_in
    from meetcore.log.folders import journal_path as journal_path
    from meetcore.log.folders import make_bot_folder as make_bot_folder
    from meetcore.log.folders import make_private_folder as make_private_folder
    from meetcore.log.folders import private_file as private_file
    from meetcore.log.folders import private_socket as private_socket
    from meetcore.log.journal import decode_line as decode_line
    from meetcore.log.journal import encode_line as encode_line
    from meetcore.log.journal import pieces as pieces
    from meetcore.log.journal_end import write_end as write_end
    from meetcore.log.journal_end import write_end_in as write_end_in
    from meetcore.log.journal_head import begin as begin
    from meetcore.log.journal_head import head_of as head_of
    from meetcore.log.log_reader import read_lines as read_lines
    from meetcore.log.mailbox import DraftBox as DraftBox
    from meetcore.log.mailbox import Wake as Wake
    from meetcore.log.remote_store import RemoteStore as RemoteStore
    from meetcore.log.remote_store import StoredLine as StoredLine
    from meetcore.log.salvage import lost as lost
    from meetcore.log.scratch import remove_stale as remove_stale
    from meetcore.log.scratch import scratch_folder as scratch_folder
    from meetcore.log.scratch import temporary_folder as temporary_folder
    from meetcore.log.stores import store_of as store_of
    from meetcore.log.threads import Threads as Threads
    from meetcore.log.unkept import check_unkept as check_unkept
    from meetcore.log.unkept_fleet import UnkeptFleetStore as UnkeptFleetStore
    from meetcore.log.who_runs import is_running as is_running

_HOMES: dict[str, tuple[str, ...]] = {
    "encrypted_store": ("EncryptedFolderStore",),
    "folder_store": ("FolderMedia", "FolderStore", "media_in"),
    "folders": (
        "journal_path",
        "make_bot_folder",
        "make_private_folder",
        "private_file",
        "private_socket",
    ),
    "journal": ("decode_line", "encode_line", "pieces"),
    "journal_end": ("write_end", "write_end_in"),
    "journal_head": ("begin", "head_of"),
    "log_reader": ("read_lines",),
    "mailbox": ("DraftBox", "Wake"),
    "remote_store": ("RemoteStore", "StoredLine"),
    "salvage": ("lost",),
    "scratch": ("remove_stale", "scratch_folder", "temporary_folder"),
    "stores": ("store_of",),
    "threads": ("Threads",),
    "unkept": ("check_unkept",),
    "unkept_fleet": ("UnkeptFleetStore",),
    "who_runs": ("is_running",),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
