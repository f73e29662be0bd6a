"""Workers as a job array of Slurm: the job script, and its submission."""
