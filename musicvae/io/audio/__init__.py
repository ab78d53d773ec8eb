"""Songs as sound, and recordings as samples."""
