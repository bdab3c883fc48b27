"""Heavy verbs, spawned by the command line as `python -m lorad.daemon.tools VERB`."""
