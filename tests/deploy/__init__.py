"""What is shipped beside the code: images, manifests, alerts, the way to a release."""
