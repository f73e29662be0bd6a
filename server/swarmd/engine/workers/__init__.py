"""Workers: their registry, and the reaper of leases that expired."""
