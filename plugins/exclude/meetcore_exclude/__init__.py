"""People whose names are listed are not recorded and not transcribed."""
