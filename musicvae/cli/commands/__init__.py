"""Commands, one module each, named as they are typed."""
