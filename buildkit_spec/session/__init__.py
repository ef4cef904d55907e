"""What we serve back to the daemon: files, logins, secrets, health."""
