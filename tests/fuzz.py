"""A decoder by coverage, for as long as one likes; options are libFuzzer's.

    pip install atheris
    python tests/fuzz.py "a recipe" -max_total_time=600

Without a name it says which there are. It ends where one raises what is no error of lorad's.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Feed it until something breaks."""
    import atheris

    with atheris.instrument_imports(include=["lorad"]):
        from decoders import DECODERS

        from lorad.shared.errors import LoradError
    if len(sys.argv) < 2 or sys.argv[1] not in DECODERS:
        print("\n".join(DECODERS))
        return 2
    decoder = DECODERS[sys.argv.pop(1)]
    room = Path(tempfile.mkdtemp())
    corpus = room / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(decoder.seeds):
        (corpus / str(number)).write_bytes(seed)

    def once(data: bytes) -> None:
        try:
            decoder.feed(data, room)
        except LoradError:
            return

    atheris.Setup([*sys.argv, str(corpus)], once)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
