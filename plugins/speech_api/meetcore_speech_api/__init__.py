"""What transcribers of hosted speech services stand on; its parts are public, see the README."""
