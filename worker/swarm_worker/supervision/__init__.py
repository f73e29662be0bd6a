"""The worker's side of guards: pool, guarded runs, orphans, fence."""
