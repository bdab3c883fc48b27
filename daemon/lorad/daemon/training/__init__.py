"""The run: everything that needs torch. It knows nothing of the service around it."""
