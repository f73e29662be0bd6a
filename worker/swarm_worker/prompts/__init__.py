"""What prompts are made of: templates, quoted text, sections. `swarm_worker.prompts` puts them together."""
