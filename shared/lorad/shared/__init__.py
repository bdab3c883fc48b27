"""What the daemon and its clients must both know."""
