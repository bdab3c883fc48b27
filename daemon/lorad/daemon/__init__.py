"""The service: queue, store, scheduler, supervisor. It imports no torch and starts in no time."""
