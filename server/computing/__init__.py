"""Long computations run in worker processes, so that they don't block the event loop."""
