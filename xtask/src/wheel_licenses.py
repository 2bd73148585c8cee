"""Adds licences to a wheel: python wheel_licenses.py WHEEL FILE...

maturin takes only files below its own folder, and the list of all crates' licences is not in the checkout. The metadata
folder of the wheel gets the files as ``licenses/NAME``, and the record of the wheel's files names them.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path


def add(wheel, files):
    """Add files to the end of a wheel.

    Parameters
    ----------
    wheel
        The path of the wheel, which is changed.
    files
        The paths of the files.

    Raises
    ------
    SystemExit
        If the record is not the last entry of the wheel, so that it cannot be replaced.
    """
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_DEFLATED) as archive:
        record = archive.infolist()[-1]
        metadata, slash, name = record.filename.rpartition("/")
        if name != "RECORD" or record.header_offset != max(one.header_offset for one in archive.infolist()):
            sys.exit(f"the last file of {wheel} is {record.filename}, not its RECORD")
        lines = archive.read(record).decode()
        # The new entries take the place of the record, which follows them.
        archive.filelist.remove(record)
        del archive.NameToInfo[record.filename]
        archive.start_dir = record.header_offset
        for path in map(Path, files):
            content = path.read_bytes()
            entry = f"{metadata}{slash}licenses/{path.name}"
            archive.writestr(zipfile.ZipInfo(entry), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines = lines.rstrip("\n") + f"\n{entry},sha256={digest},{len(content)}\n"
        archive.writestr(zipfile.ZipInfo(record.filename), lines, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    add(sys.argv[1], sys.argv[2:])
