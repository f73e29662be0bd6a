"""The Kubernetes operator: plans and tasks of a swarm as objects of a cluster."""
