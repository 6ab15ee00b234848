"""The Bot API: requests, their JSON, their pace."""
