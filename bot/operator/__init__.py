"""What the bot offers its operator: the setup, the doctor, alerts and explained problems."""
