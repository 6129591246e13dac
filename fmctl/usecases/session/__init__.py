"""What the screens of the session ask, answered by the use cases of the commands."""
