"""What each kind of scan does, one subject a module."""
