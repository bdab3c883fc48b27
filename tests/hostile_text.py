"""What others may have written to move a cursor, to fill a clipboard, to be obeyed or to hide.

Each has `PWN` in it, so that it can be seen to have arrived.
"""

from __future__ import annotations

OSC = (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 17, 19, 22, 50, 52, 99, 104, 110, 133, 176, 777, 1337)
"""Titles, colours, links, clipboards, notifications, pictures, and what runs in a shell."""
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180e\u200b\u2060\u2061\u2062\u2063\u2064\u206a\u206b"
    "\u206c\u206d\u206e\u206f\u2028\u2029\u3164\ufeff\uffa0\ufff9\ufffa\ufffb\ue000\uf8ff"
    "\U000e0001\U000e0020\U000e0041\U000e007f\U000f0000\U0010fffd"
)
"""Of no width, breaking lines, of private use, or tags."""
MARKUP = (
    "[@click=app.quit]PWN[/]",
    "[@click=app.bell]PWN[/]",
    "[@click=screen.dismiss]PWN[/]",
    "[red]PWN[/red]",
    "[/b]PWN",
    "[/]PWN",
    "[b]PWN",
    "[PWN",
    "PWN]",
    "\\[PWN",
    "[link=file:///]PWN[/link]",
    "[on red]PWN[/]",
    "[blink]PWN",
    "[$error]PWN[/]",
    "[reverse]PWN[/reverse]",
    "[bold red on blue]PWN",
    "[#ff0000]PWN[/#ff0000]",
    "[/i] (smile:1.2) PWN",
    "[[PWN]]",
    "[!PWN]",
    "[@PWN=]",
    "[red PWN",
    "PWN[/red]",
    "[link=javascript:alert(1)]PWN[/link]",
    ":warning: PWN :skull:",
    "[dim][/dim][/dim]PWN",
    "[=PWN]",
    "{PWN}",
    "{0.__class__}PWN",
    "{PWN!r:>9999}",
    "%s PWN",
    "%n%n PWN",
    "%(PWN)s",
    "$PWN",
    "${PWN}",
    "`PWN`",
    "$(PWN)",
    "| PWN",
    "; PWN",
    "&& PWN",
    "<PWN>",
    "<script>PWN</script>",
    "&lt;PWN",
    "# PWN",
    "*PWN*",
    "\\x1b[2JPWN",
    "\\u001b]0;PWN",
    "^[[2JPWN",
    "\\PWN",
    "PWN\\",
    "'PWN",
    '"PWN',
    "--PWN",
    "-PWN",
    "../PWN",
    "~PWN",
    "/PWN",
    "C:\\PWN",
    "PWN\\n",
    "\\033[31mPWN",
    "None PWN",
    "NaN PWN",
    "null PWN",
    'PWN,"\n",',
)
LETTERS = (
    "PWN" + "e\u0301" * 9,
    "PWN" + "z\u0335\u0321\u0489" * 9,
    "PWNa" + "\u0300" * 60,
    "PWN" + "\u0e01\u0e49\u0e49\u0e49\u0e49\u0e49\u0e49\u0e49\u0e49",
    "PWN" + "\u0915\u093c" * 20,
    "PWN\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "PWN\U0001f1e9\U0001f1ea\U0001f1e9",
    "PWN\u2764\ufe0f\u2764\ufe0e",
    "PWN\U0001f44d\U0001f3fd",
    "PWN\uff21\uff22\uff23",
    "PWN\u732b" * 9,
    "PWN\u0627\u0644\u0633\u0644\u0627\u0645",
    "PWN\u05e9\u05dc\u05d5\u05dd",
    "PWN\ufdfd\U00012031",
    "PWN\u200d\u200d\u200d",
    "PWN\u20dd\u20dd\u20dd\u20dd\u20dd",
    "PWN\u1ab0\u1ab0\u1ab0\u1ab0\u1ab0",
    "PWN\u1dc0\u1dc0\u1dc0\u1dc0\u1dc0",
    "PWN\ufe20\ufe20\ufe20\ufe20\ufe20",
    "PWN" + "\u0670" * 40,
    "PWN\t\t\t\tPWN",
    "PWN" * 400,
    "PWN\r\nPWN",
    "PWN\n\n\nPWN",
    "PWN" + " " * 300 + "PWN",
)


def _controls() -> list[str]:
    return [f"PWN{chr(code)}PWN" for code in (*range(32), *range(127, 160))]


def _sequences() -> list[str]:
    found = []
    for number in OSC:
        found += [f"\x1b]{number};PWN\x07", f"\x1b]{number};PWN\x1b\\", f"\x9d{number};PWN\x9c"]
    found += [f"\x1b[{final}PWN" for final in map(chr, range(0x40, 0x7F))]
    found += [
        f"\x1b[{given}PWN"
        for given in (
            "2J",
            "3J",
            "6n",
            "c",
            ">c",
            "=c",
            "?1049h",
            "?1049l",
            "?2004h",
            "?1000h",
            "?25l",
            "8m",
            "5m",
            "18t",
            "21t",
            "14t",
            "20t",
            "8;1;1t",
            "1;1H",
            "9999B",
            "9999;9999H",
            "r",
            "!p",
            "?2026h",
            ">1u",
            "?996n",
        )
    ]
    found += [f"\x9b{given}PWN" for given in ("2J", "6n", "31m", "1;1H", "?1049h")]
    for kind in ("P", "_", "^", "X", "k"):
        found += [f"\x1b{kind}PWN\x1b\\", f"\x1b{kind}PWN"]
    found += [f"{chr(code)}PWN\x9c" for code in (0x90, 0x98, 0x9E, 0x9F)]
    found += [
        f"\x1b{given}PWN"
        for given in (
            "c",
            "7",
            "8",
            "D",
            "E",
            "H",
            "M",
            "N",
            "O",
            "Z",
            "=",
            ">",
            "(0",
            ")0",
            "#8",
            "%G",
            "%@",
            " F",
            "n",
            "|",
            "\x1b",
        )
    ]
    found += [
        "\x1bP+q544ePWN\x1b\\",
        "\x1bP$qmPWN\x1b\\",
        "\x1bPqPWN\x1b\\",
        "\x1b_Ga=T,f=24;PWN\x1b\\",
    ]
    found += ["\x1b]8;;file:///etc/passwd\x1b\\PWN\x1b]8;;\x1b\\", "\x1b]52;c;?\x07PWN", "PWN\x1b"]
    return found


def _hidden() -> list[str]:
    found = [f"PWN{char}PWN" for char in BIDI + INVISIBLE]
    found += [f"{char}PWN" * 20 for char in BIDI]
    return found


TEXTS = tuple(dict.fromkeys([*_controls(), *_sequences(), *_hidden(), *MARKUP, *LETTERS]))
OBEYED = tuple(_sequences())
"""What a terminal would obey: none of it may reach one as it is."""
