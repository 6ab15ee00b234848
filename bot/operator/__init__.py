"""What the operator runs and is told: the setup, the doctor, alerts and problems."""
