"""The platform `meet`: Google Meet's meetings, as a guest of its web client."""
