"""`python -m lorad.tui` is `lorad`."""

from lorad.tui.cli import main

raise SystemExit(main())
